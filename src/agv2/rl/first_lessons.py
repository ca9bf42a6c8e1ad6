"""What a policy is taught before it meets the simulator: which side to hold, if that pays."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from stable_baselines3 import PPO

from agv2.backtest.tape import MarketTape
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC, SIZE_FRACS
from agv2.models.policy import PolicyNetwork
from agv2.rl.config import HindsightConfig
from agv2.rl.episodes import Span
from agv2.rl.expected_path import RowColumns
from agv2.rl.input_scaling import InputScaling
from agv2.rl.rule_network import network_of_rule, untaught_network
from agv2.rl.side_evidence import SideEvidence, side_evidence
from agv2.rl.side_inputs import side_inputs
from agv2.rl.side_rules import SideRule, best_rule
from agv2.utils.seeding import spawn_seed

__all__ = ["FirstLessons", "first_lessons", "load_lessons"]

_SURE = 20.0  # logit of staying flat over the others


class FirstLessons(NamedTuple):
    """A policy that knows sides, or that there is nothing to know."""

    network: PolicyNetwork
    """Reads scaled observations."""
    evidence: SideEvidence
    rule: SideRule | None
    """What it begins as; None where no rule could be judged."""
    abstains: bool


def first_lessons(
    tapes: Sequence[MarketTape],
    spans: Sequence[Span],
    scaling: InputScaling,
    columns: RowColumns,
    config: HindsightConfig,
    net_arch: tuple[int, ...],
    purged_bars: int,
    seed: int,
) -> FirstLessons:
    """Choose sides on all training bars, then ask by cross-validation on them whether that is worth anything.

    The policy begins as the rule that promises most, at the size that the evidence warrants, and abstains below
    `least_t`.

    Args:
        tapes: the markets.
        spans: training bars.
        scaling: of `input_scaling`.
        columns: of the market rows.
        config: how.
        net_arch: hidden widths.
        purged_bars: left out around the blocks of cross-validation.
        seed: of weights that no lesson sets.

    Raises:
        ConfigError: `net_arch` is too narrow to hold a rule.
    """
    seed = spawn_seed(seed, "hindsight")
    inputs = side_inputs(tapes, columns)
    starts = [int(inputs.starts[span.tape]) for span in spans]
    ranges = [range(start + span.first, start + span.last) for start, span in zip(starts, spans, strict=True)]
    rule = best_rule(inputs.paths, inputs.predicted, ranges)
    if rule is None:
        network = untaught_network(scaling.mean.size + len(PERMISSION_FIELDS), net_arch, seed)
    else:
        network = network_of_rule(rule, columns, scaling, net_arch, seed)
    evidence = side_evidence(tapes, spans, inputs, config.blocks, purged_bars)
    abstains = evidence.t_value < config.least_t
    network = _flat(network) if abstains else _sized(network, evidence.size_frac)
    return FirstLessons(network, evidence, rule, abstains)


def load_lessons(model: PPO, lessons: FirstLessons) -> None:
    """Begin `model` with what was taught; its value stack stays as it is."""
    weights = lessons.network.state_dict()
    taught = {name: weight for name, weight in weights.items() if "policy_net" in name or "action_net" in name}
    model.policy.load_state_dict({**model.policy.state_dict(), **taught})


def _sized(network: PolicyNetwork, size_frac: float) -> PolicyNetwork:
    with torch.no_grad():
        sizes = network.action_net.bias[ACTION_NVEC[0] : ACTION_NVEC[0] + ACTION_NVEC[1]]
        preferred = sizes.max().item()
        sizes.zero_()
        sizes[SIZE_FRACS.index(size_frac)] = preferred
    return network


def _flat(network: PolicyNetwork) -> PolicyNetwork:
    with torch.no_grad():
        network.action_net.weight.zero_()
        network.action_net.bias.zero_()
        network.action_net.bias[0] = _SURE
    return network

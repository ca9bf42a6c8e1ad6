"""What a policy is taught before it meets the simulator: its inputs' scale, and which side to hold, if that pays."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from stable_baselines3 import PPO

from agv2.backtest.tape import MarketTape
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.models.policy import PolicyNetwork
from agv2.rl.config import HindsightConfig
from agv2.rl.episodes import Span
from agv2.rl.hindsight_training import fit_sides, untaught_network
from agv2.rl.input_scaling import InputScaling
from agv2.rl.side_choices import side_inputs
from agv2.rl.side_evidence import SideEvidence, side_evidence
from agv2.utils.seeding import spawn_seed

__all__ = ["FirstLessons", "first_lessons", "load_lessons"]

_SURE = 20.0  # logit of staying flat over the others


class FirstLessons(NamedTuple):
    """A policy that knows sides, or that there is nothing to know."""

    network: PolicyNetwork
    """Reads scaled observations."""
    evidence: SideEvidence
    abstains: bool


def first_lessons(
    tapes: Sequence[MarketTape],
    spans: Sequence[Span],
    scaling: InputScaling,
    config: HindsightConfig,
    net_arch: tuple[int, ...],
    purged_bars: int,
    seed: int,
) -> FirstLessons:
    """Cross-validate on the training bars, then teach all of them for as long as that advises.

    Args:
        tapes: the markets.
        spans: training bars.
        scaling: of `input_scaling`.
        config: how.
        net_arch: hidden widths.
        purged_bars: left out around the blocks of cross-validation.
        seed: of all of this.
    """
    seed = spawn_seed(seed, "hindsight")
    inputs = side_inputs(tapes, scaling)
    evidence = side_evidence(tapes, spans, inputs, config, net_arch, purged_bars, seed)
    network = untaught_network(scaling.mean.size + len(PERMISSION_FIELDS), net_arch, seed)
    if evidence.t_value < config.least_t:
        return FirstLessons(_flat(network), evidence, abstains=True)
    starts = [int(inputs.starts[span.tape]) for span in spans]
    ranges = [range(start + span.first, start + span.last) for start, span in zip(starts, spans, strict=True)]
    fit_sides(network, inputs, ranges, config, seed, steps=evidence.steps)
    return FirstLessons(network, evidence, abstains=False)


def load_lessons(model: PPO, lessons: FirstLessons) -> None:
    """Begin `model` with what was taught; its value stack stays as it is."""
    weights = lessons.network.state_dict()
    taught = {name: weight for name, weight in weights.items() if "policy_net" in name or "action_net" in name}
    model.policy.load_state_dict({**model.policy.state_dict(), **taught})


def _flat(network: PolicyNetwork) -> PolicyNetwork:
    with torch.no_grad():
        network.action_net.weight.zero_()
        network.action_net.bias.zero_()
        network.action_net.bias[0] = _SURE
    return network

"""What a policy is taught before it meets the simulator: its inputs' scale, and which side to hold, if that pays."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from stable_baselines3 import PPO

from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC, SIZE_FRACS
from agv2.models.policy import PolicyNetwork
from agv2.rl.config import HindsightConfig
from agv2.rl.episodes import Span
from agv2.rl.expected_path import RowColumns
from agv2.rl.hindsight_training import fit_sides, untaught_network
from agv2.rl.input_scaling import InputScaling
from agv2.rl.position_chain import greedy_rewards
from agv2.rl.side_choices import SideInputs, side_inputs, side_log_probs
from agv2.rl.side_evidence import SideEvidence, side_evidence
from agv2.utils.seeding import spawn_seed

__all__ = ["FirstLessons", "first_lessons", "load_lessons"]

_SURE = 20.0  # logit of staying flat over the others


class FirstLessons(NamedTuple):
    """A policy that knows sides, or that there is nothing to know."""

    network: PolicyNetwork
    """Reads scaled observations."""
    evidence: SideEvidence
    risk_price: float
    """What holding a position cost per bar while it learnt, in targeted volatilities."""
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
    """Teach sides on all training bars, then ask by cross-validation on them whether that is worth anything.

    The reward counts no risk, and a policy that must turn at both ends of a dull hour holds through it. A price of
    holding makes it let go; that price is chosen whose policy promises the best Sharpe ratio by what is expected.

    It begins at the size that the evidence warrants, and abstains below `least_t`.

    Args:
        tapes: the markets.
        spans: training bars.
        scaling: of `input_scaling`.
        columns: of the market rows.
        config: how.
        net_arch: hidden widths.
        purged_bars: left out around the blocks of cross-validation.
        seed: of all of this.

    Source: Moody and Saffell (2001), IEEE Transactions on Neural Networks 12(4), 875-889, for learning a Sharpe ratio.
    """
    seed = spawn_seed(seed, "hindsight")
    inputs = side_inputs(tapes, scaling, columns)
    starts = [int(inputs.starts[span.tape]) for span in spans]
    ranges = [range(start + span.first, start + span.last) for start, span in zip(starts, spans, strict=True)]
    best: tuple[float, float, PolicyNetwork] | None = None
    for price in config.risk_prices:
        network = untaught_network(scaling.mean.size + len(PERMISSION_FIELDS), net_arch, seed)
        expected = fit_sides(network, inputs, ranges, price, config, seed)
        promised = _promised(network, inputs, ranges, expected)
        if best is None or promised > config.least_gain * max(best[0], 0.0):
            best = promised, price, network
    assert best is not None, "there is a price"
    _, price, network = best
    evidence = side_evidence(tapes, spans, inputs, price, config, net_arch, purged_bars, seed)
    abstains = evidence.t_value < config.least_t
    network = _flat(network) if abstains else _sized(network, evidence.size_frac)
    return FirstLessons(network, evidence, price, abstains)


def _promised(network: PolicyNetwork, inputs: SideInputs, ranges: Sequence[range], expected: FloatArray) -> float:
    """Sharpe ratio per bar that the likeliest sides promise, each bar with a position being as risky as any other."""
    total, held, n_bars = 0.0, 0.0, 0
    for one in ranges:
        part = slice(one.start, one.stop)
        with torch.inference_mode():
            log_probs = side_log_probs(network, inputs.rows[part], inputs.book[part]).numpy()
        rewards = np.empty(len(one))
        _, share = greedy_rewards(log_probs, expected[part], rewards)
        total, held, n_bars = total + float(rewards.sum()), held + share * len(one), n_bars + len(one)
    return total / math.sqrt(held * n_bars) if held > 0.0 else 0.0


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

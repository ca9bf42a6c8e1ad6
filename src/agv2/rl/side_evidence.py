"""Whether choosing sides pays on bars that taught nothing."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray, IntArray
from agv2.decision.actions import SIZE_FRACS
from agv2.models.training_blocks import bars_outside, training_blocks
from agv2.rl.episodes import Span
from agv2.rl.side_inputs import SideInputs
from agv2.rl.side_rules import SideRule, best_rule, rule_rewards

__all__ = ["SideEvidence", "side_evidence"]


class SideEvidence(NamedTuple):
    """What cross-validation says of rules before one is chosen on all training bars."""

    sharpe_per_bar: float
    """Of the rewards on bars left out, all blocks taken together, without stops."""
    t_value: float
    """The mean of these rewards over its standard error."""
    turned_per_bar: float
    """Units bought or sold per bar, of a full-size position."""

    @property
    def size_frac(self) -> float:
        """The size nearest to the share of the mean that is not luck, 1 - 1/t²; the least where t is below one.

        Source: Efron and Morris (1973), JASA 68(341), 117-130.
        """
        share = 1.0 - 1.0 / max(self.t_value, 1.0) ** 2
        return min(SIZE_FRACS, key=lambda size: abs(size - share))


class _Played(NamedTuple):
    """What one rule earned on bars that did not choose it."""

    ts_ns: IntArray
    rewards: FloatArray
    turned_per_bar: float


def side_evidence(
    tapes: Sequence[MarketTape], spans: Sequence[Span], inputs: SideInputs, n_blocks: int, purged_bars: int
) -> SideEvidence:
    """Leave out each block of the training bars in turn, and play the rule that the others choose on it.

    What is played is paid in what it earned, luck included; only the choice is spared that.

    Args:
        tapes: the markets.
        spans: training bars, one span a market.
        inputs: all of `tapes`.
        n_blocks: parts into which the training bars are cut.
        purged_bars: that choose nothing before and after a block.

    Source: López de Prado (2018), Advances in Financial Machine Learning, chapter 7, for purging.
    """
    stamps = [tapes[span.tape].bars["ts_ns"] for span in spans]
    blocks = training_blocks(
        [ts_ns[span.first : span.last] for ts_ns, span in zip(stamps, spans, strict=True)], n_blocks, purged_bars
    )
    played: list[_Played] = []
    for block in blocks:
        taught: list[range] = []
        left_out: list[tuple[IntArray, range]] = []
        for ts_ns, span in zip(stamps, spans, strict=True):
            start = int(inputs.starts[span.tape])
            for part in bars_outside(block, ts_ns, range(span.first, span.last)):
                if len(part) > purged_bars + 2:
                    taught.append(range(start + part.start, start + part.stop - purged_bars))
            low, high = np.clip(np.searchsorted(ts_ns, [block.first_ns, block.stop_ns]), span.first, span.last).tolist()
            left_out.append((ts_ns[low:high], range(start + low, start + high)))

        rule = best_rule(inputs.paths, inputs.predicted, taught)
        played.extend(_play(rule, inputs, *each) for each in left_out)
    return _evidence(played)


def _play(rule: SideRule | None, inputs: SideInputs, ts_ns: IntArray, bars: range) -> _Played:
    rewards = np.zeros(len(bars))
    if rule is None:
        return _Played(ts_ns, rewards, 0.0)
    part = slice(bars.start, bars.stop)
    worth = rule.worth.of(inputs.predicted[part])
    turned, _ = rule_rewards(worth, rule.enter, rule.leave, inputs.paths[part], rewards)
    return _Played(ts_ns, rewards, turned)


def _evidence(parts: Sequence[_Played]) -> SideEvidence:
    """Rewards of one moment count once: what two markets do at a time is no two pieces of evidence."""
    _, place = np.unique(np.concatenate([part.ts_ns for part in parts]), return_inverse=True)
    rewards = np.bincount(place, np.concatenate([part.rewards for part in parts]))
    spread = float(rewards.std())
    sharpe = float(rewards.mean()) / spread if spread > 0.0 else 0.0
    turned = float(np.average([part.turned_per_bar for part in parts], weights=[part.ts_ns.size for part in parts]))
    return SideEvidence(sharpe, sharpe * math.sqrt(rewards.size), turned)

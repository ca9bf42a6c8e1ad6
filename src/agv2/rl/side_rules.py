"""Rules of which side to hold: what a position is worth by forecasts, and at which worth it is entered and left."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.jit import kernel
from agv2.rl.expected_path import Worth, expected_path, fit_worth, known_rows

__all__ = ["SideRule", "best_rule", "rule_rewards"]

_DECAYS = (0.0, 0.7, 0.85, 0.93, 0.97)
"""How much of a bar's worth the next one's is, where a position's worth is a sum over the bars to come."""
_ENTER = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
_LEAVE = (-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Thresholds, in what turning a position costs."""
_LEAST_HELD = 0.1
"""Share of bars with a position: what is promised of rare bars is a straight line drawn too far."""


class SideRule(NamedTuple):
    """Enter a side whose worth exceeds `enter`, leave it below `leave`; worth and thresholds in targeted volatilities.

    Flat, it takes the side that is worth more than `enter`; holding one, it turns where the other beats both its own
    threshold and what the one held is worth above `leave`.
    """

    worth: Worth
    """Of a long; a short is worth as much less."""
    enter: float
    leave: float
    spread: float
    """Standard deviation of the worth over the bars that chose the rule."""
    promised: float
    """Sharpe ratio per bar by what is expected, each bar with a position being as risky as any other."""


def best_rule(paths: FloatArray, predicted: FloatArray, taught: Sequence[range]) -> SideRule | None:
    """The rule that promises the best Sharpe ratio by what may be expected of the taught bars.

    An account moves no price, so what a rule would have earned is a walk along the bars. What a position is worth is a
    sum of expected bars, each by `decay` lighter than the one before, as forecasts foretell that sum.

    Args:
        paths: (n, 5) of `price_path`.
        predicted: (n, k) forecasts.
        taught: stretches of rows, each of one market, that choose; no other row is read.

    Returns:
        The best of them, which may promise a loss; None where none holds a position often enough to be judged.

    Source: Moody and Saffell (2001), IEEE Transactions on Neural Networks 12(4), 875-889, for choosing trades by a
        Sharpe ratio; Davis and Norman (1990), Mathematics of Operations Research 15(4), 676-713, for a region in
        which proportional costs make holding on best.
    """
    rows = known_rows(predicted, taught)
    if rows.size == 0:
        return None
    expected = expected_path(paths, predicted, taught)
    cost = float(np.median(paths[rows, 2]))
    stretches = [slice(one.start, one.stop) for one in taught]
    ahead = np.zeros(len(expected))
    best: SideRule | None = None
    for decay in _DECAYS:
        for one in stretches:
            ahead[one] = _decaying_sum(expected[one, 1], decay)
        worth = fit_worth(predicted, rows, ahead[rows])
        values = worth.of(predicted)
        spread = float(values[rows].std())
        for enter, leave in [(e * cost, le * cost) for e in _ENTER for le in _LEAVE if le <= e]:
            promised = _promised(values, enter, leave, expected, stretches)
            if promised is not None and (best is None or promised > best.promised):
                best = SideRule(worth, enter, leave, spread, promised)
    return best


def _promised(
    values: FloatArray, enter: float, leave: float, expected: FloatArray, stretches: Sequence[slice]
) -> float | None:
    total, held, n_bars = 0.0, 0.0, 0
    for one in stretches:
        rewards = np.empty(one.stop - one.start)
        _, share = rule_rewards(values[one], enter, leave, expected[one], rewards)
        total, held, n_bars = total + float(rewards.sum()), held + share * rewards.size, n_bars + rewards.size
    return total / math.sqrt(held * n_bars) if held > _LEAST_HELD * n_bars else None


@kernel
def rule_rewards(
    worth: FloatArray, enter: float, leave: float, path: FloatArray, rewards: FloatArray
) -> tuple[float, float]:
    """Fill `rewards` with what a rule earns along one path, begun flat.

    Args:
        worth: (T,) of a long.
        enter: worth from which a side is taken.
        leave: worth below which it is left.
        path: (T, 5) columns of `price_path`.
        rewards: (T,) written: per bar, in targeted volatilities.

    Returns:
        Units turned per bar, and the share of bars at which a position is held.
    """
    side, turned, n_held = 0.0, 0.0, 0
    for t in range(worth.size):
        long = worth[t] - (leave if side > 0.0 else enter)
        short = -worth[t] - (leave if side < 0.0 else enter)
        chosen = 0.0
        if long > 0.0 and long >= short:
            chosen = 1.0
        elif short > 0.0:
            chosen = -1.0
        earned = side * path[t, 0] + chosen * path[t, 1] - abs(chosen - side) * path[t, 2]
        if side != 0.0:
            earned -= path[t, 3] if side > 0.0 else path[t, 4]
        rewards[t] = earned
        turned += abs(chosen - side)
        side = chosen
        if side != 0.0:
            n_held += 1
    n_bars = max(worth.size, 1)
    return turned / n_bars, n_held / n_bars


@kernel
def _decaying_sum(values: FloatArray, decay: float) -> FloatArray:
    """(n,) of each value and those after it, each `decay` times as heavy as the one before."""
    sums = np.empty(values.size)
    after = 0.0
    for t in range(values.size - 1, -1, -1):
        after = values[t] + decay * after
        sums[t] = after
    return sums

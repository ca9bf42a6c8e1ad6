"""Every label of a stretch of training bars, made in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.orders import Side
from agv2.features.labels import breakout, forward_returns, level_reaction, regime, triple_barrier
from agv2.features.support_resistance import Levels

__all__ = ["LABEL_HORIZON", "BarLabels", "bar_labels", "class_shares"]

LABEL_HORIZON = max(*forward_returns.HORIZONS, triple_barrier.HORIZON, level_reaction.HORIZON, breakout.HORIZON)
"""Bars that the labels look ahead with the shipped horizons, 48. Regimes depend on all the bars given."""

_CLASSES: Mapping[str, type[IntEnum]] = {
    "regime": regime.Regime,
    "barrier_long": triple_barrier.BarrierOutcome,
    "barrier_short": triple_barrier.BarrierOutcome,
    "reaction": level_reaction.Reaction,
    "pattern": breakout.Pattern,
}


@dataclass(frozen=True, slots=True)
class BarLabels:
    """Labels of each bar; classes are -1 where unknown, returns NaN."""

    future: FloatArray
    """(n_bars, n_horizons) forward returns in volatilities of their horizon."""
    regime: IntArray
    """(n_bars,) `Regime` values."""
    barrier_long: IntArray
    """(n_bars,) `BarrierOutcome` values of a long position from each close."""
    barrier_short: IntArray
    reaction: IntArray
    """(n_bars, 16) `Reaction` values of the bands around each close."""
    pattern: IntArray
    """(n_bars,) `Pattern` values."""


def bar_labels(
    bars: Bars, sigma: FloatArray, levels: Levels, horizons: tuple[int, ...] = forward_returns.HORIZONS
) -> BarLabels:
    """All labels of training bars, from these bars alone.

    Give it the bars of one fold's training range, and nothing later: where training ends, labels end. Earlier bars do
    no harm except to the regimes, whose classes are relative to all the bars given.

    Args:
        bars: training bars.
        sigma: (n_bars,) volatility of one bar's log return as known at its close; NaN where unknown.
        levels: `nearest_levels` of the same bars.
        horizons: of the forward returns, bars ahead, each >= 1.

    Returns:
        Labels; each unknown for the last bars of its horizon, where `sigma` is NaN, and patterns also where no level
        is touched.

    Raises:
        ShapeError: `sigma` or `levels` do not belong to the bars.

    Known at: the close of bar t + `LABEL_HORIZON` (t + the longest of `horizons` where that is later); regimes at the
        last bar given. Nothing on the decision path may read them.
    """
    prices = (bars.high, bars.low, bars.close, sigma)
    barriers = (triple_barrier.HORIZON, triple_barrier.STOP_SIGMAS, triple_barrier.TARGET_SIGMAS)
    return BarLabels(
        future=forward_returns.forward_returns(bars.close, sigma, horizons),
        regime=regime.regime_labels(bars.close, sigma),
        barrier_long=triple_barrier.triple_barrier(*prices, *barriers, Side.LONG).outcome,
        barrier_short=triple_barrier.triple_barrier(*prices, *barriers, Side.SHORT).outcome,
        reaction=level_reaction.level_reactions(*prices),
        pattern=breakout.breakout_labels(*prices, levels),
    )


def class_shares(labels: BarLabels) -> dict[str, FloatArray]:
    """Share of each class among the known labels of each kind, in the order of the class numbers.

    Args:
        labels: from `bar_labels`.

    Returns:
        By the name of the label, (3,) shares that add up to 1; NaN where no label is known.
    """
    shares = {}
    for name, classes in _CLASSES.items():
        values = getattr(labels, name)
        counts = np.bincount(values[values >= 0], minlength=len(classes) - 1)
        known = int(counts.sum())
        shares[name] = counts / known if known else np.full(counts.size, np.nan)
    return shares

"""Which protective price a position taken at each bar would have met first: stop, target or the end of its time."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.barriers import STOP, UNTOUCHED, first_touch
from agv2.core.errors import ShapeError
from agv2.core.jit import kernel
from agv2.core.orders import Side

__all__ = ["HORIZON", "BarrierOutcome", "TripleBarrier", "triple_barrier"]

HORIZON = 24
"""Bars until time runs out, for the labels of the encoder."""

STOP_SIGMAS, TARGET_SIGMAS = 2.5, 5.0
"""Distances, volatilities of one bar; with this horizon no end is rare and none has nearly all on any market seen."""


class BarrierOutcome(IntEnum):
    """How a position ended; from 0 on, the values are class numbers."""

    UNKNOWN = -1
    STOP = 0
    TIME = 1
    TARGET = 2


class TripleBarrier(NamedTuple):
    """The end of the position that each bar would have opened."""

    outcome: IntArray
    """(n_bars,) `BarrierOutcome` values."""
    bars: IntArray
    """(n_bars,) bars until then, 1 to the horizon; 0 where the outcome is unknown."""


def triple_barrier(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    sigma: FloatArray,
    horizon: int,
    stop_sigmas: float,
    target_sigmas: float,
    side: Side,
) -> TripleBarrier:
    """Outcome of a position from each close: stop, target, or neither within `horizon` bars.

    Stop and target stand `stop_sigmas` and `target_sigmas` volatility units (`sigma * close`) from the close. A bar
    that touches both has met its stop first, by the same `first_touch` as in the simulator; costs are left out. A
    price at or below zero cannot be touched.

    The last `horizon` bars stay unknown even where a barrier is touched before the data end: of those bars only the
    ones that end early could be labelled, and time would seem to run out too seldom.

    Args:
        high: (n_bars,) highs; training bars only, since the last labels look to their end.
        low: (n_bars,) lows.
        close: (n_bars,) closes, > 0.
        sigma: (n_bars,) volatility of one bar's log return as known at its close; NaN where unknown.
        horizon: bars until time runs out, >= 1.
        stop_sigmas: distance of the stop, > 0.
        target_sigmas: distance of the target, > 0.
        side: LONG or SHORT.

    Returns:
        Outcomes and the bars to them; UNKNOWN for the last `horizon` bars and where `sigma` is.

    Raises:
        ShapeError: the arrays differ in length.
        ValueError: the horizon or a distance is not positive, or the side is FLAT.

    Known at: the close of bar t + horizon. A label: nothing on the decision path may read it.
    Source: López de Prado (2018), Advances in Financial Machine Learning, section 3.4.
    """
    if not high.size == low.size == close.size == sigma.size:
        raise ShapeError(f"expected one length, found {high.size}, {low.size}, {close.size} and {sigma.size}")
    if side == Side.FLAT or horizon < 1 or not (stop_sigmas > 0.0 and target_sigmas > 0.0):
        raise ValueError(f"no barriers: side {side}, horizon {horizon}, stop {stop_sigmas}, target {target_sigmas}")
    return _outcomes(high, low, close, sigma, horizon, stop_sigmas, target_sigmas, int(side))


@kernel
def _outcomes(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    sigma: FloatArray,
    horizon: int,
    stop_sigmas: float,
    target_sigmas: float,
    side: int,
) -> TripleBarrier:
    n_bars = close.size
    outcome = np.full(n_bars, -1, dtype=np.int64)
    bars = np.zeros(n_bars, dtype=np.int64)
    for t in range(n_bars - horizon):
        if np.isnan(sigma[t]):
            continue
        unit = sigma[t] * close[t]
        stop = close[t] - side * stop_sigmas * unit
        target = close[t] + side * target_sigmas * unit
        outcome[t] = 1
        bars[t] = horizon
        for ahead in range(1, horizon + 1):
            touched = first_touch(side, stop, target, high[t + ahead], low[t + ahead], 0.0)
            if touched != UNTOUCHED:
                outcome[t] = 0 if touched == STOP else 2
                bars[t] = ahead
                break
    return TripleBarrier(outcome, bars)

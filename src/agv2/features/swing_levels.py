"""What should hold price where it stands: swing lows that it rose from, and swing highs that it fell from."""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.jit import kernel

__all__ = ["SWING_LOOKBACK", "SwingLevels", "swing_levels"]

_SWING_BARS = 48  # of which a swing's close is the highest or the lowest
_MEMORY_BARS = (
    452  # back to which swings count; with the bars before the oldest, as many as the density of levels reads
)
SWING_LOOKBACK = _MEMORY_BARS + _SWING_BARS + 1
"""Bars that decide a value."""

_LEFT_SIGMAS = 3.0
_BREAK_SIGMAS = 1.25
_REACH_SIGMAS = 2.5
_HALF_STOOD_BARS = 12.0  # a swing that stood for so long weighs half


class SwingLevels(NamedTuple):
    """How near each close is to a price that held before."""

    support: FloatArray
    """(n_bars,) to a swing low, 0 to 1."""
    resistance: FloatArray
    """(n_bars,) to a swing high, 0 to 1."""


class _Swings(NamedTuple):
    """Swings in the order in which they became one: the first so many of each array."""

    bar: IntArray
    log_price: FloatArray
    side: FloatArray
    """1 for a low, which should hold from below, -1 for a high."""
    sigma: FloatArray
    """Volatility when it became one: the unit of its reach."""
    stood: FloatArray
    """Bars at which it was the extreme of the bars before and price was away from it."""


@kernel
def swing_levels(log_close: FloatArray, sigma: FloatArray) -> SwingLevels:
    """Closeness of each close to the swing low, and to the swing high, that counts most there.

    A swing is the lowest (highest) close of the last 49 bars while price is three volatilities away from it. It counts
    for 452 bars or until a close lies 1.25 volatilities beyond it. Its weight is n / (n + 12), n being the number of
    bars at which it was a swing, times a biweight kernel of the distance that ends at 2.5 volatilities, all in
    volatilities of the bar at which it became one. A density of levels says that price turned somewhere; which way it
    turned says on which side to expect it when it comes again.

    Args:
        log_close: (n_bars,) natural logs of closes.
        sigma: (n_bars,) volatility of one bar's log return over a long past, > 0; NaN where unknown.

    Returns:
        Support and resistance; NaN for the first 500 bars and where `sigma` is.

    Known at: the close of bar t, from the closes of bars t - 500 .. t and `sigma` of the last 452 of them.
    Source: Osler (2000), FRBNY Economic Policy Review 6(2), 53-68, for support and resistance; the weights are ours.
    """
    n_bars = log_close.size
    support, resistance = np.full(n_bars, np.nan), np.full(n_bars, np.nan)
    most = 2 * (_MEMORY_BARS + 1)
    swings = _Swings(np.empty(most, dtype=np.int64), np.empty(most), np.empty(most), np.empty(most), np.empty(most))
    n_swings = 0
    for t in range(_SWING_BARS, n_bars):
        n_swings = _after_close(swings, n_swings, t, log_close[t])
        if math.isnan(sigma[t]):
            continue
        lowest, highest = t, t
        for k in range(t - _SWING_BARS, t + 1):
            if log_close[k] < log_close[lowest]:
                lowest = k
            if log_close[k] > log_close[highest]:
                highest = k
        away = _LEFT_SIGMAS * sigma[t]
        if log_close[t] - log_close[lowest] >= away:
            n_swings = _stand(swings, n_swings, lowest, 1.0, log_close[lowest], sigma[t])
        if log_close[highest] - log_close[t] >= away:
            n_swings = _stand(swings, n_swings, highest, -1.0, log_close[highest], sigma[t])
        if t >= SWING_LOOKBACK - 1:
            support[t] = _closest(swings, n_swings, 1.0, log_close[t])
            resistance[t] = _closest(swings, n_swings, -1.0, log_close[t])
    return SwingLevels(support, resistance)


@kernel
def _after_close(swings: _Swings, n_swings: int, t: int, log_close: float) -> int:
    """How many swings are left after a close; the others move up in order."""
    kept = 0
    for s in range(n_swings):
        beyond = swings.side[s] * (swings.log_price[s] - log_close)
        if t - swings.bar[s] > _MEMORY_BARS or beyond > _BREAK_SIGMAS * swings.sigma[s]:
            continue
        swings.bar[kept] = swings.bar[s]
        swings.log_price[kept] = swings.log_price[s]
        swings.side[kept] = swings.side[s]
        swings.sigma[kept] = swings.sigma[s]
        swings.stood[kept] = swings.stood[s]
        kept += 1
    return kept


@kernel
def _stand(swings: _Swings, n_swings: int, bar: int, side: float, log_price: float, sigma: float) -> int:
    """Count a bar at which `bar` was a swing; how many there are then."""
    for s in range(n_swings - 1, -1, -1):
        if swings.bar[s] == bar and swings.side[s] == side:
            swings.stood[s] += 1.0
            return n_swings
    swings.bar[n_swings] = bar
    swings.log_price[n_swings] = log_price
    swings.side[n_swings] = side
    swings.sigma[n_swings] = sigma
    swings.stood[n_swings] = 1.0
    return n_swings + 1


@kernel
def _closest(swings: _Swings, n_swings: int, side: float, log_close: float) -> float:
    """The largest weight times closeness of the swings on one side."""
    found = 0.0
    for s in range(n_swings):
        distance = (log_close - swings.log_price[s]) / (_REACH_SIGMAS * swings.sigma[s])
        if swings.side[s] == side and -1.0 < distance < 1.0:
            near = 1.0 - distance * distance
            found = max(found, near * near * swings.stood[s] / (swings.stood[s] + _HALF_STOOD_BARS))
    return found

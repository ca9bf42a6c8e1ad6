"""The pivots that still count as bars go by, and how much each counts."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.jit import kernel

__all__ = ["Pivots", "add_pivot", "after_bar", "no_pivots", "pivot_weight"]

_PROMINENT_SIGMAS = 16.0
_BREAK_SIGMAS = 1.0
_TOUCH_SIGMAS = 0.5
_TOUCH_WEIGHT = 0.5
_MOST_TOUCHES = 5


class Pivots(NamedTuple):
    """Pivots in order of time: the first `n_pivots` of each array, a number that goes in and out beside them.

    Each depends on the bars around it and since, and on `sigma` at its confirmation: never on bars before.
    """

    bar: IntArray
    log_price: FloatArray
    side: FloatArray
    """1 for a high, -1 for a low."""
    sigma: FloatArray
    """Volatility of one bar at the close that confirmed it: the unit of all that follows."""
    away: FloatArray
    """How far price has gone from it since, log, >= 0."""
    visits: IntArray
    """How often price has come back to it, five at most."""
    visiting: BoolArray


@kernel
def no_pivots(most: int) -> Pivots:
    """Room for `most` pivots."""
    return Pivots(
        np.empty(most, dtype=np.int64),
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty(most, dtype=np.int64),
        np.empty(most, dtype=np.bool_),
    )


@kernel
def add_pivot(
    pivots: Pivots, n_pivots: int, bar: int, t: int, is_high: bool, high: FloatArray, low: FloatArray, sigma: float
) -> None:
    """Write the pivot `bar` that the close of bar t confirms behind the others; no close since can lie beyond it.

    Prices are logarithms.
    """
    price = high[bar] if is_high else low[bar]
    away = 0.0
    for k in range(bar + 1, t + 1):
        away = max(away, price - low[k] if is_high else high[k] - price)
    pivots.bar[n_pivots] = bar
    pivots.log_price[n_pivots] = price
    pivots.side[n_pivots] = 1.0 if is_high else -1.0
    pivots.sigma[n_pivots] = sigma
    pivots.away[n_pivots] = away
    pivots.visits[n_pivots] = 0
    pivots.visiting[n_pivots] = True  # it has to be left before it can be visited


@kernel
def after_bar(pivots: Pivots, n_pivots: int, forgotten: int, log_high: float, log_low: float, log_close: float) -> int:
    """How many pivots are left after a bar: those up to bar `forgotten` go, and those that its close broke.

    A close more than a volatility beyond a pivot breaks it. The others move up in order, and the bar counts as a
    visit where its range comes within half a volatility and the bar before did not.
    """
    kept = 0
    for p in range(n_pivots):
        price, side, sigma = pivots.log_price[p], pivots.side[p], pivots.sigma[p]
        if pivots.bar[p] <= forgotten or side * (log_close - price) > _BREAK_SIGMAS * sigma:
            continue
        reach = _TOUCH_SIGMAS * sigma
        near = log_low <= price + reach and log_high >= price - reach
        visits = pivots.visits[p]
        if near and not pivots.visiting[p] and visits < _MOST_TOUCHES:
            visits += 1
        away = price - log_low if side > 0.0 else log_high - price
        pivots.bar[kept] = pivots.bar[p]
        pivots.log_price[kept] = price
        pivots.side[kept] = side
        pivots.sigma[kept] = sigma
        pivots.away[kept] = max(pivots.away[p], away)
        pivots.visits[kept] = visits
        pivots.visiting[kept] = near
        kept += 1
    return kept


@kernel
def pivot_weight(pivots: Pivots, p: int) -> float:
    """What pivot `p` weighs before it fades: its prominence, and half of that more for each visit.

    Prominence is how far price has gone from it as a share of 16 volatilities, 1 at most.
    """
    prominence = min(pivots.away[p] / (_PROMINENT_SIGMAS * pivots.sigma[p]), 1.0)
    weight: float = prominence * (1.0 + _TOUCH_WEIGHT * pivots.visits[p])
    return weight

"""Whether one account's Sharpe ratio differs from another's on the same days by more than luck."""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.block_length import optimal_block_length
from agv2.core.errors import ShapeError

__all__ = ["SharpeDifference", "sharpe_difference"]

_LEAST_DAYS = 20
_ROWS = 256  # of resamples at once: what they index stays in a processor's cache


class SharpeDifference(NamedTuple):
    """Annual ratio of one account less that of the other, with a percentile interval; NaN for too few days."""

    value: float
    low: float
    high: float


def sharpe_difference(
    returns: FloatArray,
    base: FloatArray,
    periods_per_year: float,
    rng: np.random.Generator,
    n_resamples: int = 4000,
    level: float = 0.95,
) -> SharpeDifference:
    """The difference of two Sharpe ratios, both of the same resampled days.

    Days are drawn in blocks (stationary bootstrap), the same for both accounts, so that what both owe to the market
    cancels out. An account that does not move has a ratio of 0.

    Args:
        returns: (n,) simple returns per period.
        base: (n,) of the account that it is held against.
        periods_per_year: annualises.
        rng: chance.
        n_resamples: resamples drawn.
        level: probability between the two ends.

    Raises:
        ShapeError: the two differ in length.

    Source: Ledoit and Wolf (2008), Journal of Empirical Finance 15(5), 850-859, with percentile intervals of the
        stationary bootstrap of Politis and Romano (1994) for their studentised circular one.
    """
    if returns.shape != base.shape:
        raise ShapeError(f"the accounts have {returns.size} and {base.size} returns")
    if returns.size < _LEAST_DAYS:
        return SharpeDifference(math.nan, math.nan, math.nan)
    scale = math.sqrt(periods_per_year)
    value = float(_ratios(returns[np.newaxis])[0] - _ratios(base[np.newaxis])[0]) * scale
    if np.array_equal(returns, base):
        return SharpeDifference(0.0, 0.0, 0.0)
    excess = returns - base
    length = max(optimal_block_length(excess), optimal_block_length(np.square(excess - excess.mean())))
    found = np.empty(n_resamples)
    for first in range(0, n_resamples, _ROWS):
        rows = found[first : first + _ROWS]
        days = _drawn_days(returns.size, length, rows.size, rng)
        rows[:] = _ratios(returns[days]) - _ratios(base[days])
    low, high = np.quantile(found * scale, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return SharpeDifference(value, float(low), float(high))


def _drawn_days(n: int, block_length: float, n_resamples: int, rng: np.random.Generator) -> IntArray:
    """(n_resamples, n) days of a stationary bootstrap that wraps round the end."""
    begins = rng.random((n_resamples, n)) < 1.0 / block_length
    begins[:, 0] = True
    place = np.arange(n)
    block = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    start = np.take_along_axis(rng.integers(n, size=(n_resamples, n)), block, axis=1)
    days: IntArray = (start + place - block) % n
    return days


def _ratios(returns: FloatArray) -> FloatArray:
    """(k,) of (k, n) returns; 0 where they do not move."""
    spread = returns.std(axis=1, ddof=1)
    moves = spread > 1e-12 * np.maximum(np.abs(returns).max(axis=1), 1e-300)
    found: FloatArray = np.where(moves, returns.mean(axis=1) / np.where(moves, spread, 1.0), 0.0)
    return found

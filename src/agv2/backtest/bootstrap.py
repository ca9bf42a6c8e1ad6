"""How far a result could have strayed by chance: block bootstrap of daily returns.

Blocks keep the dependence between neighbouring days that drawing single days would destroy.
"""

import math
from typing import NamedTuple

import numpy as np

from agv2.backtest.composed_blocks import resample_sums
from agv2.core.arrays import FloatArray
from agv2.core.block_length import optimal_block_length
from agv2.core.errors import DataError

__all__ = ["Intervals", "block_bootstrap", "bootstrap_intervals"]


class Interval(NamedTuple):
    """Percentile interval; both NaN when the measure is undefined on the resamples."""

    low: float
    high: float


class Intervals(NamedTuple):
    """Percentile intervals of the measures of one series of daily returns."""

    net_return: Interval
    sharpe: Interval
    sortino: Interval
    max_drawdown: Interval
    """Of daily closes, so of smaller drawdowns than those of every bar."""
    block_length: float
    """Mean length of the blocks, days."""

    def as_json(self) -> dict[str, list[float]]:
        """Measure to [low, high]; an undefined interval is left out."""
        named = {name: getattr(self, name) for name in self._fields if name != "block_length"}
        return {name: list(interval) for name, interval in named.items() if math.isfinite(interval.low)}


class Resamples(NamedTuple):
    """Measures of each resample, (n_resamples,) each; ratios per period, NaN where undefined."""

    net_return: FloatArray
    sharpe: FloatArray
    sortino: FloatArray
    max_drawdown: FloatArray


def bootstrap_intervals(
    returns: FloatArray,
    periods_per_year: float,
    rng: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Intervals:
    """Stationary-bootstrap percentile intervals of net return, Sharpe, Sortino and drawdown.

    The block length is the longer of the automatic ones of the returns and of their squares: volatility that
    clusters widens the intervals of ratios and drawdowns even where returns themselves are uncorrelated.

    Args:
        returns: (n,) simple returns per period.
        periods_per_year: annualises the two ratios.
        rng: chance.
        n_resamples: resamples drawn.
        level: probability between the two ends.

    Returns:
        NaN ends for a measure that is undefined on a tenth of the resamples or more, and for n < 2.
    """
    if returns.size < 2:
        nothing = Interval(math.nan, math.nan)
        return Intervals(nothing, nothing, nothing, nothing, math.nan)
    length = max(optimal_block_length(returns), optimal_block_length(np.square(returns - returns.mean())))
    found = block_bootstrap(returns, length, n_resamples, rng)
    scale = math.sqrt(periods_per_year)
    return Intervals(
        net_return=_interval(found.net_return, level),
        sharpe=_interval(found.sharpe * scale, level),
        sortino=_interval(found.sortino * scale, level),
        max_drawdown=_interval(found.max_drawdown, level),
        block_length=length,
    )


def block_bootstrap(
    returns: FloatArray, block_length: float, n_resamples: int, rng: np.random.Generator, *, stationary: bool = True
) -> Resamples:
    """Measures of resamples of `returns` put together from blocks, wrapping round its end.

    Args:
        returns: (n,) simple returns per period, n >= 2; below -1 counts as ruin, -1.
        block_length: mean length of geometric blocks (stationary, Politis and Romano 1994), or, rounded, the
            fixed length (circular, Politis and Romano 1992); >= 1.
        n_resamples: resamples drawn, each of n returns.
        rng: chance.
        stationary: geometric rather than fixed lengths.

    Returns:
        Ratios are those of `metrics`, per period; a drawdown never exceeds 1.

    Raises:
        DataError: fewer than two returns, or a block shorter than 1.
    """
    if returns.size < 2 or block_length < 1.0:
        raise DataError(f"a block bootstrap needs 2 returns and blocks of 1, found {returns.size} and {block_length}")
    length = block_length if stationary else float(round(block_length))
    sums = resample_sums(returns, length, n_resamples, rng, stationary=stationary)
    n = returns.size
    centred_mean = sums.centred / n
    variance = (sums.square - n * np.square(centred_mean)) / (n - 1)
    total = float(returns.mean()) + centred_mean
    # less is what rounding leaves of days that do not differ
    least = max(1e-12 * float(returns.var()), 1e-24 * float(np.square(returns).max()), 1e-300)
    spread = np.where(variance > least, variance, np.nan)
    downside = np.where(sums.loss > 0.0, sums.loss / n, np.nan)
    return Resamples(
        net_return=np.expm1(sums.log_growth),
        sharpe=total / np.sqrt(spread),
        sortino=total / np.sqrt(downside),
        max_drawdown=-np.expm1(-sums.deepest_fall),
    )


def _interval(values: FloatArray, level: float) -> Interval:
    defined = values[np.isfinite(values)]
    if defined.size <= 0.9 * values.size:
        return Interval(math.nan, math.nan)
    low, high = np.quantile(defined, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high))

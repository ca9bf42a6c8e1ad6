"""How far a result could have strayed by chance: block bootstrap of daily returns.

Blocks keep the dependence between neighbouring days that drawing single days would destroy.
"""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.block_length import optimal_block_length
from agv2.core.errors import DataError
from agv2.core.jit import kernel

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
    mean = float(returns.mean())
    with np.errstate(divide="ignore"):  # log 0 = -inf is ruin, and stays so
        log_growth = np.log1p(np.maximum(returns, -1.0))
    length = block_length if stationary else float(round(block_length))
    sums = _resample_sums(returns, returns - mean, log_growth, length, stationary, n_resamples, rng)
    n = returns.size
    centred_mean = sums[:, 0] / n
    variance = (sums[:, 1] - n * np.square(centred_mean)) / (n - 1)
    downside = sums[:, 2] / n
    total = mean + centred_mean
    spread = np.where(variance > 1e-24 * max(float(np.square(returns).max()), 1e-300), variance, np.nan)
    return Resamples(
        net_return=np.expm1(sums[:, 3]),
        sharpe=total / np.sqrt(spread),
        sortino=total / np.sqrt(np.where(downside > 0.0, downside, np.nan)),
        max_drawdown=-np.expm1(-sums[:, 4]),
    )


def _interval(values: FloatArray, level: float) -> Interval:
    defined = values[np.isfinite(values)]
    if defined.size <= 0.9 * values.size:
        return Interval(math.nan, math.nan)
    low, high = np.quantile(defined, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high))


@kernel
def _resample_sums(
    returns: FloatArray,
    centred: FloatArray,
    log_growth: FloatArray,
    block_length: float,
    stationary: bool,
    n_resamples: int,
    rng: np.random.Generator,
) -> FloatArray:
    """(n_resamples, 5): sums of centred returns, their squares and squared losses; log growth; its deepest fall."""
    n = returns.size
    sums = np.zeros((n_resamples, 5))
    log_stay = math.log1p(-1.0 / block_length) if block_length > 1.0 else 0.0
    for resample in range(n_resamples):
        first = square = loss = level = peak = deepest = 0.0
        filled = 0
        while filled < n:
            source = int(rng.random() * n)
            length = int(block_length)
            if stationary:
                # inversion: the number of days until the first end of a block is geometric
                length = 1 + int(math.log(1.0 - rng.random()) / log_stay) if block_length > 1.0 else 1
            for _ in range(min(length, n - filled)):
                first += centred[source]
                square += centred[source] * centred[source]
                if returns[source] < 0.0:
                    loss += returns[source] * returns[source]
                level += log_growth[source]
                if level > peak:
                    peak = level
                elif peak - level > deepest:
                    deepest = peak - level
                source += 1
                if source == n:
                    source = 0
                filled += 1
        sums[resample, 0], sums[resample, 1], sums[resample, 2] = first, square, loss
        sums[resample, 3], sums[resample, 4] = level, deepest
    return sums

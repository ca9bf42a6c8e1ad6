"""Whether the best of many trials is more than the luckiest of them."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.block_length import optimal_block_length
from agv2.core.errors import ShapeError

__all__ = ["MIN_DAYS", "common_returns", "overfitting_probability", "superior_ability"]

MIN_DAYS = 60
"""Below it nothing is said."""
_MOST_BLOCKS = 16
_LEAST_BLOCK_DAYS = 5
_RESAMPLES = 1000


def common_returns(series: Sequence[tuple[IntArray, FloatArray]]) -> tuple[IntArray, FloatArray]:
    """The days that all trials have, and what each made of them.

    Args:
        series: (days, returns) of each trial; days rise.

    Returns:
        (n_days,) days and (n_days, n_trials) returns.
    """
    days = series[0][0]
    for other, _ in series[1:]:
        days = np.intersect1d(days, other, assume_unique=True)
    columns = [returns[np.searchsorted(own, days)] for own, returns in series]
    return days, np.stack(columns, axis=1)


def overfitting_probability(returns: FloatArray) -> float:
    """Probability that the trial with the best Sharpe ratio on some of the days is below the median on the others.

    The days are cut into 16 adjacent blocks (fewer where they would be shorter than five days); every half of the
    blocks in turn chooses a trial, and the other half ranks it. Trials that do not move have a ratio of 0; trials that
    tie share their mean rank.

    Args:
        returns: (n_days, n_trials) simple returns of the same days.

    Returns:
        Share of the halves whose choice ranks at or below the median; NaN below 60 days or two trials, and where all
        trials are one.

    Source: Bailey, Borwein, López de Prado and Zhu (2017), Journal of Computational Finance 20(4), 39-69, section 3.
    """
    n_days, n_trials = _shape(returns)
    if n_days < MIN_DAYS or n_trials < 2 or (returns == returns[:, :1]).all():
        return math.nan
    n_blocks = min(_MOST_BLOCKS, 2 * (n_days // (2 * _LEAST_BLOCK_DAYS)))
    blocks = np.array_split(returns, n_blocks)
    sums = np.stack([block.sum(axis=0) for block in blocks])
    squares = np.stack([np.square(block).sum(axis=0) for block in blocks])
    lengths = np.array([len(block) for block in blocks], dtype=np.float64)
    chosen = np.zeros((math.comb(n_blocks, n_blocks // 2), n_blocks))
    for row, half in enumerate(itertools.combinations(range(n_blocks), n_blocks // 2)):
        chosen[row, half] = 1.0
    inside = _sharpe_ratios(chosen, sums, squares, lengths)
    outside = _sharpe_ratios(1.0 - chosen, sums, squares, lengths)
    # One best each; where several tie, the one that ranks lowest outside: luck is not given the benefit of the doubt.
    ranks = rankdata(outside, axis=1) / (n_trials + 1.0)
    is_best = inside == inside.max(axis=1, keepdims=True)
    best = np.where(is_best, ranks, math.inf).min(axis=1)
    return float((best <= 0.5).mean())


def superior_ability(returns: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    """p-values of "no trial beats the benchmark", the best of them being the best of many.

    Each trial is scaled to a variance of one: the library does not divide its statistic by the spread of each trial, as
    the test asks. Trials that do not move are left out; they beat nothing.

    Args:
        returns: (n_days, n_trials) in excess of the benchmark.
        rng: chance of the stationary bootstrap, 1,000 resamples.

    Returns:
        Hansen's consistent p-value and White's; NaN below 60 days or without a trial that moves.

    Source: Hansen (2005), Journal of Business and Economic Statistics 23(4), 365-380; White (2000), Econometrica
        68(5), 1097-1126.
    """
    n_days, _ = _shape(returns)
    spread = returns.std(axis=0)
    moves = spread > 1e-12 * max(float(np.abs(returns).max(initial=0.0)), 1e-300)
    if n_days < MIN_DAYS or not moves.any():
        return math.nan, math.nan
    from arch.bootstrap import SPA  # takes seconds, and few runs have trials enough

    scaled = returns[:, moves] / spread[moves]
    block = max(optimal_block_length(column) for column in scaled.T)
    # A loss is what was not earned, that of the benchmark being nothing.
    test = SPA(np.zeros(n_days), -scaled, block_size=max(1, round(block)), reps=_RESAMPLES, seed=rng)
    test.compute()
    return float(test.pvalues["consistent"]), float(test.pvalues["upper"])


def _shape(returns: FloatArray) -> tuple[int, int]:
    if returns.ndim != 2:
        raise ShapeError(f"trials need (n_days, n_trials) returns, found {returns.shape}")
    return returns.shape[0], returns.shape[1]


def _sharpe_ratios(chosen: FloatArray, sums: FloatArray, squares: FloatArray, lengths: FloatArray) -> FloatArray:
    """(n_halves, n_trials) per day; 0 where a trial did not move."""
    n = (chosen @ lengths)[:, np.newaxis]
    mean = chosen @ sums / n
    variance = chosen @ squares / n - np.square(mean)
    moves = variance > 1e-12 * np.maximum(squares.max(), 1e-300) / n
    found: FloatArray = np.where(moves, mean / np.sqrt(np.where(moves, variance, 1.0)), 0.0)
    return found

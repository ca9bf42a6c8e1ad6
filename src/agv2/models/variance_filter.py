"""The variance of the next bar's return, from the returns so far: one recursion for GARCH and for RiskMetrics' EWMA."""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.models.training_rows import TrainingSeries

__all__ = ["EWMA", "GarchParams", "filtered_variance", "past_returns"]


class GarchParams(NamedTuple):
    """`variance' = omega + alpha · return² + beta · variance`, of log returns of one bar."""

    omega: float
    alpha: float
    beta: float
    degrees: float
    """Of freedom of the t distribution; NaN where none was fitted."""


EWMA = GarchParams(omega=0.0, alpha=0.06, beta=0.94, degrees=math.nan)
"""RiskMetrics (1996), technical document."""


def past_returns(series: TrainingSeries) -> FloatArray:
    """(n_bars,) log return of each bar, from the target of the bar before; NaN where that is unknown.

    Known at: the close of each bar.
    """
    past = np.full(len(series), np.nan)
    past[1:] = series.future[:-1, 0] * series.sigma[:-1]
    return past


def filtered_variance(returns: FloatArray, params: GarchParams, first: float, floor: float) -> FloatArray:
    """Variance of the next bar's return.

    Args:
        returns: (n_bars,) log returns; NaN moves the variance as its expectation would.
        params: of the recursion.
        first: variance before the first bar.
        floor: least variance, > 0.

    Returns:
        (n_bars,) variances, never below the floor.

    Known at: the close of each bar.
    """
    ahead = np.empty(returns.size)
    variance = first
    omega, alpha, beta, _ = params
    for t, square in enumerate(np.square(returns).tolist()):
        news = variance if math.isnan(square) else square
        variance = max(omega + alpha * news + beta * variance, floor)
        ahead[t] = variance
    return ahead

"""By what a trial is judged: the daily returns of its inner test folds, taken together."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from agv2.app.tuning.trial import MeasuredFold
from agv2.backtest.significance import return_moments
from agv2.core.arrays import FloatArray, IntArray

__all__ = ["Measure", "joined", "score"]

Measure = Literal["sharpe", "growth"]


class JoinedDays(NamedTuple):
    """Days of several folds as one series."""

    days: IntArray
    """(n_days,) rising."""
    returns: FloatArray
    """(n_days,) simple."""
    excess: FloatArray
    """(n_days,) over volatility-targeted buy and hold."""


def joined(folds: Sequence[MeasuredFold]) -> JoinedDays:
    """The days of all folds; one that two of them share is compounded."""
    days, place = np.unique(np.concatenate([fold.days for fold in folds]), return_inverse=True)
    growth, excess = np.zeros(days.size), np.zeros(days.size)
    np.add.at(growth, place, np.log(np.maximum(1.0 + np.concatenate([fold.returns for fold in folds]), 1e-12)))
    np.add.at(excess, place, np.concatenate([fold.excess for fold in folds]))
    return JoinedDays(days.astype(np.int64), np.expm1(growth), excess)


def score(folds: Sequence[MeasuredFold], measure: Measure) -> float:
    """Annualised Sharpe ratio of the days of all folds together, or log growth of equity a year.

    Ratios of single folds, of which some are weeks, stray too far for their mean to mean much.

    Args:
        folds: one or more.
        measure: which of both.

    Returns:
        0 for a policy that never traded.
    """
    returns, per_year = joined(folds).returns, folds[0].days_per_year
    if measure == "growth":
        return float(np.log1p(np.maximum(returns, 1e-12 - 1.0)).mean()) * per_year
    ratio = float(return_moments(returns).sharpe)
    return ratio * math.sqrt(per_year) if math.isfinite(ratio) else 0.0

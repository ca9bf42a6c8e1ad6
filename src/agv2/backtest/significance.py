"""How sure one may be that a Sharpe ratio is not luck."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray

__all__ = [
    "ReturnMoments",
    "deflated_sharpe_ratio",
    "deflation_benchmark",
    "expected_best_sharpe",
    "probabilistic_sharpe_ratio",
    "return_moments",
    "sharpe_z_score",
]

_NORMAL = NormalDist()


class ReturnMoments(NamedTuple):
    """What the significance of a Sharpe ratio depends on, for one or many series of equal length."""

    n: int
    """Returns per series."""
    sharpe: FloatArray
    """(...) mean / standard deviation (n - 1), per period; NaN for constant returns or n < 3."""
    skew: FloatArray
    kurtosis: FloatArray
    """(...) raw: 3 for a normal distribution."""


def return_moments(returns: FloatArray) -> ReturnMoments:
    """Moments of each series.

    Args:
        returns: (..., n) simple returns per period.

    Returns:
        (...) moments; NaN where the returns do not vary or n < 3.
    """
    n = returns.shape[-1]
    if n < 3:
        undefined = np.full(returns.shape[:-1], np.nan)
        return ReturnMoments(n, undefined, undefined, undefined)
    mean = returns.mean(axis=-1)
    centred = returns - mean[..., None]
    square = centred * centred
    variance = square.mean(axis=-1)
    # below this the deviations are rounding of a constant
    variance = np.where(variance > 1e-24 * np.square(returns).max(axis=-1), variance, np.nan)
    skew = (square * centred).mean(axis=-1) / variance**1.5
    kurtosis = (square * square).mean(axis=-1) / variance**2
    return ReturnMoments(n, mean / np.sqrt(variance * n / (n - 1)), skew, kurtosis)


def sharpe_z_score(moments: ReturnMoments, benchmark: float = 0.0) -> FloatArray:
    """Standard errors by which each Sharpe ratio exceeds `benchmark` (per period), allowing for skew and fat tails.

    Source: Bailey and López de Prado (2012), Journal of Risk 15(2), equation 11; raw kurtosis.
    """
    sharpe = moments.sharpe
    spread = 1.0 - moments.skew * sharpe + (moments.kurtosis - 1.0) / 4.0 * np.square(sharpe)
    # kurtosis >= 1 + skew² makes `spread` >= 0; a two-valued series can reach 0
    z: FloatArray = (sharpe - benchmark) * math.sqrt(max(moments.n - 1, 0)) / np.sqrt(np.maximum(spread, 1e-12))
    return z


def probabilistic_sharpe_ratio(returns: FloatArray, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark`.

    Args:
        returns: (n,) simple returns per period.
        benchmark: Sharpe ratio per period.

    Returns:
        Within 0..1; NaN for fewer than three returns or constant ones.

    Source: Bailey and López de Prado (2012), Journal of Risk 15(2), 3-44.
    """
    z = float(sharpe_z_score(return_moments(returns), benchmark))
    return math.nan if math.isnan(z) else _NORMAL.cdf(z)


def expected_best_sharpe(n_trials: int, sharpe_variance: float) -> float:
    """Sharpe ratio that the best of `n_trials` trials without skill is expected to show; 0 for one trial.

    Args:
        n_trials: independent trials, >= 1.
        sharpe_variance: variance of the trials' Sharpe ratios, per period.

    Source: Bailey and López de Prado (2014), Journal of Portfolio Management 40(5), 94-107, equation 1.
    """
    if n_trials <= 1:
        return 0.0
    usual = _NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    rare = _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return math.sqrt(sharpe_variance) * ((1.0 - np.euler_gamma) * usual + np.euler_gamma * rare)


def deflated_sharpe_ratio(returns: FloatArray, n_trials: int, earlier_sharpes: Sequence[float] = ()) -> float:
    """Probability that the true Sharpe ratio exceeds what the best of `n_trials` unskilled trials would show.

    Args:
        returns: (n,) simple returns per period of this trial.
        n_trials: trials on these data, this one included.
        earlier_sharpes: Sharpe ratios per period of the other trials, as far as they are known.

    Returns:
        Within 0..1, the probabilistic Sharpe ratio for one trial; NaN for fewer than three returns or constant ones.

    Source: Bailey and López de Prado (2014), Journal of Portfolio Management 40(5), 94-107.
    """
    return probabilistic_sharpe_ratio(returns, deflation_benchmark(returns, n_trials, earlier_sharpes))


def deflation_benchmark(returns: FloatArray, n_trials: int, earlier_sharpes: Sequence[float]) -> float:
    """Sharpe ratio per period that this trial has to beat; 0 for one trial.

    The variance is that of all trials, this one included, and at least 1 / (n - 1): that of the Sharpe ratios that
    trials without skill show on n returns. Without that floor a few alike trials, or ones that stayed flat, would
    undo the deflation. A trial whose ratio is undefined never moved, and counts as 0.
    """
    own = float(return_moments(returns).sharpe)
    known = [sharpe if math.isfinite(sharpe) else 0.0 for sharpe in (*earlier_sharpes, own)]
    spread = float(np.var(known, ddof=1)) if len(known) >= 2 else 0.0
    return expected_best_sharpe(n_trials, max(spread, 1.0 / max(returns.size - 1, 1)))

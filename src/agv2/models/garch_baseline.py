"""Return quantiles of a GARCH(1,1) with Student t innovations: what a quantile head has to beat."""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError
from agv2.models.training_rows import TrainingSeries
from agv2.models.variance_filter import EWMA, GarchParams, filtered_variance, past_returns

__all__ = ["GarchForecast", "garch_forecast"]

FIT_BARS = 100_000  # the newest training bars: more change the third digit of the parameters and take longer
MIN_BARS = 250
# Of the search, None is the library's own: (omega, alpha, beta, degrees) of returns with unit variance.
STARTS: tuple[tuple[float, ...] | None, ...] = (None, (0.02, 0.05, 0.93, 6.0), (0.1, 0.1, 0.8, 4.0))
FLOOR_SHARE = 0.05  # of the training volatility: a market that stood still for a day has not lost it for ever


@dataclass(frozen=True, slots=True)
class GarchForecast:
    """Forecasts of the scored rows of one symbol.

    Attributes:
        quantiles: (n_rows, n_horizons, n_levels) of the forward return, in σ·√h, rising.
        scale: (n_rows, n_horizons) standard deviation of the forward return, in σ·√h.
        params: as fitted on the training rows, or RiskMetrics' EWMA.
        failure: why there is EWMA instead of a fitted GARCH, one line; empty where GARCH was fitted.

    Known at: the close of each row's bar.
    """

    quantiles: FloatArray
    scale: FloatArray
    params: GarchParams
    failure: str


def garch_forecast(
    series: TrainingSeries, train: range, score: range, horizons: tuple[int, ...], levels: FloatArray
) -> GarchForecast:
    """Quantiles of forward returns from one fit on the training rows, filtered forward without another.

    The mean is zero. The variance of the next h bars is the closed form of the recursion, linear in that of the next
    bar. The shape is empirical: quantiles of the training rows' own h-bar returns, each divided by its forecast
    standard deviation, horizon by horizon. A sum of t innovations whose variance moves is no t, and real returns are
    skewed: a t of matched variance is as good over one bar and worse over twelve, except on a few thousand training
    rows, whose overlapping sums say little about a shape. Where nothing can be fitted (too
    few bars, no movement, no convergence) the variance is that of `EWMA`, and `failure` says so.

    Args:
        series: one symbol; the first horizon of `future` is one bar.
        train: rows that are fitted on; their targets may reach past the last of them, as those of any baseline here.
        score: rows to forecast.
        horizons: of the columns of `future`, bars ahead, the first 1.
        levels: (n_levels,) quantile levels, rising.

    Returns:
        Forecasts of `score`. A bar whose return is NaN moves the variance as its expectation would.

    Raises:
        DataError: the horizons do not fit, or no training row knows its return over one of them.

    Known at: the close of each row's bar, given parameters and shape known at the end of training.
    Source: Bollerslev (1987), Review of Economics and Statistics 69(3), 542-547; Barone-Adesi, Giannopoulos and
        Vosper (1999), Journal of Futures Markets 19(5), 583-602, for the shape.
    """
    if len(horizons) != series.future.shape[1] or horizons[0] != 1:
        raise DataError(
            f"{series.symbol}: returns over {series.future.shape[1]} horizons, the first of one bar, expected"
        )
    targets = series.future[train.start : train.stop]
    if not np.isfinite(targets).any(axis=0).all():
        raise DataError(f"{series.symbol}: no training row knows its return over one of {horizons} bars")
    returns = past_returns(series)
    known = returns[train.start : train.stop]
    known = known[np.isfinite(known)][-FIT_BARS:]
    mean_square = float(np.square(known).mean()) if known.size else 0.0
    params, failure = _fitted(known, math.sqrt(mean_square))
    floor = max(FLOOR_SHARE**2 * mean_square, 1e-24)
    ahead = filtered_variance(returns, params, max(mean_square, floor), floor)
    scale = np.stack([np.sqrt(_variance_of_sum(ahead, params, h) / h) / series.sigma for h in horizons], axis=1)
    shapes = []
    for j in range(len(horizons)):
        standard = targets[:, j] / scale[train.start : train.stop, j]
        shapes.append(np.quantile(standard[np.isfinite(standard)], levels))
    now = scale[score.start : score.stop]
    return GarchForecast(now[:, :, None] * np.array(shapes), now, params, failure)


def _fitted(returns: FloatArray, spread: float) -> tuple[GarchParams, str]:
    """Parameters by maximum likelihood, or EWMA's and the reason why."""
    if returns.size < MIN_BARS:
        return EWMA, f"{returns.size} training returns are fewer than {MIN_BARS}"
    if not spread > 0.0 or np.count_nonzero(returns) < MIN_BARS:
        return EWMA, f"only {np.count_nonzero(returns)} training returns differ from zero"
    from arch import arch_model  # here, since it brings pandas and statsmodels

    # In units of its own spread a series is neither too small nor too large for the search.
    model = arch_model(returns / spread, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    best, highest = None, -math.inf
    for start in STARTS:  # a search may stop where it began and call that success: the likelihood decides
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                found = model.fit(disp="off", show_warning=False, starting_values=start and np.array(start))
        except (ValueError, FloatingPointError, np.linalg.LinAlgError):
            continue
        if found.convergence_flag == 0 and found.loglikelihood > highest:
            best, highest = GarchParams(*(float(value) for value in np.asarray(found.params))), found.loglikelihood
    if best is None or not all(math.isfinite(value) for value in best):
        return EWMA, f"the search for parameters failed on {returns.size} training returns"
    excess = max(1.0, best.alpha + best.beta)  # the search keeps the bound of 1 only to its own tolerance
    return best._replace(omega=best.omega * spread**2, alpha=best.alpha / excess, beta=best.beta / excess), ""


def _variance_of_sum(ahead: FloatArray, params: GarchParams, horizon: int) -> FloatArray:
    """Expected variance of the sum of the next `horizon` returns: `weight · ahead + drift`."""
    persistence = params.alpha + params.beta
    weight = drift = step_drift = 0.0
    step_weight = 1.0
    for _ in range(horizon):
        weight += step_weight
        drift += step_drift
        step_weight, step_drift = persistence * step_weight, params.omega + persistence * step_drift
    return weight * ahead + drift

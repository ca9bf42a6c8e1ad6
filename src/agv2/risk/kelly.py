"""How much of an edge is proven, and what size that warrants.

Returns are counted on the notional held, in volatilities of one bar: so markets can be pooled, calm and wild times too.
Equity of which `f` is held in a market of volatility `s` then grows by `f s mean - (f s)^2 variance / 2` a bar, most at
`f s = mean / variance`: the Kelly size is a volatility, and its cap one on the volatility of a position.
"""

from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.risk.config import RiskParams

__all__ = ["EdgeEstimate", "estimate_edge", "with_evidence"]

UNPROVEN_SHARE = 0.25
"""Of the usual size, in simulation and paper, where the interval of the edge covers zero; live it is nothing."""
LEAST_BARS = 100
"""Bars held below which nothing is proven: the interval rests on the normal distribution."""
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class EdgeEstimate:
    """What a policy earned a bar on the notional that it held, in volatilities of one bar."""

    n_bars: int
    """Bars held, over all markets."""
    mean: float
    """0 where nothing was held."""
    error: float
    """Standard error of the mean."""
    variance: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean."""
        return self.mean - _NORMAL_95 * self.error, self.mean + _NORMAL_95 * self.error

    @property
    def is_proven(self) -> bool:
        """Whether the interval lies above zero, on bars enough to trust it."""
        return self.n_bars >= LEAST_BARS and self.interval[0] > 0.0

    @property
    def is_disproven(self) -> bool:
        """Whether the interval lies below zero, on bars enough to trust it: the policy loses."""
        return self.n_bars >= LEAST_BARS and self.interval[1] < 0.0

    @property
    def kelly_volatility(self) -> float:
        """Volatility of the shrunk Kelly position, per unit of equity and bar; 0 where the mean is not positive.

        The stake that grows most on average over the errors of `mean` is `mean / variance` times
        `mean^2 / (mean^2 + error^2)`.

        Source: Kelly (1956), Bell System Technical Journal 35(4), 917-926; Baker & McHale (2013), Decision Analysis
        10(3), 189-199, for the shrinkage.
        """
        if self.mean <= 0.0 or self.variance == 0.0:
            return 0.0
        return self.mean / self.variance * self.mean**2 / (self.mean**2 + self.error**2)


def estimate_edge(returns: FloatArray) -> EdgeEstimate:
    """Mean and variance of all returns, with an error that knows of dependence in time and between markets.

    Args:
        returns: (n_stamps, n_markets) return on the notional held through each bar, net of costs, in volatilities of
            that bar; NaN where nothing was held.

    Returns:
        The estimate; all zeros but for the number of bars where fewer than two were held.

    Known at: the close of the last bar.
    Source: Newey & West (1987), Econometrica 55(3), 703-708, lags by their rule of 1994; markets at one stamp are
    summed first, as in Driscoll & Kraay (1998), Review of Economics and Statistics 80(4), 549-560.
    """
    held = np.isfinite(returns)
    n_bars = int(held.sum())
    if n_bars < 2:
        return EdgeEstimate(n_bars, 0.0, 0.0, 0.0)
    mean = float(returns[held].mean())
    deviations = np.where(held, returns - mean, 0.0).sum(axis=1)
    n_stamps = deviations.size
    lags = min(int(4.0 * (n_stamps / 100.0) ** (2.0 / 9.0)), n_stamps - 1)
    long_run = float(deviations @ deviations)
    for lag in range(1, lags + 1):
        long_run += 2.0 * (1.0 - lag / (lags + 1.0)) * float(deviations[lag:] @ deviations[:-lag])
    return EdgeEstimate(n_bars, mean, max(long_run, 0.0) ** 0.5 / n_bars, float(returns[held].var(ddof=1)))


def with_evidence(
    params: RiskParams, edge: EdgeEstimate | None, kelly_fraction: float, *, live: bool = False
) -> RiskParams:
    """Limits that grant a policy no more size than its edge is proven to warrant.

    An interval above zero: the Kelly cap. One that covers zero, or too few bars: a quarter of the size in simulation
    and paper. One below zero: nothing is opened.

    Args:
        params: limits as policies are trained under, at full size.
        edge: of the policy on bars that it was not trained on, traded at full size; None: none was estimated.
        kelly_fraction: share of the Kelly size that is the cap; 0: the limits stay as they are.
        live: money is at stake; without a proven edge nothing is opened then.
    """
    if kelly_fraction == 0.0:
        return params
    if edge is not None and edge.is_proven:
        return params._replace(kelly_volatility=kelly_fraction * edge.kelly_volatility)
    is_nothing = live or (edge is not None and edge.is_disproven)  # the Kelly size of a loss is none
    return params._replace(evidence_scale=0.0 if is_nothing else UNPROVEN_SHARE)

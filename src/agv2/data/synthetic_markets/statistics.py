"""What the bars of a market look like: tails, clustering, the day's course, closures, spread."""

import math
from dataclasses import dataclass, fields

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import utc_offset_ns

__all__ = ["MarketStatistics", "market_statistics", "scalar_names"]

_NS_PER_HOUR = 3_600_000_000_000
_LEAST_BARS = 1000
_LEAST_IN_HOUR = 30
_YEAR_NS = 365.25 * 86_400e9
_OUTLIER_QUANTILE = 0.999


@dataclass(frozen=True, slots=True)
class MarketStatistics:
    """Statistics of one series. NaN where the bars say nothing: no spread column, no closures, too short."""

    annual_volatility: float
    """Root of the sum of squared log returns a year, closures included."""
    kurtosis: float
    """Excess kurtosis of log returns from one bar to the next, closures left out, as in all that follow."""
    skew: float
    tail_99: float
    """Absolute return exceeded by one bar in a hundred, in median absolute returns; 3.8 for normal ones."""
    tail_999: float
    """By one in a thousand; 4.9 for normal ones."""
    autocorrelation_1: float
    """Of absolute returns at a lag of one bar, those beyond the highest thousandth cut to it."""
    autocorrelation_5: float
    autocorrelation_20: float
    autocorrelation_100: float
    autocorrelation_500: float
    return_autocorrelation: float
    """Of signed returns at a lag of one bar."""
    leverage: float
    """Correlation of a return with the absolute one after it."""
    gap_share: float
    """Share of squared log returns that fell in closures."""
    weekend_gap: float
    """Median absolute opening move after a closure of more than 30 hours, in median absolute returns."""
    break_gap: float
    """The same after shorter closures."""
    opening_share: float
    """Standard deviation of moves between a close and the next open, no closure between, over that of returns."""
    zero_share: float
    """Share of bars that close where the bar before closed."""
    range_ratio: float
    """Mean log of high over low, over the mean absolute return; 2 for a Brownian path."""
    volume_correlation: float
    """Of log volume and log range."""
    spread_frac: float
    """Median spread over close."""
    hour_profile: tuple[float, ...]
    """(24,) mean absolute return in each hour of New York's day over that of all bars."""
    spread_profile: tuple[float, ...]
    """(24,) mean spread in each hour over the median one."""


def market_statistics(bars: Bars) -> MarketStatistics:
    """Statistics of `bars`.

    Raises:
        DataError: fewer than 1,000 bars.
    """
    if len(bars) < _LEAST_BARS:
        raise DataError(f"{bars.symbol}: statistics need at least {_LEAST_BARS} bars, found {len(bars)}")
    log_close = np.log(bars.close)
    moves = np.diff(log_close)
    opening = np.log(bars.open[1:]) - log_close[:-1]
    steps = np.diff(bars.ts_ns)
    follows = steps == bars.timeframe.nanoseconds
    returns = moves[follows]
    size = np.abs(returns)
    typical = float(np.median(size))
    deviation = returns - returns.mean()
    spread_of_returns = float(returns.std())
    hour = ((bars.ts_ns + utc_offset_ns(bars.ts_ns, "America/New_York")) // _NS_PER_HOUR % 24)[1:]
    clipped = np.minimum(size, np.quantile(size, _OUTLIER_QUANTILE))
    height = np.log(bars.high / bars.low)[1:][follows]
    closed = (steps - bars.timeframe.nanoseconds) / _NS_PER_HOUR
    years = float(bars.ts_ns[-1] - bars.ts_ns[0]) / _YEAR_NS
    total = float((moves**2).sum())
    quoted = ~np.isnan(bars.spread)
    return MarketStatistics(
        annual_volatility=math.sqrt(total / years),
        kurtosis=float((deviation**4).mean() / spread_of_returns**4 - 3.0),
        skew=float((deviation**3).mean() / spread_of_returns**3),
        tail_99=float(np.quantile(size, 0.99)) / typical,
        tail_999=float(np.quantile(size, 0.999)) / typical,
        autocorrelation_1=_autocorrelation(clipped, 1),
        autocorrelation_5=_autocorrelation(clipped, 5),
        autocorrelation_20=_autocorrelation(clipped, 20),
        autocorrelation_100=_autocorrelation(clipped, 100),
        autocorrelation_500=_autocorrelation(clipped, 500),
        return_autocorrelation=_autocorrelation(returns, 1),
        leverage=float(np.corrcoef(returns[:-1], clipped[1:])[0, 1]),
        gap_share=float((moves[~follows] ** 2).sum()) / total,
        weekend_gap=_median_gap(opening, closed > 30.0, typical),
        break_gap=_median_gap(opening, (closed > 0.0) & (closed <= 30.0), typical),
        opening_share=float(opening[follows].std()) / spread_of_returns,
        zero_share=float((returns == 0.0).mean()),
        range_ratio=float(height.mean() / size.mean()),
        volume_correlation=_volume_correlation(bars.volume[1:][follows], height),
        spread_frac=float(np.median((bars.spread / bars.close)[quoted])) if quoted.any() else math.nan,
        hour_profile=_profile(size, hour[follows], float(size.mean())),
        spread_profile=_profile(
            bars.spread[1:][quoted[1:]],
            hour[quoted[1:]],
            float(np.median(bars.spread[quoted])) if quoted.any() else math.nan,
        ),
    )


def _autocorrelation(values: FloatArray, lag: int) -> float:
    if values.size < 4 * lag:
        return math.nan
    around = values - values.mean()
    return float((around[lag:] * around[:-lag]).mean() / (around**2).mean())


def _median_gap(opening: FloatArray, chosen: BoolArray, typical: float) -> float:
    return float(np.median(np.abs(opening[chosen]))) / typical if chosen.sum() >= 10 else math.nan


def _volume_correlation(volume: FloatArray, height: FloatArray) -> float:
    known = (volume > 0.0) & (height > 0.0)  # an unknown volume compares as false
    if known.sum() < _LEAST_BARS or np.ptp(volume[known]) == 0.0:
        return math.nan
    return float(np.corrcoef(np.log(volume[known]), np.log(height[known]))[0, 1])


def _profile(values: FloatArray, hour: IntArray, whole: float) -> tuple[float, ...]:
    return tuple(
        float(values[hour == k].mean()) / whole if (hour == k).sum() >= _LEAST_IN_HOUR else math.nan for k in range(24)
    )


def scalar_names() -> list[str]:
    """Names of the statistics that are one number."""
    return [field.name for field in fields(MarketStatistics) if not field.name.endswith("_profile")]

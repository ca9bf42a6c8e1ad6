"""Markets of our own making, whose truth is known: one with an edge to find, one without."""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe

__all__ = ["SyntheticMarket", "synthetic_bars", "synthetic_market"]

_START_NS = 1_577_836_800_000_000_000  # 2020-01-01 00:00 UTC
_STOP_NS = 7_258_118_400_000_000_000  # 2200-01-01 00:00 UTC
_NS_PER_MINUTE = 60_000_000_000
_MINUTES_PER_YEAR = 525_600.0
_ANNUAL_VOLATILITY = 0.45
_START_PRICE = 1000.0
_STEPS_PER_BAR = 16
_OPENING_SHARE = 0.02  # of a bar's time and variance, spent between the close before and the open

_INTRADAY_SWING = 0.35

_MEAN_REGIME_BARS = 120.0
_DRIFT_SIGMAS = 0.20

_GARCH_SHOCK = 0.04
_GARCH_LEVERAGE = 0.06
_GARCH_MEMORY = 0.92
_TAIL_DEGREES = 5.0

_KINDS = ("trend", "noise")


class SyntheticMarket(NamedTuple):
    """Bars with what nobody could see while they formed."""

    bars: Bars
    regime: IntArray
    """(n_bars,) planted drift of each bar: +1 up, 0 none, -1 down; all 0 in `noise`."""
    sigma: FloatArray
    """(n_bars,) true volatility of each bar's log return."""


def synthetic_bars(
    kind: str,
    n_bars: int,
    seed: int | np.random.Generator,
    timeframe: str = "1h",
    symbol: str | None = None,
) -> Bars:
    """The bars of `synthetic_market`."""
    return synthetic_market(kind, n_bars, seed, timeframe, symbol).bars


def synthetic_market(
    kind: str,
    n_bars: int,
    seed: int | np.random.Generator,
    timeframe: str = "1h",
    symbol: str | None = None,
) -> SyntheticMarket:
    """A market open round the clock, 45 % volatile a year, livelier in European and American hours.

    `trend` plants an edge: a hidden Markov chain over up, flat and down, in which each state lasts 120 bars on
    average and then passes to one of the other two alike; up and down carry a drift of 0.2 volatilities a bar.
    Shocks are normal. Whoever follows the last day or two earns far more than usual costs; nothing else is to be
    found.

    `noise` plants none: prices are a martingale, so no rule earns anything before costs. Volatility clusters and
    answers more to losses (GJR-GARCH) and shocks have Student-t tails, so it looks like a market all the same.

    Args:
        kind: `trend` or `noise`.
        n_bars: bars to make, >= 1.
        seed: of the only source of chance, or that source.
        timeframe: length of a bar.
        symbol: name of the market; None: SYNTREND or SYNNOISE.

    Returns:
        Bars from 2020-01-01 on, without gaps in time, and the truth behind them.

    Raises:
        DataError: `kind` is neither, `n_bars` is below 1, or the bars would end after 2199.

    Source: Glosten, Jagannathan, Runkle (1993), Journal of Finance 48(5), 1779-1801, for the volatility.
    """
    if kind not in _KINDS:
        raise DataError(f"there is no synthetic market {kind!r}; choose {' or '.join(_KINDS)}")
    if n_bars < 1:
        raise DataError(f"a synthetic market needs at least one bar, found {n_bars}")
    rng = np.random.default_rng(seed)
    frame = Timeframe.parse(timeframe)
    if n_bars > (_STOP_NS - _START_NS) // frame.nanoseconds:
        raise DataError(f"{n_bars:,} bars of {frame.name} end after the year 2199; ask for fewer")
    ts_ns = _START_NS + frame.nanoseconds * np.arange(n_bars, dtype=np.int64)
    base_sigma = _ANNUAL_VOLATILITY * math.sqrt(frame.minutes / _MINUTES_PER_YEAR) * _intraday_profile(ts_ns)
    normal = rng.standard_normal(n_bars)
    if kind == "trend":
        regime, sigma, bar_sigma = _regimes(n_bars, rng), base_sigma, base_sigma
    else:
        # A Student-t shock is a normal one of random size. Size belongs to the whole bar: then the path inside it is
        # a martingale too, and not even a stop or a target within the bar finds anything.
        bar_size = np.sqrt((_TAIL_DEGREES - 2.0) / rng.chisquare(_TAIL_DEGREES, n_bars))
        regime = np.zeros(n_bars, dtype=np.int64)
        sigma = base_sigma * _clustering(normal * bar_size)
        bar_sigma = sigma * bar_size
    # Half the variance off the log return keeps the price itself, not its logarithm, a martingale.
    returns = bar_sigma * normal + _DRIFT_SIGMAS * sigma * regime - 0.5 * bar_sigma * bar_sigma
    bars = _bars_from_returns(symbol or f"SYN{kind.upper()}", frame, ts_ns, returns, bar_sigma, rng)
    return SyntheticMarket(bars, regime, sigma)


def _intraday_profile(ts_ns: IntArray) -> FloatArray:
    """Volatility of each bar over the day's, root mean square about 1: quiet nights, lively from 7 to 20 UTC."""
    hour = (ts_ns // _NS_PER_MINUTE % 1440) / 60.0
    profile: FloatArray = 1.0 + _INTRADAY_SWING * np.cos(2.0 * math.pi * (hour - 14.0) / 24.0)
    return profile / math.sqrt(1.0 + 0.5 * _INTRADAY_SWING**2)


def _regimes(n_bars: int, rng: np.random.Generator) -> IntArray:
    """A Markov chain over -1, 0 and +1 that never stays when it changes."""
    changes = rng.random(n_bars) < 1.0 / _MEAN_REGIME_BARS
    steps = np.where(changes, rng.integers(1, 3, n_bars), 0)  # one or two places on, round the three states
    return (int(rng.integers(3)) + np.cumsum(steps)) % 3 - 1


def _clustering(shocks: FloatArray) -> FloatArray:
    """GJR-GARCH volatility that each shock meets, long-run root mean square 1."""
    constant = 1.0 - _GARCH_SHOCK - 0.5 * _GARCH_LEVERAGE - _GARCH_MEMORY
    variance = np.empty(shocks.size)
    now = 1.0
    for t, shock in enumerate(shocks):
        variance[t] = now
        weight = _GARCH_SHOCK + (_GARCH_LEVERAGE if shock < 0.0 else 0.0)
        now = constant + (weight * shock * shock + _GARCH_MEMORY) * now
    return np.sqrt(variance)


def _bars_from_returns(
    symbol: str,
    timeframe: Timeframe,
    ts_ns: IntArray,
    returns: FloatArray,
    sigma: FloatArray,
    rng: np.random.Generator,
) -> Bars:
    """Bars whose closes follow `returns`; open and path in between are a Brownian bridge of volatility `sigma`."""
    n_bars = returns.size
    times = np.concatenate([[_OPENING_SHARE], np.linspace(_OPENING_SHARE, 1.0, _STEPS_PER_BAR + 1)[1:]])
    walk = np.cumsum(rng.standard_normal((n_bars, times.size)) * np.sqrt(np.diff(times, prepend=0.0)), axis=1)
    bridge = walk - walk[:, -1:] * times
    path = returns[:, None] * times + sigma[:, None] * bridge
    log_close = math.log(_START_PRICE) + np.cumsum(returns)
    before = log_close - returns
    close = np.exp(log_close)
    open_ = np.exp(before + path[:, 0])
    high = np.maximum(np.exp(before + path.max(axis=1)), close)  # the path ends at the close but for rounding
    low = np.minimum(np.exp(before + path.min(axis=1)), close)
    activity = sigma / sigma.mean()
    volume = np.round(1000.0 * activity * np.exp(0.3 * rng.standard_normal(n_bars)))
    spread = close * 2e-4 * np.exp(0.15 * rng.standard_normal(n_bars))
    return Bars(symbol, timeframe, ts_ns, open_, high, low, close, volume, spread)

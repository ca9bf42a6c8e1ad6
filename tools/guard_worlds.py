"""Quiet trading, simulated: worlds in which nothing is wrong, and the causes that guards must notice.

What is simulated, and how, stands in docs/guards.md beside what was measured. `tools/guard_study.py` uses this.
"""

import math
from dataclasses import replace

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.features.pipeline import compute_features
from agv2.utils.config import load_config

__all__ = [
    "FeatureWorld",
    "coarse_prices",
    "daily_results",
    "feature_worlds",
    "market_bars",
    "policy_entropies",
    "without_wicks",
]

NS_PER_HOUR = 3_600_000_000_000
SYMBOLS = ("XAUUSD", "ETHUSD", "NAS100", "XAGUSD", "US30", "US2000")


class FeatureWorld:
    """Years of hourly bars of a synthetic market without an edge: some to learn from, and a year to live through."""

    def __init__(self, symbol: str, seed: int, train_years: float, live_years: float) -> None:
        probe = market_bars(symbol, seed, 3000)
        span = int(probe.ts_ns[-1] - probe.ts_ns[0])
        per_year = 3000 * 365.25 * 24 * NS_PER_HOUR / span
        self.live_bars = int(live_years * per_year)
        self.bars = market_bars(symbol, seed, int((train_years + live_years) * per_year) + 1500)
        instrument, _ = load_config(MarketsConfig, "markets").instrument(symbol, self.bars.ts_ns)
        self.calendar: SessionCalendar = instrument.calendar
        matrix = compute_features(self.bars, self.calendar)
        self.columns = tuple(column.name for column in matrix.columns)
        self.values, self.warmup = matrix.values, matrix.warmup
        self.split = len(self.bars) - self.live_bars
        self.days = self.calendar.trading_days(self.bars.ts_ns)

    def with_bars(self, bars: Bars) -> Float32Array:
        """Features of other bars, such as a broken feed's."""
        return compute_features(bars, self.calendar).values


def feature_worlds(count: int, seed: int) -> list[tuple[str, int]]:
    """Symbol and seed of each world; six markets in turn."""
    return [(SYMBOLS[number % len(SYMBOLS)], seed + number) for number in range(count)]


def market_bars(symbol: str, seed: int, n_bars: int) -> Bars:
    """Hourly bars without an edge."""
    config = load_config(MarketsConfig, "markets").entry(symbol)[0]
    request = MarketRequest(symbol, "none", 0.0, timeframe="1h", n_bars=n_bars, seed=seed)
    return instrument_market(request, config).bars


def without_wicks(bars: Bars, first: int) -> Bars:
    """A feed that from bar `first` on builds its bars from opens and closes alone."""
    later = np.arange(len(bars)) >= first
    high = np.where(later, np.maximum(bars.open, bars.close), bars.high)
    low = np.where(later, np.minimum(bars.open, bars.close), bars.low)
    return replace(bars, high=high, low=low)


def coarse_prices(bars: Bars, first: int) -> Bars:
    """A feed that from bar `first` on rounds its prices to half of a usual bar's range."""
    grid = 0.5 * float(np.median((bars.high - bars.low)[:first]))
    later = np.arange(len(bars)) >= first

    def rounded(price: FloatArray) -> FloatArray:
        found: FloatArray = np.where(later, np.round(price / grid) * grid, price)
        return found

    return replace(
        bars, open=rounded(bars.open), high=rounded(bars.high), low=rounded(bars.low), close=rounded(bars.close)
    )


def daily_results(n_days: int, sharpe: float, rng: np.random.Generator, volatility: float = 0.12) -> FloatArray:
    """Daily returns with clustering volatility and fat tails: GARCH(1, 1) with t(5) innovations.

    Args:
        n_days: of trading.
        sharpe: annual, true.
        rng: chance.
        volatility: annual.
    """
    alpha, beta = 0.08, 0.9
    usual = volatility / math.sqrt(252.0)
    noise = rng.standard_t(5.0, size=n_days + 250) * math.sqrt(3.0 / 5.0)
    variance, found = usual * usual, np.empty(n_days + 250)
    for day, shock in enumerate(noise):
        found[day] = math.sqrt(variance) * shock
        variance = (1.0 - alpha - beta) * usual * usual + alpha * found[day] ** 2 + beta * variance
    return found[250:] + sharpe * usual / math.sqrt(252.0)


def policy_entropies(n_bars: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Entropy of a policy's choices bar by bar, and the trading day: moods of days, and a rhythm within the day."""
    mood, found = 0.0, np.empty(n_bars)
    shocks = rng.standard_normal(n_bars)
    for bar in range(n_bars):
        mood = 0.97 * mood + math.sqrt(1.0 - 0.97**2) * shocks[bar]
        found[bar] = 2.5 + 0.4 * mood + 0.2 * math.sin(2.0 * math.pi * (bar % 24) / 24.0)
    noise = 0.2 * rng.standard_normal(n_bars)
    return np.clip(found + noise, 0.0, 5.3), np.arange(n_bars, dtype=np.int64) // 24

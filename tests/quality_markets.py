"""Bars as a good metals feed would have them: sessions, a marked day, volume, spread, two decimals."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe, utc_offset_ns
from agv2.data.config import MarketConfig, MarketsConfig
from agv2.data.quality.config import QualityConfig
from agv2.data.quality.findings import Finding
from agv2.data.quality.usual_days import usual_day
from agv2.data.quality_checks import check_bars
from agv2.data.raw_bars import COLUMNS, RawBars
from agv2.data.sessions import market_sessions
from agv2.utils.config import load_config

__all__ = ["clean_bars", "findings", "joined", "market_of", "restamped", "rows_of", "taken"]

HOUR_NS = 3_600_000_000_000
START_NS = 1_514_851_200_000_000_000  # Tuesday, 2018-01-02 00:00 UTC
SETTINGS = load_config(QualityConfig, "quality")
MARKETS = load_config(MarketsConfig, "markets")


def market_of(symbol: str) -> MarketConfig:
    return MARKETS.entry(symbol)[0]


def clean_bars(n_bars: int = 3_000, timeframe: str = "1h", seed: int = 0, symbol: str = "XAUUSD") -> Bars:
    """Gold without a defect."""
    rng = np.random.default_rng(seed)
    length = Timeframe.parse(timeframe)
    span = START_NS, START_NS + 3 * n_bars * length.nanoseconds + 14 * 24 * HOUR_NS
    grid = np.arange(*span, length.nanoseconds, dtype=np.int64)
    ts_ns = grid[market_sessions("metals", *span).is_open(grid)][:n_bars]
    assert ts_ns.size == n_bars
    day = usual_day("metal", "USD")
    assert day is not None
    lively = np.exp(day.liveliness)[(ts_ns + utc_offset_ns(ts_ns, day.zone)) // HOUR_NS % 24]
    scale = 0.002 * np.sqrt(length.minutes / 60) * lively
    close = 1500.0 * np.exp(np.cumsum(scale * rng.standard_normal(n_bars)))
    open_ = np.concatenate([[1500.0], close[:-1]]) * np.exp(0.05 * scale * rng.standard_normal(n_bars))
    wick = scale * (0.1 + np.abs(rng.standard_normal((2, n_bars)))) * close
    prices = [open_, np.maximum(open_, close) + wick[0], np.minimum(open_, close) - wick[1], close]
    open_, high, low, close = (np.round(price, 2) for price in prices)
    volume = np.round(1000 * lively * np.exp(0.3 * rng.standard_normal(n_bars)))
    spread = np.round(0.2 + 0.05 * rng.random(n_bars), 2)
    return Bars(symbol, length, ts_ns, open_, high, low, close, volume, spread)


def taken(bars: Bars, rows: IntArray | BoolArray) -> Bars:
    """Some of the bars."""
    columns: dict[str, Any] = {name: getattr(bars, name)[rows] for name in COLUMNS}
    return replace(bars, ts_ns=bars.ts_ns[rows], **columns)


def restamped(bars: Bars, clock: Callable[[IntArray], IntArray]) -> Bars:
    """The bars under another clock; stamps that it shows twice keep their first bar."""
    ts_ns = clock(bars.ts_ns)
    order = np.argsort(ts_ns, kind="stable")
    moved = taken(replace(bars, ts_ns=ts_ns), order)
    return taken(moved, np.concatenate([[True], np.diff(moved.ts_ns) > 0]))


def rows_of(bars: Bars, **changes: FloatArray) -> RawBars:
    """The bars as rows of a file, some columns changed."""
    return replace(RawBars.of(bars), **changes)  # type: ignore[arg-type]  # only columns are changed


def joined(first: RawBars, second: RawBars) -> RawBars:
    """The rows of both, those of one stamp in this order."""
    both = first.table(), second.table()
    ts_ns = np.concatenate([first.ts_ns, second.ts_ns])
    table = np.concatenate(both)
    open_, high, low, close, volume, spread = table.T
    rows = RawBars(first.symbol, ts_ns, open_, high, low, close, volume, spread)
    return rows.take(np.argsort(ts_ns, kind="stable"))


def findings(table: Bars | RawBars, symbol: str = "XAUUSD") -> dict[str, Finding]:
    """By id what all checks find."""
    report = check_bars(table, market_of(symbol), SETTINGS)
    return {each.id: each for each in report.findings}

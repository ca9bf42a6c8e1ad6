"""Values that are valid by default; a test names only what it is about."""

from typing import Any

import numpy as np

from agv2.core.bars import Bar, Bars
from agv2.core.timeframes import Timeframe

__all__ = ["a_bar", "bars_of", "some_bars"]

START_NS = 1_704_153_600_000_000_000  # Tuesday, 2024-01-02 00:00 UTC


def a_bar(**changes: Any) -> Bar:
    """A quiet bar around 100."""
    bar = Bar(
        ts_ns=START_NS,
        open=100.0,
        high=101.0,
        low=99.0,
        close=100.5,
        volume=10.0,
        spread=0.02,
        day=0,
        nights=0.0,
        spread_scale=1.0,
    )
    return bar._replace(**changes)


def bars_of(close: list[float], *, symbol: str = "TEST", timeframe: str = "1h", wick: float = 0.0) -> Bars:
    """Bars that close at `close`, each opening where the last one closed, without gaps in time."""
    closes = np.asarray(close, dtype=np.float64)
    opens = np.concatenate([closes[:1], closes[:-1]])
    step = Timeframe.parse(timeframe)
    unknown = np.full(closes.size, np.nan)
    return Bars(
        symbol=symbol,
        timeframe=step,
        ts_ns=START_NS + np.arange(closes.size, dtype=np.int64) * step.nanoseconds,
        open=opens,
        high=np.maximum(opens, closes) + wick,
        low=np.minimum(opens, closes) - wick,
        close=closes,
        volume=unknown,
        spread=unknown.copy(),
    )


def some_bars(n_bars: int = 1_000, *, seed: int = 0, symbol: str = "TEST", timeframe: str = "1h") -> Bars:
    """A random walk of log prices from 100, 0.2 % a bar."""
    steps = np.random.default_rng(seed).normal(0.0, 0.002, n_bars)
    return bars_of((100.0 * np.exp(np.cumsum(steps))).tolist(), symbol=symbol, timeframe=timeframe, wick=0.05)

"""Markets for tests: short, with the holes and stale stretches that real files have."""

from dataclasses import replace
from typing import Any

import numpy as np

from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar
from agv2.data.synthetic import synthetic_bars

__all__ = ["NEW_YORK_DAYS", "UTC_DAYS", "gappy_bars", "scrambled_after"]

UTC_DAYS = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)
NEW_YORK_DAYS = SessionCalendar(17, "America/New_York", 260.0, 2, weekend_nights=False)

_PRICES = ("open", "high", "low", "close")


def gappy_bars(n_bars: int, timeframe: str = "1h", seed: int = 0) -> Bars:
    """Noise without weekends, without a nightly break, with random holes and a flat stretch near the end."""
    rng = np.random.default_rng(seed)
    bars = synthetic_bars("noise", 3 * n_bars, rng, timeframe)
    minute = bars.ts_ns // 60_000_000_000
    weekday = (minute // 1440 + 3) % 7
    is_open = (weekday < 5) & (rng.random(len(bars)) > 0.02)
    if bars.timeframe.minutes < 1440:
        is_open &= minute % 1440 // 60 != 22
    kept = np.flatnonzero(is_open)[:n_bars]
    assert kept.size == n_bars
    columns = {name: getattr(bars, name)[kept] for name in (*_PRICES, "volume", "spread")}
    flat = slice(n_bars - 200, n_bars - 100)
    for name in _PRICES:
        columns[name][flat] = columns["close"][n_bars - 201]
    return Bars("TEST", bars.timeframe, bars.ts_ns[kept], **columns)


def scrambled_after(bars: Bars, t: int, seed: int = 1) -> Bars:
    """The same bars up to t; after it other prices, far away and wild."""
    rng = np.random.default_rng(seed)
    size = len(bars) - t - 1
    close = bars.close[t] * np.exp(rng.normal(0.5, 0.2, size))
    open_ = bars.close[t] * np.exp(rng.normal(-0.5, 0.2, size))
    wild: dict[str, Any] = {
        "open": open_,
        "high": np.maximum(open_, close) * 1.3,
        "low": np.minimum(open_, close) * 0.7,
        "close": close,
        "volume": rng.random(size),
        "spread": rng.random(size),
    }
    for name, values in wild.items():
        wild[name] = np.append(getattr(bars, name)[: t + 1], values)
    return replace(bars, **wild)

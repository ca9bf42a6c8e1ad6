"""Bars: one closed interval of trading, and a history of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray, RecordArray, record_dtype
from agv2.core.errors import ShapeError
from agv2.core.timeframes import SessionCalendar, Timeframe

__all__ = ["Bar", "Bars"]


class Bar(NamedTuple):
    """One closed bar as the kernels read it.

    Known at: its close, `ts_ns` plus the timeframe; `open`, `day`, `nights` and `spread_scale` already at its open.
    """

    ts_ns: int
    """Open time, nanoseconds UTC."""
    open: float
    high: float
    low: float
    close: float
    volume: float
    """NaN when the source has none."""
    spread: float
    """Ask minus bid in price units; NaN when unknown."""
    day: int
    """Trading day the bar belongs to, days since 1970-01-01."""
    nights: float
    """Financing nights charged at this bar's open to whoever held a position through the bar before."""
    spread_scale: float
    """Usual spread of the hour in which the bar opens over the market's usual spread; 1 without an hourly profile."""


@dataclass(frozen=True, slots=True)
class Bars:
    """A history of closed bars of one symbol, oldest first, stamps strictly rising.

    Raises:
        ShapeError: the arrays differ in length.
    """

    symbol: str
    timeframe: Timeframe
    ts_ns: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    spread: FloatArray

    def __post_init__(self) -> None:
        for name in ("open", "high", "low", "close", "volume", "spread"):
            if getattr(self, name).shape != self.ts_ns.shape:
                raise ShapeError(f"{self.symbol}: {name} has {getattr(self, name).size} values, ts {self.ts_ns.size}")

    @classmethod
    def none(cls, symbol: str, timeframe: Timeframe) -> "Bars":
        """A history without bars."""
        return cls(symbol, timeframe, np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(6)))

    def __len__(self) -> int:
        return int(self.ts_ns.size)

    @property
    def close_ns(self) -> IntArray:
        """(n_bars,) moment at which each bar is complete, nanoseconds UTC."""
        return self.ts_ns + self.timeframe.nanoseconds

    def slice(self, low: int, high: int) -> "Bars":
        """Bars `low` up to but not including `high`, sharing memory."""
        window = np.s_[low:high]
        return Bars(
            self.symbol,
            self.timeframe,
            self.ts_ns[window],
            self.open[window],
            self.high[window],
            self.low[window],
            self.close[window],
            self.volume[window],
            self.spread[window],
        )

    def records(self, calendar: SessionCalendar, hourly_spread: Sequence[float] | None = None) -> RecordArray:
        """What the kernels read of every bar.

        Args:
            calendar: says which trading day a bar belongs to, and which nights are charged at its open.
            hourly_spread: (24,) multiples of the usual spread by hour of the calendar's clock; None: 1 at any hour.

        Returns:
            (n_bars,) structured array of `Bar`.
        """
        rows = np.empty(len(self), dtype=record_dtype(Bar))
        for name in ("ts_ns", "open", "high", "low", "close", "volume", "spread"):
            rows[name] = getattr(self, name)
        rows["day"] = calendar.trading_days(self.ts_ns)
        rows["nights"] = calendar.nights(self.ts_ns)
        rows["spread_scale"] = 1.0
        if hourly_spread is not None:
            rows["spread_scale"] = np.asarray(hourly_spread)[calendar.local_hours(self.ts_ns)]
        return rows

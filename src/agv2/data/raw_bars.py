"""Rows as a file has them, before anything was judged, sorted or left out."""

from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import ShapeError

__all__ = ["COLUMNS", "RawBars"]

COLUMNS = ("open", "high", "low", "close", "volume", "spread")
"""Numbers of a row, in the order of files."""


@dataclass(frozen=True, slots=True)
class RawBars:
    """Rows of one symbol in the order of their file; any price may be missing or impossible.

    Raises:
        ShapeError: the arrays differ in length.
    """

    symbol: str
    ts_ns: IntArray
    """(n_rows,) bar opens, nanoseconds UTC; may repeat and fall."""
    open: FloatArray
    """(n_rows,) as all prices: NaN where the file has none or no finite number."""
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    """(n_rows,) NaN where unknown."""
    spread: FloatArray
    """(n_rows,) NaN where unknown; negative ones as they are."""
    notes: tuple[str, ...] = ()
    """One phrase each on what was assumed while reading."""

    def __post_init__(self) -> None:
        for name in COLUMNS:
            if getattr(self, name).shape != self.ts_ns.shape:
                raise ShapeError(f"{self.symbol}: {name} has {getattr(self, name).size} rows, ts {self.ts_ns.size}")

    def __len__(self) -> int:
        return int(self.ts_ns.size)

    @classmethod
    def of(cls, bars: Bars) -> "RawBars":
        """Closed bars as rows."""
        return cls(bars.symbol, bars.ts_ns, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.spread)

    def take(self, rows: IntArray | BoolArray) -> "RawBars":
        """These rows, in this order."""
        return RawBars(
            self.symbol,
            self.ts_ns[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            self.spread[rows],
            self.notes,
        )

    def table(self) -> FloatArray:
        """(n_rows, 6) all numbers side by side."""
        return np.column_stack([getattr(self, name) for name in COLUMNS])

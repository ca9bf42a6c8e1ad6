"""Bars as the Arrow tables that PostgreSQL takes and gives; unknown is NaN here and null there."""

import numpy as np
import polars as pl

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.parquet_columns import frame_of_columns

__all__ = ["COLUMNS", "bars_of_frame", "frame_of_bars"]

COLUMNS = ("ts", "open", "high", "low", "close", "volume", "spread")
_PRICES, _EXTRAS = COLUMNS[1:5], COLUMNS[5:]


def frame_of_bars(bars: Bars) -> pl.DataFrame:
    """(n_bars, 7) table of `COLUMNS`.

    Raises:
        DataError: a stamp does not rise or is finer than a microsecond, a price is no number, or the symbol cannot
            be stored. Names the first such bar.
    """
    where = f"{bars.symbol} {bars.timeframe.name}"
    if not bars.symbol.strip() or not bars.symbol.isprintable():
        raise DataError(f"symbol {bars.symbol!r} cannot name bars; give it one or more visible characters")
    falling = np.flatnonzero(np.diff(bars.ts_ns) <= 0)
    if falling.size:
        raise DataError(f"{where}: bar {falling[0] + 1} is not later than the bar before it; sort the bars by stamp")
    if (fine := np.flatnonzero(bars.ts_ns % 1000)).size:
        raise DataError(f"{where}: the stamp of bar {fine[0]} is finer than a microsecond; round it to the bar's open")
    for name in _PRICES:
        if (unknown := np.flatnonzero(~np.isfinite(getattr(bars, name)))).size:
            raise DataError(f"{where}: bar {unknown[0]} has no {name}; remove it")
    return frame_of_columns(bars)


def bars_of_frame(frame: pl.DataFrame, symbol: str, timeframe: Timeframe) -> Bars:
    """The bars of a table of `COLUMNS`, in its order."""
    ts_ns = np.asarray(frame["ts"].to_physical().to_numpy(), dtype=np.int64) * 1000
    prices = [np.array(frame[name].to_numpy(), dtype=np.float64) for name in _PRICES]
    extras = [np.array(frame[name].fill_null(np.nan).to_numpy(), dtype=np.float64) for name in _EXTRAS]
    return Bars(symbol, timeframe, ts_ns, *prices, *extras)

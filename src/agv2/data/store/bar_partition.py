"""Parquet files of stored bars, and one history laid over another."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.parquet_columns import frame_of_columns
from agv2.data.store.durable_files import replace_by_parquet

__all__ = ["Overlay", "laid_over", "read_partitions", "write_partition"]

_PRICES = ("open", "high", "low", "close")
_EXTRAS = ("volume", "spread")
_NUMBERS = (*_PRICES, *_EXTRAS)
_SCHEMA = {"ts": pl.Datetime("us", "UTC"), **dict.fromkeys(_NUMBERS, pl.Float64())}
_ROWS_PER_GROUP = 131_072  # small enough that DuckDB skips the groups outside a filter on `ts`


class Overlay(NamedTuple):
    """Two histories laid over each other."""

    bars: Bars
    inserted: int
    """Stamps that only the new one has."""
    replaced: int
    """Stamps that both have, with different values."""


def laid_over(old: Bars, new: Bars) -> Overlay:
    """All bars of both; where both have a stamp, the bar of `new`.

    A volume or spread that only the old bar knows stays, where the prices are the same: one side of a quote, imported
    after the pair, takes nothing away.

    Args:
        old: stamps strictly rising.
        new: stamps strictly rising, of the same symbol and timeframe.
    """
    place = np.searchsorted(old.ts_ns, new.ts_ns)
    shared = np.zeros(len(new), dtype=np.bool_)
    inside = place < len(old)
    shared[inside] = old.ts_ns[place[inside]] == new.ts_ns[inside]
    moved = np.zeros(int(shared.sum()), dtype=np.bool_)
    for name in _PRICES:
        moved |= getattr(old, name)[place[shared]] != getattr(new, name)[shared]
    same_prices = ~moved
    extras = {}
    for name in _EXTRAS:
        before, after = getattr(old, name)[place[shared]], getattr(new, name)[shared]
        kept = np.where(same_prices & np.isnan(after), before, after)
        moved |= ~((before == kept) | (np.isnan(before) & np.isnan(kept)))
        extras[name] = getattr(new, name).copy()
        extras[name][shared] = kept
    new = replace(new, **extras)
    stay = np.ones(len(old), dtype=np.bool_)
    stay[place[shared]] = False
    stamps = np.concatenate([old.ts_ns[stay], new.ts_ns])
    order = np.argsort(stamps, kind="stable")
    columns = [np.concatenate([getattr(old, name)[stay], getattr(new, name)])[order] for name in _NUMBERS]
    bars = Bars(new.symbol, new.timeframe, stamps[order], *columns)
    return Overlay(bars, inserted=int((~shared).sum()), replaced=int(moved.sum()))


def write_partition(bars: Bars, path: Path) -> None:
    """Replace `path` by `bars` in one step; unknown volumes and spreads become null."""
    replace_by_parquet(path, frame_of_columns(bars), row_group_size=_ROWS_PER_GROUP)


def read_partitions(paths: Sequence[Path], symbol: str, timeframe: Timeframe) -> Bars:
    """The bars of all files, which follow each other in time; none where there are no files.

    Raises:
        DataError: a file cannot be read or is not what `write_partition` writes.
    """
    if not paths:
        return Bars.none(symbol, timeframe)
    try:
        # Each file is opened once: polars given a path opens it twice, and a writer may replace it in between.
        contents = [path.read_bytes() for path in paths]
        frame = pl.read_parquet(contents, columns=list(_SCHEMA), hive_partitioning=False)
        usable = dict(frame.schema) == _SCHEMA and not frame["ts"].null_count()
        problem = "its columns are not those that AGV2 writes"
    except (OSError, pl.exceptions.PolarsError) as error:
        usable, problem = False, f"it cannot be read: {str(error).splitlines()[0]}"
    if usable:
        ts_ns: IntArray = frame["ts"].to_physical().to_numpy() * 1000
        if (ts_ns[1:] > ts_ns[:-1]).all():
            return Bars(symbol, timeframe, ts_ns, *(_numbers(frame[name]) for name in _NUMBERS))
        problem = "its stamps do not rise"
    if len(paths) > 1:  # which of them?
        for path in paths:
            read_partitions([path], symbol, timeframe)
    raise DataError(f"{paths[-1]}: {problem}; remove the file and download or import its year again")


def _numbers(column: pl.Series) -> FloatArray:
    # Writable, for compiled kernels tell read-only arrays apart.
    filled = column.fill_null(np.nan) if column.null_count() else column
    values: FloatArray = filled.to_numpy(writable=True)
    return values

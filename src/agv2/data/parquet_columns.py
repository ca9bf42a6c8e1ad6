"""The columns of a Parquet file of bars, as they are."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.data.raw_bars import RawBars

__all__ = ["frame_of_columns", "moment_text", "read_columns"]

_PRICES = ("open", "high", "low", "close")
_OPTIONAL = ("volume", "spread")
_EXPORTS = (".csv", ".tsv", ".txt", ".zip", ".gz", ".bi5")
"""What a newcomer hands over in place of Parquet, and `agv2 data import` reads."""
_NS_PER_UNIT = {"ms": 1_000_000, "us": 1_000, "ns": 1}
_EARLIEST_NS = 0
_LATEST_NS = 7_258_118_400_000_000_000  # 2200-01-01


def frame_of_columns(bars: Bars) -> pl.DataFrame:
    """(n_bars, 7) table as our Parquet has it: `ts` in microseconds UTC, null for an unknown volume or spread."""
    columns = {"ts": pl.Series((bars.ts_ns // 1000).astype("datetime64[us]")).dt.replace_time_zone("UTC")}
    for name in (*_PRICES, *_OPTIONAL):
        columns[name] = pl.Series(getattr(bars, name), dtype=pl.Float64, nan_to_null=True)
    return pl.DataFrame(columns)


def read_columns(path: Path, content: bytes, symbol: str) -> RawBars:
    """Rows of the Parquet file `path` whose bytes are `content`, none judged, left out or moved.

    Raises:
        DataError: it is no Parquet file, lacks a column, or stamps or columns are of a kind that cannot be read; one
            line with file, row and remedy.
    """
    frame = _frame(path, content)
    notes: list[str] = []
    ts_ns = _stamps(path, frame, notes)
    open_, high, low, close = (_numbers(path, frame, name) for name in _PRICES)
    volume, spread = (
        _numbers(path, frame, name) if name in frame.columns else np.full(frame.height, np.nan) for name in _OPTIONAL
    )
    return RawBars(symbol, ts_ns, open_, high, low, close, volume, spread, tuple(notes))


def moment_text(ts_ns: int) -> str:
    """A stamp as a person reads it, to the second.

    >>> moment_text(0)
    '1970-01-01 00:00:00 UTC'
    """
    return str(np.datetime64(int(ts_ns), "ns").astype("datetime64[s]")).replace("T", " ") + " UTC"


def _frame(path: Path, content: bytes) -> pl.DataFrame:
    remedy = "write the bars as Parquet with columns ts, open, high, low, close"
    # Looked at here, because the reader's own words on a foreign file are of no use to a person.
    if len(content) < 12 or content[:4] != b"PAR1" or content[-4:] != b"PAR1":
        found = "empty" if not content else "not a complete Parquet file"
        if content and path.suffix.lower() in _EXPORTS:
            remedy = f"make one of it by `agv2 data import {path} --out FILE.parquet`"
        raise DataError(f"{path}: the file is {found}; {remedy}")
    try:
        known = pl.read_parquet_schema(io.BytesIO(content))
        missing = [name for name in ("ts", *_PRICES) if name not in known]
        if missing:
            raise DataError(
                f"{path}: no column {', '.join(missing)} (found: {', '.join(known)}); {_rename_hint(missing, known)}"
            )
        wanted = ["ts", *_PRICES, *(name for name in _OPTIONAL if name in known)]
        frame = pl.read_parquet(io.BytesIO(content), columns=wanted, use_pyarrow=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: the Parquet is damaged ({str(error).splitlines()[0]}); export it again") from error
    if frame.height == 0:
        raise DataError(f"{path}: the file has no rows; export it again with its bars")
    return frame


def _rename_hint(missing: Sequence[str], known: Iterable[str]) -> str:
    """What to do about missing columns; those whose name differs only in case are named."""
    by_lower = {name.strip().lower(): name for name in known}
    pairs = [f"{by_lower[name]} to {name}" for name in missing if name in by_lower]
    if not pairs:
        return "rename or add what is missing"
    rest = "" if len(pairs) == len(missing) else " and add what is missing"
    return f"names are lower case here: rename {', '.join(pairs)}{rest}"


def _stamps(path: Path, frame: pl.DataFrame, notes: list[str]) -> IntArray:
    """Bar opens in nanoseconds UTC, in the order of the file."""
    series = frame["ts"]
    dtype = series.dtype
    if not isinstance(dtype, pl.Datetime):
        raise DataError(
            f"{path}: column ts is {dtype}, expected a timestamp; convert it to UTC timestamps of bar opens"
        )
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise DataError(f"{path}: row {row} has no ts; remove the row or give its stamp")
    if dtype.time_zone is None:
        notes.append("ts names no time zone: taken as UTC")
    elif dtype.time_zone not in ("UTC", "Etc/UTC", "+00:00"):
        notes.append(f"ts is in {dtype.time_zone}: converted to UTC")
    ns_per_unit = _NS_PER_UNIT[dtype.time_unit]
    counts = np.array(series.to_physical().to_numpy(), dtype=np.int64)
    outside = (counts < _EARLIEST_NS // ns_per_unit) | (counts >= _LATEST_NS // ns_per_unit)
    if outside.any():
        row = int(np.argmax(outside))
        raise DataError(
            f"{path}: row {row} is stamped {counts[row]} {dtype.time_unit} after 1970, expected a year from 1970 to "
            "2200; check the unit of ts"
        )
    ts_ns: IntArray = counts * ns_per_unit
    return ts_ns


def _numbers(path: Path, frame: pl.DataFrame, name: str) -> FloatArray:
    series = frame[name]
    if not (series.dtype.is_numeric() or series.dtype == pl.Null):
        raise DataError(f"{path}: column {name} is {series.dtype}, expected numbers; convert it to float64")
    return np.array(series.cast(pl.Float64).fill_null(np.nan).to_numpy(), dtype=np.float64)

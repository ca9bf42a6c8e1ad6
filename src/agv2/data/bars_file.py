"""Bars in and out of Parquet files, refused with one clear line when they cannot be used."""

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe

__all__ = ["LoadedBars", "read_bars", "read_portfolio", "symbol_of", "write_bars"]

_PRICES = ("open", "high", "low", "close")
_OPTIONAL = ("volume", "spread")
_NS_PER_UNIT = {"ms": 1_000_000, "us": 1_000, "ns": 1}
_NS_PER_MINUTE = 60_000_000_000
_EARLIEST_NS = 0
_LATEST_NS = 7_258_118_400_000_000_000  # 2200-01-01
_RESERVED_SYMBOL = "ACCOUNT"  # names the sum of all books in a run's equity table


@dataclass(frozen=True, slots=True)
class LoadedBars:
    """Bars of one file, and what was noticed on the way in."""

    bars: Bars
    notes: tuple[str, ...]
    """One phrase each on what was assumed, dropped or left out."""
    sha256: str
    """Hexadecimal digest of the file's bytes."""
    content_hash: str
    """Hexadecimal digest of stamps, prices, volume and spread: the same bars in another file share it."""


def symbol_of(path: Path) -> str:
    """Symbol that a file name stands for: its stem up to the first underscore.

    >>> symbol_of(Path("bars/XAUUSD_1h__ftmo.parquet"))
    'XAUUSD'
    """
    return path.stem.partition("_")[0]


def read_portfolio(paths: Sequence[Path], symbols: Sequence[str] | None = None) -> list[LoadedBars]:
    """Bars of several files that are traded together, in the order given.

    Args:
        paths: at least one Parquet file.
        symbols: a symbol for each file; None or empty: from the file names.

    Raises:
        DataError: two files have one symbol, a symbol is empty or reserved, numbers of files and symbols differ,
            timeframes differ, or a file cannot be used.
    """
    names = list(symbols) if symbols else [symbol_of(path) for path in paths]
    if len(names) != len(paths):
        raise DataError(f"{len(paths)} files but {len(names)} symbols: give --symbol once per file, or not at all")
    for i, (path, name) in enumerate(zip(paths, names, strict=True)):
        if name == _RESERVED_SYMBOL:
            raise DataError(f"{path}: the symbol {name} is taken by the sum of all books; choose another with --symbol")
        if not name.strip():
            raise DataError(f"{path}: the file name gives no symbol; name it with --symbol")
        if name in names[:i]:
            other = paths[names.index(name)]
            raise DataError(f"{path}: {other} is {name} too; tell them apart with --symbol, once per file")
    loaded = [read_bars(path, name) for path, name in zip(paths, names, strict=True)]
    first = loaded[0].bars
    for path, each in zip(paths, loaded, strict=True):
        if each.bars.timeframe != first.timeframe:
            raise DataError(
                f"{path}: bars of {each.bars.timeframe.name}, but {paths[0]} has {first.timeframe.name}; "
                "a portfolio needs one timeframe"
            )
    return loaded


def read_bars(path: Path, symbol: str | None = None) -> LoadedBars:
    """Bars of one Parquet file with columns `ts` (bar open), `open`, `high`, `low`, `close`, maybe `volume`, `spread`.

    Repeated identical rows are dropped, unknown volumes and spreads become NaN, and stamps become UTC: each with a
    note. Nothing else is repaired.

    Args:
        path: the file.
        symbol: its symbol; None: from the file name.

    Returns:
        The bars; their timeframe is the commonest step between stamps.

    Raises:
        DataError: the file cannot be read or its bars cannot be used; one line with file, row (from 0) and remedy.
    """
    content = _content(path)
    frame = _frame(path, content)
    notes: list[str] = []
    ts_ns = _stamps(path, frame, notes)
    prices = {name: _prices(path, frame, name, ts_ns) for name in _PRICES}
    extras = {name: _extra(path, frame, name, notes) for name in _OPTIONAL}
    table = np.column_stack([*prices.values(), *extras.values()])
    keep = _distinct(path, ts_ns, table, notes)
    _require_possible_prices(path, ts_ns, prices)
    ts_ns, table = ts_ns[keep], table[keep]
    timeframe = _timeframe(path, ts_ns, notes)
    columns = (np.ascontiguousarray(column) for column in table.T)
    bars = Bars(symbol or symbol_of(path), timeframe, ts_ns, *columns)
    return LoadedBars(bars, tuple(notes), hashlib.sha256(content).hexdigest(), _content_hash(bars))


def write_bars(bars: Bars, path: Path) -> None:
    """Write `bars` as the Parquet that `read_bars` reads back; unknown volumes and spreads become null.

    The file appears under its name only when it is complete.
    """
    columns = {"ts": pl.Series((bars.ts_ns // 1000).astype("datetime64[us]")).dt.replace_time_zone("UTC")}
    for name in (*_PRICES, *_OPTIONAL):
        columns[name] = pl.Series(getattr(bars, name), dtype=pl.Float64, nan_to_null=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        pl.DataFrame(columns).write_parquet(unfinished, compression="zstd")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a directory; give the Parquet file itself") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _frame(path: Path, content: bytes) -> pl.DataFrame:
    remedy = "write the bars as Parquet with columns ts, open, high, low, close"
    # Looked at here, because the reader's own words on a foreign file are of no use to a person.
    if len(content) < 12 or content[:4] != b"PAR1" or content[-4:] != b"PAR1":
        found = "empty" if not content else "not a complete Parquet file"
        raise DataError(f"{path}: the file is {found}; {remedy}")
    try:
        known = pl.read_parquet_schema(io.BytesIO(content))
        missing = [name for name in ("ts", *_PRICES) if name not in known]
        if missing:
            raise DataError(
                f"{path}: no column {', '.join(missing)} (found: {', '.join(known)}); rename or add what is missing"
            )
        wanted = ["ts", *_PRICES, *(name for name in _OPTIONAL if name in known)]
        frame = pl.read_parquet(io.BytesIO(content), columns=wanted, use_pyarrow=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: the Parquet is damaged ({str(error).splitlines()[0]}); export it again") from error
    if frame.height == 0:
        raise DataError(f"{path}: the file has no rows; export it again with its bars")
    return frame


def _stamps(path: Path, frame: pl.DataFrame, notes: list[str]) -> IntArray:
    """Bar opens in nanoseconds UTC, never falling."""
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
    falling = np.diff(ts_ns) < 0
    if falling.any():
        row = int(np.argmax(falling)) + 1
        raise DataError(
            f"{path}: row {row} ({_moment(ts_ns[row])}) is earlier than the row before it; sort the file by ts"
        )
    return ts_ns


def _prices(path: Path, frame: pl.DataFrame, name: str, ts_ns: IntArray) -> FloatArray:
    """One price column, every value finite and above zero."""
    values = _numbers(path, frame, name)
    for bad, problem in ((~np.isfinite(values), "is not a number"), (values <= 0.0, "is not above zero")):
        if bad.any():
            row = int(np.argmax(bad))
            found = "null" if frame[name][row] is None else f"{values[row]:g}"
            raise DataError(
                f"{path}: row {row} ({_moment(ts_ns[row])}): {name} {found} {problem}; correct or remove the row"
            )
    return values


def _extra(path: Path, frame: pl.DataFrame, name: str, notes: list[str]) -> FloatArray:
    """Volume or spread, NaN where unknown or impossible."""
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    values = _numbers(path, frame, name)
    impossible = (values < 0.0) | np.isinf(values)
    if impossible.any():
        notes.append(f"{name} is negative or infinite in {int(impossible.sum())} rows: taken as unknown there")
        values[impossible] = np.nan
    return values


def _numbers(path: Path, frame: pl.DataFrame, name: str) -> FloatArray:
    series = frame[name]
    if not (series.dtype.is_numeric() or series.dtype == pl.Null):
        raise DataError(f"{path}: column {name} is {series.dtype}, expected numbers; convert it to float64")
    return np.array(series.cast(pl.Float64).fill_null(np.nan).to_numpy(), dtype=np.float64)


def _distinct(path: Path, ts_ns: IntArray, table: FloatArray, notes: list[str]) -> BoolArray:
    """Which rows to keep: all but those that repeat the row before them."""
    keep = np.ones(ts_ns.size, dtype=np.bool_)
    repeated = np.flatnonzero(np.diff(ts_ns) == 0) + 1
    for row in repeated:
        if not np.array_equal(table[row], table[row - 1], equal_nan=True):
            raise DataError(
                f"{path}: rows {row - 1} and {row} are both stamped {_moment(ts_ns[row])} but differ; "
                "keep the right one and remove the other"
            )
    keep[repeated] = False
    if repeated.size:
        notes.append(f"{repeated.size} rows repeated the row before them: dropped")
    return keep


def _require_possible_prices(path: Path, ts_ns: IntArray, prices: dict[str, FloatArray]) -> None:
    high, low = prices["high"], prices["low"]
    checks = [(high < low, "high is below low")]
    for name in ("open", "close"):
        checks.append(((prices[name] > high) | (prices[name] < low), f"{name} lies outside low to high"))
    for bad, problem in checks:
        if bad.any():
            row = int(np.argmax(bad))
            found = ", ".join(f"{name} {values[row]:g}" for name, values in prices.items())
            raise DataError(
                f"{path}: row {row} ({_moment(ts_ns[row])}): {problem} ({found}); correct or remove the row"
            )


def _timeframe(path: Path, ts_ns: IntArray, notes: list[str]) -> Timeframe:
    """Commonest step between stamps; the shorter one of two that are equally common."""
    if ts_ns.size < 2:
        raise DataError(f"{path}: one bar only, so its timeframe cannot be told; export more bars")
    steps = np.diff(ts_ns)
    lengths, counts = np.unique(steps, return_counts=True)
    length = int(lengths[np.argmax(counts)])
    if length % _NS_PER_MINUTE:
        raise DataError(
            f"{path}: bars are mostly {length / 1e9:g} s apart, expected whole minutes; aggregate them to bars of 1m "
            "or more"
        )
    timeframe = Timeframe(length // _NS_PER_MINUTE)
    early = steps < length
    if (2 * steps < length).any():
        row = int(np.argmax(2 * steps < length)) + 1
        raise DataError(
            f"{path}: row {row} ({_moment(ts_ns[row])}) opens before the {timeframe.name} bar before it has closed; "
            "split the file into one timeframe each"
        )
    if early.any():
        notes.append(f"{int(early.sum())} bars are cut short by the next one, as where clocks change")
    return timeframe


def _content_hash(bars: Bars) -> str:
    digest = hashlib.sha256(f"{bars.timeframe.minutes} {len(bars)}".encode())
    digest.update(bars.ts_ns.astype("<i8").tobytes())
    for name in (*_PRICES, *_OPTIONAL):
        values = getattr(bars, name)
        digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())  # one NaN, not many
    return digest.hexdigest()


def _moment(ts_ns: int) -> str:
    return str(np.datetime64(int(ts_ns), "ns").astype("datetime64[s]")).replace("T", " ") + " UTC"

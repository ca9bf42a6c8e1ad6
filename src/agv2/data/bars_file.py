"""Bars in and out of Parquet files, refused with one clear line when they cannot be used."""

import hashlib
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
from agv2.data.parquet_columns import moment_text, read_columns

__all__ = ["LoadedBars", "read_bars", "read_portfolio", "symbol_of", "write_bars"]

_NUMBERS = ("open", "high", "low", "close", "volume", "spread")
_NS_PER_MINUTE = 60_000_000_000
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
        if any(letter in "/\\" or not letter.isprintable() for letter in name):
            raise DataError(f"{path}: {name!r} is no symbol; choose one without slashes with --symbol")
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
    columns = read_columns(path, content)
    ts_ns, notes = columns.ts_ns, list(columns.notes)
    table = np.column_stack([*columns.prices.values(), columns.volume, columns.spread])
    keep = _distinct(path, ts_ns, table, notes)
    _require_possible_prices(path, ts_ns, columns.prices)
    ts_ns, table = ts_ns[keep], table[keep]
    timeframe = _timeframe(path, ts_ns, np.flatnonzero(keep), notes)
    bars = Bars(symbol or symbol_of(path), timeframe, ts_ns, *(np.ascontiguousarray(column) for column in table.T))
    return LoadedBars(bars, tuple(notes), hashlib.sha256(content).hexdigest(), _content_hash(bars))


def write_bars(bars: Bars, path: Path) -> None:
    """Write `bars` as the Parquet that `read_bars` reads back; unknown volumes and spreads become null.

    The file appears under its name only when it is complete.
    """
    columns = {"ts": pl.Series((bars.ts_ns // 1000).astype("datetime64[us]")).dt.replace_time_zone("UTC")}
    for name in _NUMBERS:
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


def _distinct(path: Path, ts_ns: IntArray, table: FloatArray, notes: list[str]) -> BoolArray:
    """Which rows to keep: all but those that repeat the row before them."""
    keep = np.ones(ts_ns.size, dtype=np.bool_)
    repeated = np.flatnonzero(np.diff(ts_ns) == 0) + 1
    for row in repeated:
        if not np.array_equal(table[row], table[row - 1], equal_nan=True):
            raise DataError(
                f"{path}: rows {row - 1} and {row} are both stamped {moment_text(ts_ns[row])} but differ; "
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
                f"{path}: row {row} ({moment_text(ts_ns[row])}): {problem} ({found}); correct or remove the row"
            )


def _timeframe(path: Path, ts_ns: IntArray, rows: IntArray, notes: list[str]) -> Timeframe:
    """Commonest step between stamps, the shorter of two that are equally common; `rows` are their rows in the file."""
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
        i = int(np.argmax(2 * steps < length)) + 1
        raise DataError(
            f"{path}: row {rows[i]} ({moment_text(ts_ns[i])}) opens before the {timeframe.name} bar before it has "
            "closed; split the file into one timeframe each"
        )
    if early.any():
        notes.append(f"{int(early.sum())} bars are cut short by the next one, as where clocks change")
    return timeframe


def _content_hash(bars: Bars) -> str:
    digest = hashlib.sha256(f"{bars.timeframe.minutes} {len(bars)}".encode())
    digest.update(bars.ts_ns.astype("<i8").tobytes())
    for name in _NUMBERS:
        values = getattr(bars, name)
        digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())  # one NaN, not many
    return digest.hexdigest()

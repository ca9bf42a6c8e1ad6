"""Bars in and out of Parquet files, refused with one clear line when they cannot be used."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.data.parquet_columns import frame_of_columns, moment_text, read_columns
from agv2.data.quality.price_rules import price_problem
from agv2.data.quality.repair import Cleaned, cleaned
from agv2.data.quality.stamp_rules import first_fall, repeated_stamps
from agv2.data.raw_bars import COLUMNS, RawBars
from agv2.data.store.durable_files import replace_by_parquet

__all__ = [
    "LoadedBars",
    "RawFile",
    "read_bars",
    "read_portfolio",
    "read_rows",
    "symbol_of",
    "usable_bars",
    "write_bars",
]

_RESERVED_SYMBOL = "ACCOUNT"  # names the sum of all books in a run's equity table


@dataclass(frozen=True, slots=True)
class RawFile:
    """Rows of one file, none judged or left out."""

    path: Path
    raw: RawBars
    sha256: str
    """Hexadecimal digest of the file's bytes."""


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


def read_portfolio(
    paths: Sequence[Path], symbols: Sequence[str] | None = None, admit: Callable[[RawFile], LoadedBars] | None = None
) -> list[LoadedBars]:
    """Bars of several files that are traded together, in the order given.

    Args:
        paths: at least one Parquet file.
        symbols: a symbol for each file; None or empty: from the file names.
        admit: makes bars of a file's rows, or refuses them; None: as `read_bars`.

    Raises:
        DataError: two files have one symbol, a symbol is empty or reserved, numbers of files and symbols differ,
            timeframes differ, or a file cannot be used.
    """
    names = _portfolio_symbols(paths, symbols)
    judge = admit or _strictly
    loaded = [judge(read_rows(path, name)) for path, name in zip(paths, names, strict=True)]
    first = loaded[0].bars
    for path, each in zip(paths, loaded, strict=True):
        if each.bars.timeframe != first.timeframe:
            raise DataError(
                f"{path}: bars of {each.bars.timeframe.name}, but {paths[0]} has {first.timeframe.name}; "
                "a portfolio needs one timeframe"
            )
    return loaded


def read_rows(path: Path, symbol: str | None = None) -> RawFile:
    """Rows of one Parquet file as they are: columns `ts` (bar open), `open`, `high`, `low`, `close`, maybe others.

    Args:
        path: the file.
        symbol: its symbol; None: from the file name.

    Raises:
        DataError: the file cannot be read; one line with file, row (from 0) and remedy.
    """
    content = _content(path)
    raw = read_columns(path, content, symbol or symbol_of(path))
    return RawFile(path, raw, hashlib.sha256(content).hexdigest())


def usable_bars(file: RawFile) -> LoadedBars:
    """The bars among the rows of a file: whatever no run can use is left out, each kind with a note that counts it.

    Raises:
        DataError: too little is left, or bars are not whole minutes.
    """
    try:
        return _loaded(file, cleaned(file.raw))
    except DataError as error:
        raise DataError(f"{file.path}: {error}") from None


def read_bars(path: Path, symbol: str | None = None) -> LoadedBars:
    """Bars of one Parquet file with columns `ts` (bar open), `open`, `high`, `low`, `close`, maybe `volume`, `spread`.

    Repeated identical rows are dropped, unknown volumes and spreads become NaN, and stamps become UTC: each with a
    note. Rows of which that does not make bars are refused; `usable_bars` would leave them out.

    Args:
        path: the file.
        symbol: its symbol; None: from the file name.

    Returns:
        The bars; their timeframe is the commonest step between stamps.

    Raises:
        DataError: the file cannot be read or its bars cannot be used; one line with file, row (from 0) and remedy.
    """
    return _strictly(read_rows(path, symbol))


def write_bars(bars: Bars, path: Path) -> None:
    """Write `bars` as the Parquet that `read_bars` reads back; unknown volumes and spreads become null.

    The file appears under its name only when it is complete.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        replace_by_parquet(path, frame_of_columns(bars))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); check permissions and space"
        ) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a directory; give the Parquet file itself") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _portfolio_symbols(paths: Sequence[Path], symbols: Sequence[str] | None) -> list[str]:
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
    return names


def _strictly(file: RawFile) -> LoadedBars:
    """The bars of a file, refused unless every row is one."""
    _require_usable_rows(file.path, file.raw)
    try:
        usable = cleaned(file.raw)
    except DataError as error:
        raise DataError(f"{file.path}: {error}") from None
    _require_one_length(file.path, usable)
    return _loaded(file, usable)


def _require_usable_rows(path: Path, raw: RawBars) -> None:
    """Refuse the first row that is no bar, or that contradicts another."""
    if (row := first_fall(raw)) is not None:
        raise DataError(
            f"{path}: row {row} ({moment_text(raw.ts_ns[row])}) is earlier than the row before it; sort the file by ts"
        )
    if (fault := price_problem(raw)) is not None:
        row, problem = fault
        raise DataError(f"{path}: row {row} ({moment_text(raw.ts_ns[row])}): {problem}; correct or remove the row")
    repeated = repeated_stamps(raw)
    different = np.flatnonzero(repeated.repeats & ~repeated.identical)
    if different.size:
        row = int(different[0])
        raise DataError(
            f"{path}: rows {row - 1} and {row} are both stamped {moment_text(raw.ts_ns[row])} but differ; "
            "keep the right one and remove the other"
        )


def _require_one_length(path: Path, usable: Cleaned) -> None:
    """Refuse rows of another bar length than the commonest."""
    length = usable.granularity
    for odd, problem in (
        (length.finer, f"opens before the {length.timeframe.name} bar before it has closed"),
        (length.coarser, f"begins a stretch of longer bars among {length.timeframe.name} bars"),
    ):
        if odd.any():
            i = int(np.argmax(odd))
            raise DataError(
                f"{path}: row {usable.rows[i]} ({moment_text(usable.raw.ts_ns[i])}) {problem}; "
                "split the file into one timeframe each"
            )


def _loaded(file: RawFile, usable: Cleaned) -> LoadedBars:
    bars = usable.bars()
    notes = [*file.raw.notes, *usable.done]
    if usable.granularity.cut_short:
        notes.append(f"{usable.granularity.cut_short} bars are cut short by the next one, as where clocks change")
    return LoadedBars(bars, tuple(notes), file.sha256, _content_hash(bars))


def _content_hash(bars: Bars) -> str:
    digest = hashlib.sha256(f"{bars.timeframe.minutes} {len(bars)}".encode())
    digest.update(bars.ts_ns.astype("<i8").tobytes())
    for name in COLUMNS:
        values = getattr(bars, name)
        digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())  # one NaN, not many
    return digest.hexdigest()

"""The local store: Parquet by symbol, timeframe and year, written atomically, read through polars and DuckDB."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe, year_bounds_ns
from agv2.data.store.bar_partition import laid_over, read_partitions, write_partition
from agv2.data.store.durable_files import remove_leftovers, replace_durably
from agv2.data.store.series_paths import partition_path, series_directories, series_directory
from agv2.data.store.series_record import SeriesRecord

if TYPE_CHECKING:
    import duckdb

__all__ = ["BarStore", "StoreWrite", "StoredSeries"]

_RECORD, _LOCK = "series.json", "write.lock"
_LOCK_SECONDS = 60.0


class StoreWrite(NamedTuple):
    """What a write did, in bars."""

    inserted: int
    replaced: int
    """Stored before with other values."""
    unchanged: int


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One symbol and timeframe in the store."""

    symbol: str
    timeframe: Timeframe
    rows: int
    first_ns: int
    """Open of the first bar, nanoseconds UTC."""
    last_ns: int
    bytes: int
    """On disk."""
    price_side: str | None
    source: str | None
    downloaded_ns: int | None
    """When a download last stored something."""


class BarStore:
    """Bars on this machine, by symbol and timeframe.

    Readers need no lock: they see each year's file as it was before a write or after it. Writers of one series wait
    for each other, in this process and between processes.

    Args:
        root: directory of the store; made by the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, bars: Bars, *, price_side: str | None = None, source: str | None = None) -> StoreWrite:
        """Add `bars`, replacing those of the same stamp.

        Args:
            bars: stamps strictly rising and whole microseconds, prices known.
            price_side: bid, ask, mid or trade; None: what the series has.
            source: where the bars came from; None: what the series has.

        Returns:
            How many bars were new, other than before, or there already.

        Raises:
            DataError: the bars cannot be stored, the series holds another price side or source, or another process
                has kept the series locked for a minute. Nothing is written then.
        """
        directory = series_directory(self.root, bars.symbol, bars.timeframe)
        _require_storable(bars)
        inserted = replaced = 0
        with self._locked(directory, bars.symbol, bars.timeframe):
            self._require_same_feed(directory, bars, price_side, source)
            for year, part in _by_year(bars):
                path = partition_path(directory, year)
                old = read_partitions([path] if path.exists() else [], bars.symbol, bars.timeframe)
                both = laid_over(old, part)
                inserted, replaced = inserted + both.inserted, replaced + both.replaced
                if both.inserted or both.replaced:
                    write_partition(both.bars, path)
        return StoreWrite(inserted, replaced, len(bars) - inserted - replaced)

    def read(self, symbol: str, timeframe: Timeframe, start_ns: int | None = None, stop_ns: int | None = None) -> Bars:
        """Stored bars that open from `start_ns` up to but not including `stop_ns`; none where nothing is stored.

        Raises:
            DataError: the symbol cannot be a name, or a file of the store is damaged.
        """
        directory = series_directory(self.root, symbol, timeframe)
        years = [year for year in _years(directory) if _overlaps(year, start_ns, stop_ns)]
        bars = read_partitions([partition_path(directory, year) for year in years], symbol, timeframe)
        low = 0 if start_ns is None else int(np.searchsorted(bars.ts_ns, start_ns))
        high = len(bars) if stop_ns is None else int(np.searchsorted(bars.ts_ns, stop_ns))
        return bars.slice(low, max(low, high))

    def series(self) -> list[StoredSeries]:
        """Every series that has bars, by symbol and timeframe.

        Raises:
            DataError: a file of the store is damaged.
        """
        found, problems = self.survey()
        if problems:
            raise problems[0]
        return found

    def survey(self) -> tuple[list[StoredSeries], list[DataError]]:
        """Every series that has bars, by symbol and timeframe, but for those with a damaged file: one error each."""
        found: list[StoredSeries] = []
        problems: list[DataError] = []
        for symbol, timeframe, directory in series_directories(self.root):
            try:
                series = _described(symbol, timeframe, directory)
            except DataError as error:
                problems.append(error)
            else:
                found += [series] if series else []
        return found, problems

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """A DuckDB connection in memory with the view `bars`.

        Columns: symbol, timeframe, year, ts (TIMESTAMPTZ), open, high, low, close, volume, spread; null where unknown.
        Each query sees the store as it then is, but the view of a store without bars stays without rows. A query in
        the very instant in which a writer replaces a file may fail with `duckdb.Error`, for DuckDB looks at a file's
        length before it opens it; it never mixes old and new. Repeat it, or use `read`, which has no such instant.
        """
        from agv2.data.store.duckdb_views import connect_to  # loading DuckDB takes half a second

        return connect_to(self.root)

    def record(self, symbol: str, timeframe: Timeframe) -> SeriesRecord:
        """What is known of a series beside its bars; an empty record where nothing is.

        Raises:
            DataError: the record is damaged.
        """
        return SeriesRecord.load(series_directory(self.root, symbol, timeframe) / _RECORD)

    def amend(self, symbol: str, timeframe: Timeframe, change: Callable[[SeriesRecord], SeriesRecord]) -> SeriesRecord:
        """Replace a series' record by what `change` makes of it, while no other process does.

        Raises:
            DataError: the record is damaged, or another process has kept the series locked for a minute.
        """
        directory = series_directory(self.root, symbol, timeframe)
        with self._locked(directory, symbol, timeframe):
            return _amend(directory, change)

    def years(self, symbol: str, timeframe: Timeframe) -> tuple[int, ...]:
        """Years (UTC) of which bars are stored, in order."""
        return tuple(_years(series_directory(self.root, symbol, timeframe)))

    @contextmanager
    def _locked(self, directory: Path, symbol: str, timeframe: Timeframe) -> Iterator[None]:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with FileLock(directory / _LOCK, timeout=_LOCK_SECONDS):
                remove_leftovers(directory)  # all writers hold this lock, so theirs are dead
                yield
        except Timeout:
            raise DataError(
                f"{directory}: another process has been writing {symbol} {timeframe.name} for {_LOCK_SECONDS:.0f} s; "
                "wait for it to end, or end it"
            ) from None
        except OSError as error:
            raise DataError(
                f"{directory}: cannot be written ({error.strerror or error}); check its permissions and the free space"
            ) from error

    def _require_same_feed(self, directory: Path, bars: Bars, price_side: str | None, source: str | None) -> None:
        record = SeriesRecord.load(directory / _RECORD)
        has_bars = bool(_years(directory))  # none: the record is of a writer that died before its first bar
        for word, held, offered in (
            ("price side", record.price_side, price_side),
            ("source", record.source, source),
        ):
            if has_bars and offered is not None and held != offered:
                raise DataError(
                    f"{bars.symbol} {bars.timeframe.name} in the store has {word} {held or 'unknown'}, these bars have "
                    f"{offered}: spliced feeds are no history; store them under another symbol, or move {directory} "
                    "away first"
                )
        if not has_bars:
            _amend(directory, lambda record: record.model_copy(update={"price_side": price_side, "source": source}))


def _described(symbol: str, timeframe: Timeframe, directory: Path) -> StoredSeries | None:
    from agv2.data.store.duckdb_views import extent

    files = [partition_path(directory, year) for year in _years(directory)]
    if not files:
        return None
    record = SeriesRecord.load(directory / _RECORD)
    return StoredSeries(
        symbol=symbol,
        timeframe=timeframe,
        **extent(files)._asdict(),
        bytes=sum(path.stat().st_size for path in files),
        price_side=record.price_side,
        source=record.source,
        downloaded_ns=record.downloaded_ns,
    )


def _amend(directory: Path, change: Callable[[SeriesRecord], SeriesRecord]) -> SeriesRecord:
    before = SeriesRecord.load(directory / _RECORD)
    after = change(before)
    if after != before:
        text = after.model_dump_json(indent=1)
        replace_durably(directory / _RECORD, lambda name: name.write_text(text, encoding="utf-8"))
    return after


def _require_storable(bars: Bars) -> None:
    where = f"{bars.symbol} {bars.timeframe.name}"
    falling = np.flatnonzero(np.diff(bars.ts_ns) <= 0)
    if falling.size:
        raise DataError(f"{where}: bar {falling[0] + 1} is not later than the bar before it; sort the bars by stamp")
    if (bars.ts_ns % 1000).any():
        raise DataError(f"{where}: stamps are finer than a microsecond; round them to bar opens")
    for name in ("open", "high", "low", "close"):
        unknown = np.flatnonzero(~np.isfinite(getattr(bars, name)))
        if unknown.size:
            raise DataError(f"{where}: bar {unknown[0]} has no {name}; remove it")


def _by_year(bars: Bars) -> Iterator[tuple[int, Bars]]:
    years: IntArray = bars.ts_ns.astype("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970
    edges = [0, *(np.flatnonzero(np.diff(years)) + 1).tolist(), years.size]
    for low, high in itertools.pairwise(edges):
        if high > low:
            yield int(years[low]), bars.slice(low, high)


def _years(directory: Path) -> list[int]:
    """Years of which there is a file, in order."""
    names = (path.parent.name.removeprefix("year=") for path in directory.glob("year=*/part.parquet"))
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def _overlaps(year: int, start_ns: int | None, stop_ns: int | None) -> bool:
    first, beyond = year_bounds_ns(year)
    return (start_ns is None or start_ns < beyond) and (stop_ns is None or stop_ns > first)

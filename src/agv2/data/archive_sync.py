"""The archive in PostgreSQL copied into the local store: what changed since last time, series by series."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.duckdb_store import BarStore
from agv2.data.postgres_manager import ArchivedSeries, PostgresManager
from agv2.data.store.durable_files import replace_durably
from agv2.data.store.series_paths import series_directory
from agv2.data.store.series_record import SeriesRecord

__all__ = ["SyncStep", "SyncedSeries", "sync_archive"]

_MARK, _LOCK = "archive.json", "archive-sync.lock"


class SyncStep(NamedTuple):
    """How far the copying of one series is, in bars."""

    symbol: str
    timeframe: Timeframe
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SyncedSeries:
    """What the copying of one series did to the local store, in bars."""

    symbol: str
    timeframe: Timeframe
    fetched: int
    inserted: int
    replaced: int
    unchanged: int
    change: int
    """Change number of the archive up to which the store has everything."""
    seconds: float
    problem: str | None = None
    """Why nothing was copied, in one line."""


class _Mark(BaseModel):
    """How far a series was copied, kept beside its bars: whoever removes them removes it too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archive: str
    """Which archive; the number means nothing in another."""
    change: int
    years: tuple[int, ...] = ()
    """Of which the store then had bars: a year without its file was taken away since."""


def sync_archive(
    archive: PostgresManager,
    store: BarStore,
    *,
    symbol: str | None = None,
    timeframe: Timeframe | None = None,
    full: bool = False,
    report: Callable[[SyncStep], None] | None = None,
) -> list[SyncedSeries]:
    """Copy what changed in `archive` since the last time into `store`; the archive wins where both have a bar.

    A series counts as copied only once all its changes are in the store, so after a kill the next call copies its
    changes again, which does no harm. Bars that the store alone has stay; so do bars removed from the archive by hand.
    A series that the store will not take (it holds another feed) is named in the result and does not stop the others.

    Args:
        archive: with its migrations applied.
        store: where to.
        symbol: only this one.
        timeframe: only this one.
        full: copy everything, whatever was copied before.
        report: told before a series that has news, and after each year of it.

    Returns:
        One entry a series, in order; those without news as well.

    Raises:
        DataError: the archive has no such series, another process is copying into this store, the store cannot be
            written, or the server was lost.
    """
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with FileLock(store.root / _LOCK, timeout=0):
            archive_id = str(archive.archive_id())
            chosen = _chosen(archive, symbol, timeframe)
            return [_synced(archive, store, each, archive_id, full, report or _silent) for each in chosen]
    except Timeout:
        raise DataError(f"{store.root}: another `agv2 data sync` is at work here; wait for it to end") from None
    except OSError as error:
        raise DataError(
            f"{store.root}: cannot be written ({error.strerror or error}); check its permissions and the free space"
        ) from error


def _chosen(archive: PostgresManager, symbol: str | None, timeframe: Timeframe | None) -> list[ArchivedSeries]:
    everything = archive.series()
    chosen = [
        each
        for each in everything
        if (symbol is None or each.symbol == symbol) and (timeframe is None or each.timeframe == timeframe)
    ]
    if not chosen and (symbol is not None or timeframe is not None):
        wanted = " ".join(word for word in (symbol, timeframe.name if timeframe else None) if word)
        held = ", ".join(f"{each.symbol} {each.timeframe.name}" for each in everything[:12]) or "nothing"
        more = f" and {len(everything) - 12} more" if len(everything) > 12 else ""
        raise DataError(f"PostgreSQL at {archive.address.shown} has no {wanted}; it has {held}{more}")
    return chosen


def _synced(
    archive: PostgresManager,
    store: BarStore,
    series: ArchivedSeries,
    archive_id: str,
    full: bool,
    report: Callable[[SyncStep], None],
) -> SyncedSeries:
    began = time.perf_counter()
    symbol, timeframe = series.symbol, series.timeframe
    path = series_directory(store.root, symbol, timeframe) / _MARK
    since = 0 if full else _copied_up_to(path, archive_id, series, store.years(symbol, timeframe))
    changes = archive.changed_since(symbol, timeframe, since)
    total, done, inserted, replaced, unchanged = sum(changes.rows_by_year.values()), 0, 0, 0, 0
    if total:
        report(SyncStep(symbol, timeframe, 0, total))
    for year in changes.rows_by_year:
        # Outside the guard below: a lost server is no trouble of this series.
        bars = archive.read_changed(symbol, timeframe, since, year)
        try:
            wrote = store.write(bars, price_side=_known(series.price_side), source=_known(series.source))
        except DataError as error:
            return SyncedSeries(symbol, timeframe, 0, 0, 0, 0, since, time.perf_counter() - began, str(error))
        done, inserted = done + len(bars), inserted + wrote.inserted
        replaced, unchanged = replaced + wrote.replaced, unchanged + wrote.unchanged
        report(SyncStep(symbol, timeframe, done, max(total, done)))
    if changes.change != since or full:
        years = store.years(symbol, timeframe)
        _remember(store, series, path, _Mark(archive=archive_id, change=changes.change, years=years))
    return SyncedSeries(
        symbol, timeframe, done, inserted, replaced, unchanged, changes.change, time.perf_counter() - began
    )


def _copied_up_to(path: Path, archive_id: str, series: ArchivedSeries, years: tuple[int, ...]) -> int:
    """Change number to go on from; 0 where the mark is of another archive or one set back, or a year's file is gone."""
    try:
        mark = _Mark.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return 0  # no mark, or no use: copying everything again is always right
    valid = mark.archive == archive_id and mark.change <= series.change and set(mark.years) <= set(years)
    return mark.change if valid else 0


def _remember(store: BarStore, series: ArchivedSeries, path: Path, mark: _Mark) -> None:
    def beside_the_bars(record: SeriesRecord) -> SeriesRecord:
        text = mark.model_dump_json()
        replace_durably(path, lambda name: name.write_text(text, encoding="utf-8"))
        return record

    # While the series is locked: its writers remove unfinished files that they find.
    store.amend(series.symbol, series.timeframe, beside_the_bars)


def _known(word: str) -> str | None:
    """The word, if it says something; a download writes `unknown` where nobody said."""
    return None if word == "unknown" else word


def _silent(_step: SyncStep) -> None:
    """Say nothing."""

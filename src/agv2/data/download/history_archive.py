"""What an archive still lacks of the stored history, sent to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.duckdb_store import BarStore
from agv2.data.store.series_record import SeriesRecord, Span, merged

if TYPE_CHECKING:
    from agv2.data.postgres_manager import PostgresManager

__all__ = ["ArchiveOutcome", "BarArchive", "open_archive", "settle_archive"]

_BARS_AT_ONCE = 100_000


class BarArchive(Protocol):
    """A second place for bars, which may be out of reach."""

    @property
    def name(self) -> str:
        """Which database it is, without secrets; on record beside what it was sent."""
        ...

    def upsert(self, bars: Bars, *, source: str, price_side: str) -> object:
        """Keep `bars`, replacing those of the same stamp.

        Raises:
            DataError: it cannot now.
        """
        ...


class ArchiveOutcome(NamedTuple):
    """How an archive stands."""

    name: str
    sent: int
    """Bars that it took this time."""
    owed: int | None
    """Bars that it still lacks; None where it was never reached, so that nobody knows."""
    problem: str | None
    """Why it took no more; None where it has everything."""


@contextmanager
def open_archive(url: str) -> Iterator[BarArchive]:
    """The archive in the PostgreSQL database at `url`, its tables made or brought up to date.

    Raises:
        ConfigError: the address, user or password are wrong, or the packages for PostgreSQL are not installed.
        DataError: the server cannot be reached.
    """
    from agv2.data.postgres_manager import PostgresManager  # its drivers are optional

    with PostgresManager(url) as manager:
        manager.migrate()
        yield _PostgresArchive(manager)


class _PostgresArchive:
    def __init__(self, manager: "PostgresManager") -> None:
        self._manager = manager
        # The number tells a database from one made anew at the same address, which has nothing of what was sent.
        self.name = f"PostgreSQL {manager.address.shown} {manager.archive_id()}"

    def upsert(self, bars: Bars, *, source: str, price_side: str) -> object:
        return self._manager.upsert(bars, source=source, price_side=price_side)


def settle_archive(
    store: BarStore,
    symbol: str,
    timeframe: Timeframe,
    archive: BarArchive,
    on_sent: Callable[[int], None] = lambda sent: None,
) -> ArchiveOutcome:
    """Send `archive` what was fetched but has not reached it: the last page, and all that earlier trouble left over.

    What it has is recorded only after it said so; sending a bar twice does no harm.

    Args:
        store: has the bars.
        symbol: of the series.
        timeframe: of the series.
        archive: may fail at any bar.
        on_sent: called with the number of bars sent so far, where they are too many to be sent at once.
    """
    record = store.record(symbol, timeframe)
    source, price_side = record.source or "unknown", record.price_side or "unknown"
    sent = 0
    for span in record.owed(archive.name):
        bars = store.read(symbol, timeframe, *span)
        for low in range(0, max(len(bars), 1), _BARS_AT_ONCE):
            part = bars.slice(low, low + _BARS_AT_ONCE)
            last = low + _BARS_AT_ONCE >= len(bars)
            try:
                if len(part):
                    archive.upsert(part, source=source, price_side=price_side)
            except DataError as error:
                owed = sum(len(store.read(symbol, timeframe, *each)) for each in record.owed(archive.name))
                return ArchiveOutcome(archive.name, sent, owed, str(error))
            sent += len(part)
            if sent > _BARS_AT_ONCE:
                on_sent(sent)
            reached = span[1] if last else int(bars.ts_ns[low + _BARS_AT_ONCE])
            record = _mark(store, symbol, timeframe, archive.name, (span[0], reached))
    return ArchiveOutcome(archive.name, sent, 0, None)


def _mark(store: BarStore, symbol: str, timeframe: Timeframe, name: str, span: Span) -> SeriesRecord:
    def change(record: SeriesRecord) -> SeriesRecord:
        spans = merged([*record.archived.get(name, ()), span])
        return record.model_copy(update={"archived": {**record.archived, name: spans}})

    return store.amend(symbol, timeframe, change)

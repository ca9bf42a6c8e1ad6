"""Bars from a venue into the local store, and into the archive where there is one: resumable at any point."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe, year_bounds_ns
from agv2.data.download.history_archive import ArchiveOutcome, BarArchive, settle_archive
from agv2.data.download.history_checks import Oddities, closed_bars, require_grid, require_same_prices
from agv2.data.download.history_pages import HistoryPage, HistorySource, history_pages
from agv2.data.duckdb_store import BarStore
from agv2.data.parquet_columns import moment_text
from agv2.data.store.series_record import SeriesRecord, Span, merged, without
from agv2.utils.clock import Clock

__all__ = ["DownloadProgress", "DownloadReport", "download_bars"]

_NS_PER_MS = 1_000_000
_NS_PER_MINUTE = 60_000_000_000
_SETTLING_NS = 24 * 60 * _NS_PER_MINUTE
"""How late a venue may deliver a closed bar: an emptiness younger than this is asked about again."""
_OVERLAP_BARS = 50


class DownloadProgress(NamedTuple):
    """How far a download is."""

    fraction: float
    """Of the time that was missing, 0 to 1."""
    bars: int
    """Received so far, closed ones."""
    reached_ns: int
    """Everything before is stored."""


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What a download did."""

    received: int
    """Closed bars that came over the wire."""
    inserted: int
    replaced: int
    requested: tuple[Span, ...]
    """What was missing from the store and asked for."""
    notes: tuple[str, ...]
    """One phrase each on what was dropped, revised or found odd."""
    archive: ArchiveOutcome | None
    """None where there is no archive."""


async def download_bars(
    symbol: str,
    timeframe: Timeframe,
    start_ns: int,
    stop_ns: int | None,
    *,
    source: HistorySource,
    store: BarStore,
    clock: Clock,
    archive: BarArchive | None = None,
    on_progress: Callable[[DownloadProgress], None] = lambda progress: None,
    on_archived: Callable[[int], None] = lambda sent: None,
) -> DownloadReport:
    """Fetch what the store lacks of a span, page by page, each page safe before the next is asked for.

    A span counts as fetched only once its bars are stored, so an interrupted download continues where it was and a
    repeated one asks for what is new. Around each missing span stored bars are fetched again and compared.

    Args:
        symbol: name under which the bars are stored.
        timeframe: length of the bars, one that the venue has.
        start_ns: first moment wanted, nanoseconds UTC, whole milliseconds.
        stop_ns: end of the span, itself not wanted; None or the future: all closed bars.
        source: the venue's history of the instrument.
        store: where bars are kept.
        clock: this machine's time; a bar is closed when both it and the venue's say so.
        archive: takes every page after the store; while it fails, what it lacks stays on record and is sent later.
        on_progress: called after every page.
        on_archived: called with the number of bars sent to the archive so far, where there are many to catch up.

    Raises:
        DataError: the store holds another feed under this name, the venue's bars differ from the stored ones, or
            they are off the grid of the timeframe. What was stored stays.
        VenueError: the venue refused or stayed silent. What was stored stays.
    """
    if stop_ns is not None and stop_ns <= start_ns:
        raise DataError(
            f"{symbol}: the span ends at {moment_text(stop_ns)}, before it starts; exchange --from and --to"
        )
    now_ns = min(source.now_ns(), clock.now_ns())
    # Stamps on the wire are whole milliseconds, so this is just past the youngest bar that can have closed.
    closed_ns = (now_ns - timeframe.nanoseconds) // _NS_PER_MS * _NS_PER_MS + _NS_PER_MS
    end = closed_ns if stop_ns is None else min(stop_ns, closed_ns)
    work = _Download(symbol, timeframe, source, store, clock, now_ns)
    work.require_same_feed()
    missing = without([(start_ns, end)], work.fetched())
    total = sum(stop - start for start, stop in missing)
    done = 0
    outcome = None if archive is None else settle_archive(store, symbol, timeframe, archive, on_archived)
    for start, stop in missing:
        begin, finish = work.with_overlap(start, stop)
        older = work.has_bars_before(begin)
        async for page in history_pages(source, timeframe, begin, finish, older_known=older):
            work.keep(page)
            if archive is not None and outcome is not None and outcome.problem is None:
                outcome = settle_archive(store, symbol, timeframe, archive, on_archived)
            reached = min(max(page.stop_ns, start), stop)
            on_progress(DownloadProgress((done + reached - start) / total, work.received, reached))
        done += stop - start
    if archive is not None and outcome is not None and outcome.problem is not None and missing:
        outcome = settle_archive(store, symbol, timeframe, archive, on_archived)  # it may have come back meanwhile
    return DownloadReport(work.received, work.inserted, work.replaced, missing, work.oddities.notes(timeframe), outcome)


class _Download:
    """One download under way: what was received, and what is to be said about it."""

    def __init__(
        self, symbol: str, timeframe: Timeframe, source: HistorySource, store: BarStore, clock: Clock, now_ns: int
    ) -> None:
        self._symbol, self._timeframe, self._source = symbol, timeframe, source
        self._store, self._clock, self._now_ns = store, clock, now_ns
        self.received = self.inserted = self.replaced = 0
        self.oddities = Oddities()

    def fetched(self) -> tuple[Span, ...]:
        """Spans of which the store has what the venue had; years whose file was taken away do not count."""
        record = self._store.record(self._symbol, self._timeframe)
        lost = set(record.years) - set(self._store.years(self._symbol, self._timeframe))
        return without(record.fetched, [year_bounds_ns(year) for year in lost])

    def require_same_feed(self) -> None:
        """Refuse before anything is asked for if the store holds another feed under this name."""
        if self._store.years(self._symbol, self._timeframe):
            none = Bars.none(self._symbol, self._timeframe)
            self._store.write(none, price_side=self._source.price_side, source=self._source.name)

    def with_overlap(self, start: int, stop: int) -> Span:
        """`start` to `stop`, widened over stored bars next to it, for comparison with what the venue has there now."""
        reach = max(1, min(_OVERLAP_BARS, self._source.max_bars // 4)) * self._timeframe.nanoseconds
        before = self._store.read(self._symbol, self._timeframe, start - reach, start)
        after = self._store.read(self._symbol, self._timeframe, stop, stop + reach)
        begin = int(before.ts_ns[0]) if len(before) else start
        return begin, int(after.ts_ns[-1]) + _NS_PER_MS if len(after) else stop

    def has_bars_before(self, moment: int) -> bool:
        """Whether the store, and so the venue, has older bars."""
        years = self._store.years(self._symbol, self._timeframe)
        if not years:
            return False
        _, first_year_end = year_bounds_ns(years[0])  # one year's file tells
        return len(self._store.read(self._symbol, self._timeframe, None, min(moment, first_year_end))) > 0

    def keep(self, page: HistoryPage) -> None:
        """Store the closed bars of a page, then record its span as fetched."""
        bars = closed_bars(page, self._symbol, self._timeframe, self._now_ns, self.oddities)
        changed = False
        if len(bars):
            require_grid(bars, self._source.name, self.oddities)
            stored = self._store.read(self._symbol, self._timeframe, page.start_ns, page.stop_ns)
            require_same_prices(stored, bars, self._source.name, self.oddities)
            write = self._store.write(bars, price_side=self._source.price_side, source=self._source.name)
            self.received += len(bars)
            self.inserted, self.replaced = self.inserted + write.inserted, self.replaced + write.replaced
            changed = write.inserted + write.replaced > 0
        settled = min(page.stop_ns, self._now_ns - _SETTLING_NS)
        known_until = int(bars.close_ns[-1]) if len(bars) else page.start_ns
        span = (page.start_ns, min(page.stop_ns, max(settled, known_until)))
        years = self._store.years(self._symbol, self._timeframe)
        now_ns = self._clock.now_ns()

        def with_page(record: SeriesRecord) -> SeriesRecord:
            archived = {name: without(spans, [span]) for name, spans in record.archived.items()}
            return record.model_copy(
                update={
                    "fetched": merged([*record.fetched, span]),
                    "archived": archived if changed else record.archived,  # what changed is sent again
                    "years": years,
                    "downloaded_ns": now_ns,
                }
            )

        self._store.amend(self._symbol, self._timeframe, with_page)

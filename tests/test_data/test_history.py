import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError, RetryableVenueError, VenueError
from agv2.core.timeframes import Timeframe
from agv2.data.download.history_archive import BarArchive
from agv2.data.download.history_pages import HistoryPage, history_pages
from agv2.data.duckdb_store import BarStore
from agv2.data.history import DownloadProgress, DownloadReport, download_bars
from agv2.utils.clock import ReplayClock
from tests.factories import START_NS

MINUTE, MINUTE_NS, DAY_NS = Timeframe(1), 60_000_000_000, 86_400_000_000_000
NOW_NS = START_NS + 40 * DAY_NS


@dataclass(frozen=True)
class Reply:
    ts_ns: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    earlier_ns: int | None = None


def reply_of(ts_ns: Sequence[int] | IntArray, close: Callable[[IntArray], FloatArray] | None = None) -> Reply:
    """Bars whose prices follow from their stamps, so that any bar can be checked by itself."""
    stamps = np.asarray(ts_ns, dtype=np.int64)
    closes = true_close(stamps) if close is None else close(stamps)
    return Reply(stamps, closes, closes + 1.0, closes - 1.0, closes, np.full(stamps.size, 5.0))


def true_close(ts_ns: IntArray) -> FloatArray:
    result: FloatArray = ((ts_ns // MINUTE_NS) % 997).astype(np.float64) + 1000.0
    return result


@dataclass
class ScriptedVenue:
    """A venue with bars at `opens`, the forming one included, that keeps the documented rules."""

    opens: IntArray
    max_bars: int = 1_000
    name: str = "Venue A"
    price_side: str | None = "bid"
    time_ns: int = NOW_NS
    says_earlier: bool = True
    close: Callable[[IntArray], FloatArray] = true_close
    alter: Callable[[int, Reply], Reply] = lambda number, reply: reply
    asked: list[tuple[int, int]] = field(default_factory=list)

    def now_ns(self) -> int:
        return self.time_ns

    async def price_history(self, timeframe: Timeframe, from_ns: int, to_ns: int) -> Reply:
        assert from_ns % 1_000_000 == 0
        assert to_ns % 1_000_000 == 0
        assert to_ns - from_ns < self.max_bars * timeframe.nanoseconds, "more than the venue's limit"
        assert to_ns >= from_ns
        self.asked.append((from_ns, to_ns))
        await asyncio.sleep(0)
        there = self.opens[self.opens <= self.time_ns]
        found = there[(there >= from_ns) & (there <= to_ns)]
        reply = reply_of(found, self.close)
        if not found.size and self.says_earlier and (older := there[there < from_ns]).size:
            reply = replace(reply, earlier_ns=int(older[-1]))
        return self.alter(len(self.asked), reply)


def minutes(start: int, stop: int) -> IntArray:
    return START_NS + np.arange(start, stop, dtype=np.int64) * MINUTE_NS


def venue(*runs: tuple[int, int], **changes: object) -> ScriptedVenue:
    """A venue that has bars in these runs of minutes since `START_NS`."""
    return replace(ScriptedVenue(np.concatenate([minutes(*run) for run in runs])), **changes)  # type: ignore[arg-type]


def download(
    source: ScriptedVenue,
    store: BarStore,
    start: int = 0,
    stop: int | None = None,
    *,
    clock_ns: int = NOW_NS,
    archive: BarArchive | None = None,
    on_progress: Callable[[DownloadProgress], None] = lambda progress: None,
) -> DownloadReport:
    return asyncio.run(
        download_bars(
            "ETHUSD",
            MINUTE,
            START_NS + start * MINUTE_NS,
            None if stop is None else START_NS + stop * MINUTE_NS,
            source=source,
            store=store,
            clock=ReplayClock(clock_ns),
            archive=archive,
            on_progress=on_progress,
        )
    )


def stored(store: BarStore) -> Bars:
    return store.read("ETHUSD", MINUTE)


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars")


def test_all_closed_bars_arrive_once_in_pages_within_the_limit(store: BarStore) -> None:
    source = venue((0, 5_500))
    report = download(source, store, 0, 5_500)
    bars = stored(store)
    assert np.array_equal(bars.ts_ns, minutes(0, 5_500))
    assert np.array_equal(bars.close, true_close(bars.ts_ns))
    assert (report.received, report.inserted, report.replaced, report.notes) == (5_500, 5_500, 0, ())
    assert len(source.asked) == 6
    assert np.isnan(bars.spread).all()
    assert set(bars.volume.tolist()) == {5.0}


def test_the_stop_is_not_included(store: BarStore) -> None:
    download(venue((0, 500)), store, 10, 20)
    assert np.array_equal(stored(store).ts_ns, minutes(10, 20))


@pytest.mark.parametrize(("late_ns", "closed"), [(0, 100), (1, 100), (MINUTE_NS - 1, 100), (MINUTE_NS, 101)])
def test_the_forming_bar_is_dropped_until_the_instant_it_closes(store: BarStore, late_ns: int, closed: int) -> None:
    time_ns = START_NS + 100 * MINUTE_NS + late_ns
    download(venue((0, 5_000), time_ns=time_ns), store)
    assert len(stored(store)) == closed


def test_the_earlier_of_the_two_clocks_decides_what_is_closed(store: BarStore) -> None:
    behind = START_NS + 100 * MINUTE_NS
    download(venue((0, 5_000)), store, clock_ns=behind)
    assert len(stored(store)) == 100


def test_a_bar_that_a_venue_sends_before_it_is_closed_is_dropped(store: BarStore) -> None:
    time_ns = START_NS + 100 * MINUTE_NS + 5
    forming = minutes(100, 101)

    def with_forming(number: int, reply: Reply) -> Reply:
        return reply_of(np.concatenate([reply.ts_ns, forming]))

    download(venue((0, 100), time_ns=time_ns, alter=with_forming), store)
    assert np.array_equal(stored(store).ts_ns, minutes(0, 100))


def test_a_repeated_download_asks_for_nothing_until_there_is_something_new(store: BarStore) -> None:
    source = venue((0, 50_000), time_ns=START_NS + 2_000 * MINUTE_NS)
    download(source, store)
    source.asked.clear()
    report = download(source, store)
    assert (source.asked, report.requested, report.received) == ([], (), 0)
    source.time_ns += 3 * MINUTE_NS
    report = download(source, store)
    assert report.inserted == 3
    assert len(source.asked) == 1
    assert len(stored(store)) == 2_003


def test_bars_that_a_venue_delivers_late_are_asked_for_again(store: BarStore) -> None:
    source = venue((0, 90), time_ns=START_NS + 100 * MINUTE_NS)
    download(source, store)
    source.opens = minutes(0, 100)
    assert download(source, store).inserted == 10


def test_an_old_empty_span_is_not_asked_for_again(store: BarStore) -> None:
    source = venue((0, 500), (5_000, 5_500))
    download(source, store, 0, 5_500)
    source.asked.clear()
    download(source, store, 0, 5_500)
    assert source.asked == []


def test_an_older_start_fetches_only_what_is_older(store: BarStore) -> None:
    source = venue((0, 3_000))
    download(source, store, 1_000, 3_000)
    source.asked.clear()
    assert download(source, store, 0, 3_000).inserted == 1_000
    assert len(source.asked) <= 2
    assert np.array_equal(stored(store).ts_ns, minutes(0, 3_000))


class LostError(Exception):
    """The process is gone."""


@pytest.mark.parametrize("dies_after", [1, 2, 4])
def test_a_download_that_dies_goes_on_where_it_was(store: BarStore, dies_after: int) -> None:
    def die(number: int, reply: Reply) -> Reply:
        if number > dies_after:
            raise LostError
        return reply

    with pytest.raises(LostError):
        download(venue((0, 5_500), alter=die), store, 0, 5_500)
    assert len(stored(store)) == 1_000 * dies_after
    source = venue((0, 5_500))
    download(source, store, 0, 5_500)
    assert np.array_equal(stored(store).ts_ns, minutes(0, 5_500))
    assert len(source.asked) <= 6 - dies_after + 1


def test_a_kill_between_the_bars_and_their_record_only_costs_a_page(store: BarStore) -> None:
    source = venue((0, 3_000))
    download(source, store, 0, 1_000)
    record = store.record("ETHUSD", MINUTE)
    download(source, store, 0, 2_000)
    store.amend("ETHUSD", MINUTE, lambda _: record)  # as if it had died after the bars of its second page
    assert download(source, store, 0, 3_000).notes == ()
    assert np.array_equal(stored(store).ts_ns, minutes(0, 3_000))


def test_a_venue_that_fails_leaves_what_came_before(store: BarStore) -> None:
    def fail(number: int, reply: Reply) -> Reply:
        if number == 3:
            raise RetryableVenueError("503 through all attempts")
        return reply

    with pytest.raises(VenueError, match="503"):
        download(venue((0, 5_000), alter=fail), store, 0, 5_000)
    assert len(stored(store)) == 2_000


def test_a_year_whose_file_was_removed_is_fetched_again(store: BarStore) -> None:
    source = venue((0, 2_000))
    download(source, store, 0, 2_000)
    [part] = store.root.rglob("*.parquet")
    part.unlink()
    assert download(source, store, 0, 2_000).inserted == 2_000


@pytest.mark.parametrize("gap", [1_500, 10_000, 50_000])
def test_a_gap_longer_than_a_page_is_jumped(store: BarStore, gap: int) -> None:
    source = venue((0, 400), (400 + gap, 1_000 + gap), max_bars=200)
    download(source, store, 0, 1_000 + gap)
    assert np.array_equal(stored(store).ts_ns, source.opens)
    walked = gap / 200
    assert len(source.asked) < 9 + min(walked + 2, 4 * np.log2(walked) + 4)


def test_years_before_the_first_bar_are_jumped(store: BarStore) -> None:
    source = venue((0, 3_000), max_bars=500)
    download(source, store, -3_000_000, 3_000)
    assert np.array_equal(stored(store).ts_ns, source.opens)
    assert len(source.asked) < 50
    source.asked.clear()
    download(source, store, -3_000_000, 3_000)
    assert source.asked == []


def test_islands_inside_a_gap_are_found(store: BarStore) -> None:
    source = venue((0, 10), (9_000, 9_003), (20_001, 20_002), (39_000, 39_500), max_bars=100)
    download(source, store, 0, 40_000)
    assert np.array_equal(stored(store).ts_ns, source.opens)


def test_a_venue_that_never_says_what_is_earlier_is_walked_once_it_had_bars(store: BarStore) -> None:
    source = venue((0, 10), (3_000, 3_003), (9_001, 9_002), max_bars=100, says_earlier=False)
    download(source, store, 0, 10_000)
    assert np.array_equal(stored(store).ts_ns, source.opens)


RUNS = st.lists(st.integers(1, 400), min_size=2, max_size=10)


@given(RUNS, st.integers(1, 120), st.integers(-500, 500), st.booleans())
@settings(max_examples=200, deadline=None)
def test_pages_of_any_pattern_of_gaps_follow_each_other_and_hold_every_bar(
    lengths: list[int], max_bars: int, start: int, says_earlier: bool
) -> None:
    edges = np.cumsum(lengths).tolist()
    runs = [(low, high) for low, high in zip(edges[0::2], edges[1::2], strict=False)]
    source = venue(*runs, max_bars=max_bars, says_earlier=says_earlier)
    if not says_earlier:  # such a venue is believed about what lies before its first bar
        start = runs[0][0]
    begin, end = (START_NS + each * MINUTE_NS for each in (start, max(edges[-1], start) + 50))

    async def walk() -> list[HistoryPage]:
        return [page async for page in history_pages(source, MINUTE, begin, end, older_known=False)]

    pages = asyncio.run(walk())
    assert [pages[0].start_ns, *(page.stop_ns for page in pages)] == [*(page.start_ns for page in pages), end]
    assert pages[0].start_ns == begin
    found = np.concatenate([page.reply.ts_ns for page in pages if page.reply is not None])
    assert np.array_equal(found, source.opens[(source.opens >= begin) & (source.opens < end)])


def test_a_venue_without_bars_ends_with_none(store: BarStore) -> None:
    source = ScriptedVenue(np.empty(0, dtype=np.int64))
    assert download(source, store).received == 0
    assert store.series() == []
    assert len(source.asked) < 20


def test_unsorted_and_repeated_rows_are_put_right_and_counted(store: BarStore) -> None:
    def scramble(number: int, reply: Reply) -> Reply:
        order = np.random.default_rng(number).permutation(np.append(np.arange(reply.ts_ns.size), [0, 3]))
        return reply_of(reply.ts_ns[order])

    report = download(venue((0, 1_500), alter=scramble), store, 0, 1_500)
    assert np.array_equal(stored(store).ts_ns, minutes(0, 1_500))
    assert report.notes == ("4 bars came twice under one stamp: the later one is kept",)


def test_bars_without_a_price_are_dropped_and_counted(store: BarStore) -> None:
    def holes(number: int, reply: Reply) -> Reply:
        return replace(reply, close=np.where(np.arange(reply.ts_ns.size) == 7, np.nan, reply.close))

    report = download(venue((0, 500), alter=holes), store, 0, 500)
    assert len(stored(store)) == 499
    assert report.notes == ("1 bars came without a price: dropped",)


def test_bars_outside_the_span_asked_for_are_dropped(store: BarStore) -> None:
    def more(number: int, reply: Reply) -> Reply:
        return reply_of(np.append(reply.ts_ns, [START_NS - DAY_NS, START_NS + DAY_NS]))

    download(venue((0, 500), alter=more), store, 0, 500)
    assert np.array_equal(stored(store).ts_ns, minutes(0, 500))


def test_bars_off_the_grid_are_refused_and_what_came_before_stays(store: BarStore) -> None:
    def shifted(number: int, reply: Reply) -> Reply:
        return reply_of(reply.ts_ns + (7_000_000_000 if number == 2 else 0))

    with pytest.raises(DataError, match=r"16:40:07 UTC .*off the grid"):
        download(venue((0, 3_000), alter=shifted), store, 0, 3_000)
    assert len(stored(store)) == 1_000


def test_another_source_is_refused_before_anything_is_asked(store: BarStore) -> None:
    download(venue((0, 100)), store, 0, 100)
    other = venue((0, 200), name="Venue B")
    with pytest.raises(DataError, match="source Venue A, these bars have Venue B"):
        download(other, store, 0, 200)
    assert other.asked == []


def test_another_price_side_is_refused(store: BarStore) -> None:
    download(venue((0, 100)), store, 0, 100)
    with pytest.raises(DataError, match="price side bid, these bars have ask"):
        download(venue((0, 200), price_side="ask"), store, 0, 200)


@pytest.mark.parametrize(("start", "stop"), [(0, 2_000), (-500, 1_000)])
def test_other_prices_where_the_store_has_bars_are_noticed_on_either_side(
    store: BarStore, start: int, stop: int
) -> None:
    download(venue((-500, 2_000)), store, 0, 1_000)
    before = stored(store)
    with pytest.raises(DataError, match=r"stored bars are no longer what Venue A has.*--symbol"):
        download(venue((-500, 2_000), close=lambda ts_ns: true_close(ts_ns) * 1.001), store, start, stop)
    assert np.array_equal(stored(store).close, before.close)


def test_a_revised_bar_takes_the_newer_value_and_is_told(store: BarStore) -> None:
    download(venue((0, 2_000)), store, 0, 1_000)
    revised = minutes(999, 1_000)

    def close(ts_ns: IntArray) -> FloatArray:
        result: FloatArray = true_close(ts_ns) + np.isin(ts_ns, revised) * 0.5
        return result

    report = download(venue((0, 2_000), close=close), store, 0, 2_000)
    assert report.notes == ("1 stored bars had been revised at the venue: the newer values are kept",)
    assert (report.replaced, report.inserted) == (1, 1_000)
    assert stored(store).close[999] == true_close(revised)[0] + 0.5


def test_a_span_that_ends_before_it_starts_is_refused(store: BarStore) -> None:
    with pytest.raises(DataError, match="exchange --from and --to"):
        download(venue((0, 10)), store, 10, 10)


def test_a_span_in_the_future_asks_for_nothing(store: BarStore) -> None:
    source = venue((0, 10), time_ns=START_NS + 10 * MINUTE_NS)
    assert download(source, store, 20, 30).requested == ()
    assert source.asked == []


def test_progress_rises_to_one(store: BarStore) -> None:
    seen: list[DownloadProgress] = []
    download(venue((0, 2_500), (9_000, 9_500)), store, 0, 9_500, on_progress=seen.append)
    fractions = [each.fraction for each in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert seen[-1].bars == 3_000


class Archive:
    """A database that may be down, and may die in the middle."""

    def __init__(self, name: str = "db1") -> None:
        self.name = name
        self.held: dict[int, float] = {}
        self.up = True
        self.calls = 0

    def upsert(self, bars: Bars, *, source: str, price_side: str) -> None:
        self.calls += 1
        if not self.up:
            raise DataError("the database is down")
        assert (source, price_side) == ("Venue A", "bid")
        self.held |= dict(zip(bars.ts_ns.tolist(), bars.close.tolist(), strict=True))


def test_every_page_reaches_the_archive(store: BarStore) -> None:
    archive = Archive()
    report = download(venue((0, 2_500)), store, 0, 2_500, archive=archive)
    assert sorted(archive.held) == minutes(0, 2_500).tolist()
    assert report.archive is not None
    assert (report.archive.owed, report.archive.problem) == (0, None)


def test_an_archive_that_is_down_is_owed_and_caught_up_by_the_next_download(store: BarStore) -> None:
    archive, source = Archive(), venue((0, 2_500))
    archive.up = False
    report = download(source, store, 0, 2_500, archive=archive)
    assert len(stored(store)) == 2_500
    assert report.archive is not None
    assert (report.archive.owed, report.archive.problem) == (2_500, "the database is down")
    assert archive.calls <= 3, "a database that is down is not asked for every page"
    archive.up = True
    source.asked.clear()
    report = download(source, store, 0, 2_500, archive=archive)
    assert source.asked == []
    assert len(archive.held) == 2_500
    assert report.archive is not None
    assert report.archive.sent == 2_500


def test_an_archive_named_later_gets_the_whole_history(store: BarStore) -> None:
    source, late = venue((0, 2_500)), Archive("db2")
    download(source, store, 0, 2_000, archive=Archive("db1"))
    download(source, store, 0, 2_500, archive=late)
    assert sorted(late.held) == minutes(0, 2_500).tolist()


def test_an_archive_that_comes_back_during_the_download_is_caught_up_at_its_end(store: BarStore) -> None:
    archive = Archive()
    archive.up = False

    def come_back(progress: DownloadProgress) -> None:
        archive.up = progress.fraction > 0.5

    report = download(venue((0, 2_500)), store, 0, 2_500, archive=archive, on_progress=come_back)
    assert len(archive.held) == 2_500
    assert report.archive is not None
    assert report.archive.problem is None


def test_a_revised_bar_is_sent_to_the_archive_again(store: BarStore) -> None:
    archive = Archive()
    download(venue((0, 2_000)), store, 0, 1_000, archive=archive)
    revised = minutes(999, 1_000)

    def close(ts_ns: IntArray) -> FloatArray:
        result: FloatArray = true_close(ts_ns) + np.isin(ts_ns, revised) * 0.5
        return result

    download(venue((0, 2_000), close=close), store, 0, 2_000, archive=archive)
    bars = stored(store)
    assert archive.held == dict(zip(bars.ts_ns.tolist(), bars.close.tolist(), strict=True))

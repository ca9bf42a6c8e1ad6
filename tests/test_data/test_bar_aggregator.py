import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.bar_aggregator import BarBuilder, aggregate_bars, aggregate_each

MINUTE_NS = 60_000_000_000
ROUND_THE_CLOCK = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)
NEW_YORK = SessionCalendar(17, "America/New_York", 260.0, 2, weekend_nights=False)
BERLIN = SessionCalendar(0, "Europe/Berlin", 252.0, None, weekend_nights=False)
CALENDARS = {"utc": ROUND_THE_CLOCK, "new york": NEW_YORK, "berlin": BERLIN}
# Around the nights on which clocks change in New York and in Berlin, both ways, and an ordinary week.
WEEKS = ["2025-03-06", "2025-03-28", "2025-10-24", "2025-10-31", "2025-06-10", "1969-12-29"]
MULTIPLES = [(2, 3), (5, 3), (7, 2), (5, 12), (15, 4), (60, 4), (90, 5), (240, 3), (60, 24), (420, 2), (1440, 7)]
COLUMNS = ("ts_ns", "open", "high", "low", "close", "volume", "spread")


def at(text: str, zone: str = "UTC") -> int:
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return int(moment.timestamp()) * 1_000_000_000


def fine_bars(ts_ns: np.ndarray, timeframe: str = "1m", seed: int = 0) -> Bars:
    rng = np.random.default_rng(seed)
    n = ts_ns.size
    open_, close = rng.normal(100.0, 5.0, n), rng.normal(100.0, 5.0, n)
    volume = np.where(rng.random(n) < 0.3, np.nan, np.round(rng.exponential(50.0, n), 8))
    spread = np.where(rng.random(n) < 0.3, np.nan, np.round(rng.random(n), 3))
    high, low = np.maximum(open_, close) + rng.random(n), np.minimum(open_, close) - rng.random(n)
    return Bars("TEST", Timeframe.parse(timeframe), ts_ns, open_, high, low, close, volume, spread)


def minutes_from(start_ns: int, *minutes: int) -> Bars:
    return fine_bars(start_ns + np.array(minutes, dtype=np.int64) * MINUTE_NS)


def same(ours: Bars, theirs: Bars) -> bool:
    return ours.timeframe == theirs.timeframe and all(
        getattr(ours, name).tobytes() == getattr(theirs, name).tobytes() for name in COLUMNS
    )


def opens(bars: Bars, zone: str) -> list[str]:
    return [
        datetime.datetime.fromtimestamp(ts // 10**9, ZoneInfo(zone)).strftime("%a %H:%M") for ts in bars.ts_ns.tolist()
    ]


@st.composite
def gappy_bars(draw: st.DrawFn) -> Bars:
    """Runs of minutes with holes of any length, over up to nine days."""
    start = at(draw(st.sampled_from(WEEKS))) + draw(st.integers(0, 1439)) * MINUTE_NS
    runs = draw(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 1500)), min_size=1, max_size=9))
    minutes, clock = [], 0
    for length, hole in runs:
        minutes.append(np.arange(clock, clock + length))
        clock += length + hole
    rows = np.concatenate(minutes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kept = rows[rng.random(rows.size) < draw(st.sampled_from([1.0, 0.9, 0.2]))]
    return fine_bars(start + (kept if kept.size else rows[:1]) * MINUTE_NS, seed=draw(st.integers(0, 99)))


def counted_one_by_one(bars: Bars, timeframe: Timeframe, calendar: SessionCalendar) -> list[list[float]]:
    """Stamp, open, high, low, close and number of bars of every bin, by the wall clock of the calendar's zone."""
    zone = ZoneInfo(calendar.roll_zone)
    bins: dict[int, list[int]] = {}
    for row, ts in enumerate(bars.ts_ns.tolist()):
        local = datetime.datetime.fromtimestamp(ts // 10**9, zone)
        date = local.date() if local.hour >= calendar.roll_hour else local.date() - datetime.timedelta(days=1)
        if timeframe.minutes == 7 * 1440:
            ends_on = date + datetime.timedelta(days=1 if calendar.roll_hour else 0)
            date -= datetime.timedelta(days=ends_on.weekday())
        begins = datetime.datetime.combine(date, datetime.time(calendar.roll_hour), zone)
        start = int(begins.timestamp()) * 10**9
        if timeframe.minutes < 1440:
            start += (ts - start) // timeframe.nanoseconds * timeframe.nanoseconds
        bins.setdefault(start, []).append(row)
    return [
        [start, bars.open[rows[0]], bars.high[rows].max(), bars.low[rows].min(), bars.close[rows[-1]]]
        for start, rows in bins.items()
    ]


def test_a_coarse_bar_is_labelled_by_its_bin_and_spans_it() -> None:
    ts_ns = at("2025-06-10 00:02") + np.arange(3, dtype=np.int64) * MINUTE_NS
    known = np.array([1.0, 2.0, 4.0])
    bars = Bars("TEST", Timeframe(1), ts_ns, known, known + 5.0, known - 1.0, known + 3.0, known, known / 10.0)
    made = aggregate_bars(bars, Timeframe(5), ROUND_THE_CLOCK)
    assert [getattr(made, name).tolist() for name in COLUMNS] == [
        [at("2025-06-10 00:00")], [1.0], [9.0], [0.0], [7.0], [7.0], [0.4],
    ]  # fmt: skip


def test_bins_are_counted_from_the_start_of_the_trading_day() -> None:
    hours = np.arange(0, 72, dtype=np.int64) * 60
    made = aggregate_bars(minutes_from(at("2025-06-10"), *hours), Timeframe.parse("4h"), NEW_YORK)
    assert opens(made, "America/New_York")[:6] == [
        "Mon 17:00", "Mon 21:00", "Tue 01:00", "Tue 05:00", "Tue 09:00", "Tue 13:00",
    ]  # fmt: skip


def test_a_length_that_does_not_divide_the_day_restarts_at_the_roll() -> None:
    bars = minutes_from(at("2025-06-10"), *range(0, 3 * 1440, 30))
    made = aggregate_bars(bars, Timeframe.parse("7h"), ROUND_THE_CLOCK, as_of_ns=at("2025-06-13"))
    assert opens(made, "UTC")[:5] == ["Tue 00:00", "Tue 07:00", "Tue 14:00", "Tue 21:00", "Wed 00:00"]


def test_a_day_of_23_hours_ends_with_a_short_bin() -> None:
    bars = minutes_from(at("2025-03-30", "Europe/Berlin"), *range(0, 2 * 1440, 60))
    made = aggregate_bars(bars, Timeframe.parse("4h"), BERLIN)
    assert opens(made, "Europe/Berlin")[:7] == [
        "Sun 00:00", "Sun 05:00", "Sun 09:00", "Sun 13:00", "Sun 17:00", "Sun 21:00", "Mon 00:00",
    ]  # fmt: skip


def test_a_day_of_25_hours_ends_with_a_bin_of_one_hour() -> None:
    bars = minutes_from(at("2025-10-26", "Europe/Berlin"), *range(0, 2 * 1440, 60))
    made = aggregate_bars(bars, Timeframe.parse("4h"), BERLIN)
    assert opens(made, "Europe/Berlin")[:8] == [
        "Sun 00:00", "Sun 03:00", "Sun 07:00", "Sun 11:00", "Sun 15:00", "Sun 19:00", "Sun 23:00", "Mon 00:00",
    ]  # fmt: skip
    assert aggregate_bars(bars, Timeframe.parse("1d"), BERLIN).ts_ns.tolist() == [at("2025-10-26", "Europe/Berlin")]


def test_a_daily_bar_is_one_trading_day_and_a_weekly_one_a_trading_week() -> None:
    fortnight = minutes_from(at("2025-03-02 22:00"), *range(0, 15 * 1440, 60))
    days = aggregate_bars(fortnight, Timeframe.parse("1d"), NEW_YORK)
    weeks = aggregate_bars(fortnight, Timeframe.parse("1w"), NEW_YORK)
    assert set(opens(days, "America/New_York")) == {
        "Sun 17:00", "Mon 17:00", "Tue 17:00", "Wed 17:00", "Thu 17:00", "Fri 17:00", "Sat 17:00",
    }  # fmt: skip
    assert opens(weeks, "America/New_York") == ["Sun 17:00", "Sun 17:00"]
    assert opens(aggregate_bars(fortnight, Timeframe.parse("1w"), ROUND_THE_CLOCK), "UTC")[0] == "Mon 00:00"


@settings(max_examples=60, deadline=None)
@given(
    gappy_bars(),
    st.sampled_from(sorted(CALENDARS)),
    st.sampled_from(["2m", "5m", "7m", "1h", "4h", "7h", "1d", "1w"]),
)
def test_bins_are_those_that_the_wall_clock_gives(bars: Bars, name: str, timeframe: str) -> None:
    calendar, length = CALENDARS[name], Timeframe.parse(timeframe)
    made = aggregate_bars(bars, length, calendar, as_of_ns=int(bars.ts_ns[-1]) + 15 * 1440 * MINUTE_NS)
    rows = [list(row) for row in zip(made.ts_ns, made.open, made.high, made.low, made.close, strict=True)]
    assert rows == counted_one_by_one(bars, length, calendar)
    assert np.nansum(made.volume) == pytest.approx(np.nansum(bars.volume), rel=1e-12, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(gappy_bars(), st.sampled_from(sorted(CALENDARS)), st.sampled_from(MULTIPLES))
def test_the_way_there_changes_no_bit(bars: Bars, name: str, steps: tuple[int, int]) -> None:
    calendar = CALENDARS[name]
    middle, coarse = Timeframe(steps[0]), Timeframe(steps[0] * steps[1])
    now_ns = int(bars.close_ns[-1])
    straight = aggregate_bars(bars, coarse, calendar)
    by_way = aggregate_bars(aggregate_bars(bars, middle, calendar), coarse, calendar, as_of_ns=now_ns)
    assert same(by_way, straight)
    later = now_ns + 10 * 1440 * MINUTE_NS
    whole = aggregate_bars(aggregate_bars(bars, middle, calendar, later), coarse, calendar, later)
    assert same(whole, aggregate_bars(bars, coarse, calendar, later))


@settings(max_examples=40, deadline=None)
@given(gappy_bars(), st.sampled_from(sorted(CALENDARS)))
def test_many_timeframes_at_once_equal_each_by_itself(bars: Bars, name: str) -> None:
    wanted = [Timeframe.parse(text) for text in ("1h", "7m", "5m", "15m", "7h", "1w", "1d", "1m")]
    made = aggregate_each(bars, wanted, CALENDARS[name])
    for each, timeframe in zip(made, wanted, strict=True):
        assert same(each, aggregate_bars(bars, timeframe, CALENDARS[name]))


@pytest.mark.parametrize(
    ("minutes", "as_of", "closed"),
    [
        ((0, 1, 2, 3), None, 0),
        ((0, 1, 2, 3, 4), None, 1),
        ((4,), None, 1),
        ((0, 1, 7), None, 1),
        ((0, 1, 2, 3), 4, 0),
        ((0, 1, 2, 3), 5, 1),
        ((0, 1, 2, 3), 999, 1),
        ((0, 1, 2, 3, 4, 5), 1, 1),
    ],
)
def test_a_bar_appears_once_its_last_slot_has_closed(minutes: tuple[int, ...], as_of: int | None, closed: int) -> None:
    start = at("2025-06-10")
    made = aggregate_bars(
        minutes_from(start, *minutes),
        Timeframe(5),
        ROUND_THE_CLOCK,
        None if as_of is None else start + as_of * MINUTE_NS,
    )
    assert len(made) == closed


def test_a_bar_cut_short_by_the_roll_closes_the_day() -> None:
    hours = aggregate_bars(
        minutes_from(at("2025-03-30", "Europe/Berlin"), *range(23 * 60)), Timeframe.parse("4h"), BERLIN
    )
    assert opens(hours, "Europe/Berlin")[-1] == "Sun 21:00"
    assert len(aggregate_bars(hours, Timeframe.parse("1d"), BERLIN)) == 1


def test_the_same_timeframe_gives_the_bars_back() -> None:
    bars = minutes_from(at("2025-06-10"), 0, 3, 4)
    assert same(aggregate_bars(bars, Timeframe(1), NEW_YORK), bars)


def test_no_bars_make_none() -> None:
    nothing = minutes_from(0)
    assert len(aggregate_bars(nothing, Timeframe(5), NEW_YORK)) == 0
    assert len(aggregate_bars(nothing, Timeframe(5), NEW_YORK, as_of_ns=at("2025-06-10"))) == 0


@pytest.mark.parametrize(
    ("fine", "coarse"), [("5m", "7m"), ("15m", "5m"), ("1h", "90m"), ("1m", "36h"), ("2d", "2w"), ("1w", "10d")]
)
def test_a_timeframe_that_is_no_multiple_is_refused(fine: str, coarse: str) -> None:
    with pytest.raises(DataError, match=f"TEST: {fine} bars cannot be gathered into") as caught:
        aggregate_bars(fine_bars(np.array([0]), fine), Timeframe.parse(coarse), ROUND_THE_CLOCK)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("minutes", "timeframe", "problem"),
    [
        ((0, 5, 7), "5m", "bar 2 is stamped 2025-06-10 00:07"),
        ((0, 5, 5), "5m", "bar 2 is stamped 2025-06-10 00:05.*out of order"),
        ((5, 0), "5m", "bar 1 .*out of order"),
        ((0, 9_000, 5), "5m", "bar 1 .*out of order"),
        ((0, 240), "4h", "bar 0 is stamped 2025-06-10 00:00.*from 17:00 America/New_York"),
    ],
)
def test_stamps_off_the_grid_are_refused_with_the_first_of_them(
    minutes: tuple[int, ...], timeframe: str, problem: str
) -> None:
    bars = fine_bars(at("2025-06-10") + np.array(minutes, dtype=np.int64) * MINUTE_NS, timeframe)
    with pytest.raises(DataError, match=problem) as caught:
        aggregate_bars(bars, Timeframe.parse("1d"), NEW_YORK)
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(gappy_bars(), st.sampled_from(sorted(CALENDARS)), st.sampled_from(["5m", "1h", "7h", "1d"]), st.data())
def test_a_live_feed_gives_what_the_history_gives_at_every_moment(
    bars: Bars, name: str, timeframe: str, data: st.DataObject
) -> None:
    calendar, coarse = CALENDARS[name], Timeframe.parse(timeframe)
    builder = BarBuilder("TEST", bars.timeframe, coarse, calendar)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(bars)), max_size=12)) | {len(bars)})
    given_out: list[Bars] = []
    for low, high in zip([0, *cuts], cuts, strict=False):
        overlap = data.draw(st.integers(0, 3))  # a poll that fetches some bars again
        given_out.append(builder.feed(bars.slice(max(low - overlap, 0), high)))
        assert same(joined(given_out), aggregate_bars(bars.slice(0, high), coarse, calendar))
    later = int(bars.close_ns[-1]) + data.draw(st.integers(0, 3000)) * MINUTE_NS
    given_out.append(builder.close(later))
    assert same(joined(given_out), aggregate_bars(bars, coarse, calendar, later))


def joined(parts: list[Bars]) -> Bars:
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS]
    return Bars("TEST", parts[0].timeframe, *columns)


def test_a_late_bar_of_the_open_bin_is_put_in_its_place() -> None:
    start = at("2025-06-10")
    bars = minutes_from(start, 0, 1, 2, 3, 4)
    builder = BarBuilder("TEST", Timeframe(1), Timeframe(5), ROUND_THE_CLOCK)
    for row in (1, 0, 3, 2):
        assert len(builder.feed(bars.slice(row, row + 1))) == 0
    assert builder.pending.ts_ns.tolist() == bars.ts_ns[:4].tolist()
    assert same(builder.feed(bars.slice(4, 5)), aggregate_bars(bars, Timeframe(5), ROUND_THE_CLOCK))
    assert builder.n_late == 0


def test_of_two_bars_with_one_stamp_the_newer_counts() -> None:
    start = at("2025-06-10")
    builder = BarBuilder("TEST", Timeframe(1), Timeframe(5), ROUND_THE_CLOCK)
    builder.feed(fine_bars(np.array([start]), seed=1))
    corrected = fine_bars(np.array([start]), seed=2)
    builder.feed(corrected)
    assert same(builder.close(start + 5 * MINUTE_NS), aggregate_bars(corrected, Timeframe(5), ROUND_THE_CLOCK, 2**62))


def test_a_bar_whose_bin_has_closed_is_dropped_and_counted() -> None:
    start = at("2025-06-10")
    bars = minutes_from(start, 0, 3, 4, 17, 18)
    builder = BarBuilder("TEST", Timeframe(1), Timeframe(5), ROUND_THE_CLOCK)
    assert len(builder.feed(bars.slice(1, 4))) == 1
    assert len(builder.feed(bars.slice(0, 1))) == 0
    empty_bin = minutes_from(start, 7)  # nothing came of 00:05 to 00:10, and it is over
    assert len(builder.feed(empty_bin)) == 0
    assert builder.n_late == 2
    assert builder.pending.ts_ns.tolist() == [start + 17 * MINUTE_NS]


def test_the_clock_closes_a_bin_before_the_next_bar_does() -> None:
    start = at("2025-06-10")
    builder = BarBuilder("TEST", Timeframe(1), Timeframe(5), ROUND_THE_CLOCK)
    builder.feed(minutes_from(start, 0, 1))
    assert len(builder.close(start + 5 * MINUTE_NS - 1)) == 0
    assert len(builder.close(start + 5 * MINUTE_NS)) == 1
    assert len(builder.close(start + 5 * MINUTE_NS)) == 0
    assert len(builder.feed(minutes_from(start, 4))) == 0
    assert builder.n_late == 1


@pytest.mark.parametrize("coarse", [1, 5])
def test_a_look_at_the_clock_within_a_bin_keeps_it_open(coarse: int) -> None:
    start = at("2025-06-10")
    builder = BarBuilder("TEST", Timeframe(1), Timeframe(coarse), ROUND_THE_CLOCK)
    builder.close(start + 40_000_000_000)
    given_bars = [builder.feed(minutes_from(start, 0)), builder.close(start + coarse * MINUTE_NS)]
    assert joined(given_bars).ts_ns.tolist() == [start]
    assert builder.n_late == 0


def test_a_refused_feed_leaves_the_builder_as_it_was() -> None:
    start = at("2025-06-10")
    builder = BarBuilder("TEST", Timeframe(5), Timeframe(15), ROUND_THE_CLOCK)
    builder.feed(fine_bars(np.array([start]), "5m"))
    off_grid = fine_bars(start + np.array([5, 11]) * MINUTE_NS, "5m")
    with pytest.raises(DataError, match="bar 1"):
        builder.feed(off_grid)
    with pytest.raises(DataError, match="1m bars given to the builder of TEST 5m"):
        builder.feed(minutes_from(start, 5))
    assert builder.pending.ts_ns.tolist() == [start]


def test_a_builder_of_no_multiple_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be gathered"):
        BarBuilder("TEST", Timeframe(5), Timeframe(7), ROUND_THE_CLOCK)

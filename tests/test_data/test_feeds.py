import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError, FinalVenueError, RetryableVenueError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.bar_aggregator import aggregate_bars
from agv2.data.feeds import HistoricalFeed, LiveFeed
from agv2.data.streaming.event_bus import EventBus
from agv2.data.streaming.events import Topic, bars_of
from agv2.data.synthetic import synthetic_bars
from agv2.utils.clock import ReplayClock

MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000
ROUND_THE_CLOCK = SessionCalendar(0, "UTC", 365.0, None, True)
NUMBERS = ("ts_ns", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Reply:
    ts_ns: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    earlier_ns: int | None = None


@dataclass
class Venue:
    """A venue whose minutes appear `delay_s` after they have closed, the forming one included; some calls fail."""

    truth: Bars
    clock: ReplayClock
    delay_s: dict[int, float] = field(default_factory=dict)
    """By minute, how late a closed bar is."""
    failures: Sequence[Exception | None] = ()
    """What the next calls raise; None: nothing."""
    max_bars: int = 20_000
    name: str = "scripted venue"
    price_side: str | None = "bid"
    asked: list[tuple[int, int]] = field(default_factory=list)

    def now_ns(self) -> int:
        return self.clock.now_ns()

    async def price_history(self, timeframe: Timeframe, from_ns: int, to_ns: int) -> Reply:
        self.asked.append((from_ns, to_ns))
        call = len(self.asked)
        if call <= len(self.failures) and (failure := self.failures[call - 1]) is not None:
            raise failure
        now, truth = self.clock.now_ns(), self.truth
        assert (to_ns - from_ns) // timeframe.nanoseconds + 1 <= self.max_bars, "more is rejected"
        late = np.array([self.delay_s.get(int(ts), 0.0) * SECOND_NS for ts in truth.ts_ns])
        begun = (truth.ts_ns < now) & ((truth.close_ns > now) | (truth.close_ns + late <= now))
        rows = np.flatnonzero(begun & (truth.ts_ns >= from_ns) & (truth.ts_ns <= to_ns))
        close = truth.close[rows].copy()
        close[truth.close_ns[rows] > now] = truth.open[rows][truth.close_ns[rows] > now]  # still forming
        order = rows.argsort()[::-1]  # in no helpful order
        open_, high, low, volume = (getattr(truth, name)[rows][order] for name in ("open", "high", "low", "volume"))
        return Reply(truth.ts_ns[rows][order], open_, high, low, close[order], volume)


def _minutes(n: int, missing: tuple[int, ...] = ()) -> Bars:
    bars = synthetic_bars("noise", n, 5, timeframe="1m", symbol="ETHUSD")
    keep = np.setdiff1d(np.arange(n), missing)
    columns = [getattr(bars, name)[keep] for name in (*NUMBERS, "spread")]
    return Bars(bars.symbol, bars.timeframe, *columns)


def _sleeper(clock: ReplayClock, until_ns: int) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        assert seconds > 0.0
        if clock.now_ns() > until_ns:
            raise asyncio.CancelledError
        clock.sleep_until(clock.now_ns() + round(seconds * SECOND_NS))

    return sleep


async def _collected(feed: LiveFeed) -> list[Bars]:
    """What the feed gives until the scripted night ends."""
    given_bars = []
    with contextlib.suppress(asyncio.CancelledError):
        async for bars in feed.bars():
            given_bars.append(bars)
    return given_bars


def _feed(venue: Venue, coarse: str, bus: EventBus | None = None, start_row: int = 0) -> LiveFeed:
    truth = venue.truth
    return LiveFeed(
        venue,
        truth.symbol,
        truth.timeframe,
        Timeframe.parse(coarse),
        ROUND_THE_CLOCK,
        start_ns=int(truth.ts_ns[start_row]),
        clock=venue.clock,
        bus=bus,
        sleep=_sleeper(venue.clock, int(truth.close_ns[-1]) + MINUTE_NS),
    )


def _joined(given_bars: list[Bars]) -> dict[str, FloatArray]:
    return {name: np.concatenate([getattr(bars, name) for bars in given_bars]) for name in NUMBERS}


def _assert_same(given_bars: list[Bars], expected: Bars) -> None:
    joined = _joined(given_bars)
    for name in NUMBERS:
        np.testing.assert_array_equal(joined[name], getattr(expected, name))


@pytest.mark.parametrize("coarse", ["1m", "5m", "15m"])
async def test_live_bars_are_those_of_the_history(coarse: str) -> None:
    truth = _minutes(90, missing=(7, 29, 33, 34, 59))
    venue = Venue(truth, ReplayClock(int(truth.ts_ns[0])))
    given_bars = await _collected(_feed(venue, coarse))
    _assert_same(given_bars, aggregate_bars(truth, Timeframe.parse(coarse), ROUND_THE_CLOCK))


async def test_a_bar_is_given_as_soon_as_its_last_minute_has_closed_and_never_before() -> None:
    truth = _minutes(11)
    clock = ReplayClock(int(truth.ts_ns[0]))
    feed = _feed(Venue(truth, clock), "5m")
    moments = []
    with contextlib.suppress(asyncio.CancelledError):
        async for bars in feed.bars():
            moments.append(clock.now_ns() - int(bars.close_ns[0]))
    assert len(moments) == 2
    assert all(0 <= moment <= 5 * SECOND_NS for moment in moments)


@pytest.mark.parametrize("coarse", ["1m", "5m"])
async def test_a_late_minute_is_waited_for(coarse: str) -> None:
    truth = _minutes(20)
    venue = Venue(truth, ReplayClock(int(truth.ts_ns[0])), delay_s={int(truth.ts_ns[4]): 12.0})
    feed = _feed(venue, coarse)
    _assert_same(await _collected(feed), aggregate_bars(truth, Timeframe.parse(coarse), ROUND_THE_CLOCK))
    assert feed.late == 0


@pytest.mark.parametrize("coarse", ["1m", "5m"])
async def test_the_bar_in_which_a_feed_begins_is_given(coarse: str) -> None:
    truth = _minutes(20)
    venue = Venue(truth, ReplayClock(int(truth.ts_ns[0]) + 45 * SECOND_NS))
    _assert_same(
        await _collected(_feed(venue, coarse)), aggregate_bars(truth, Timeframe.parse(coarse), ROUND_THE_CLOCK)
    )


@pytest.mark.parametrize("minute", [0, 1, 2])
async def test_a_minute_that_comes_after_the_next_one_is_put_in_its_place(minute: int) -> None:
    truth = _minutes(20)
    delays = {int(truth.ts_ns[row]): 65.0 for row in (minute, 5 + minute)}
    venue = Venue(truth, ReplayClock(int(truth.ts_ns[0])), delay_s=delays)
    feed = _feed(venue, "5m")
    _assert_same(await _collected(feed), aggregate_bars(truth, Timeframe(5), ROUND_THE_CLOCK))
    assert feed.late == 0


@pytest.mark.parametrize("max_bars", [1, 2, 3, 59])
async def test_a_page_of_any_length_catches_up(max_bars: int) -> None:
    truth = _minutes(200, missing=tuple(range(50, 120)))
    venue = Venue(truth, ReplayClock(int(truth.close_ns[-30])), max_bars=max_bars)
    given_bars = await _collected(_feed(venue, "15m"))
    _assert_same(given_bars, aggregate_bars(truth, Timeframe(15), ROUND_THE_CLOCK))


async def test_a_minute_that_comes_too_late_is_counted_and_changes_nothing() -> None:
    truth = _minutes(20)
    venue = Venue(truth, ReplayClock(int(truth.ts_ns[0])), delay_s={int(truth.ts_ns[4]): 45.0})
    feed = _feed(venue, "5m")
    given_bars = await _collected(feed)
    without_it = _minutes(20, missing=(4,))
    _assert_same(given_bars, aggregate_bars(without_it, Timeframe(5), ROUND_THE_CLOCK))
    assert feed.late == 1


async def test_an_outage_is_waited_out_and_caught_up_with_one_line_each() -> None:
    truth = _minutes(60)
    failures = [None, None, None, *(RetryableVenueError("504 from the venue") for _ in range(8))]
    venue = Venue(truth, ReplayClock(int(truth.ts_ns[0])), failures=failures)
    with capture_logs() as lines:
        given_bars = await _collected(_feed(venue, "5m"))
    _assert_same(given_bars, aggregate_bars(truth, Timeframe(5), ROUND_THE_CLOCK))
    assert [line["event"] for line in lines] == ["feed interrupted", "feed back"]


async def test_an_outage_of_days_is_waited_out() -> None:
    truth = _minutes(5)
    failures = [RetryableVenueError("maintenance")] * 1100
    venue = Venue(truth, ReplayClock(int(truth.close_ns[-1])), failures=failures)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    feed = LiveFeed(
        venue,
        truth.symbol,
        truth.timeframe,
        truth.timeframe,
        ROUND_THE_CLOCK,
        start_ns=int(truth.ts_ns[0]),
        clock=venue.clock,
        sleep=sleep,
    )
    first = await anext(feed.bars())
    _assert_same([first], truth)
    assert pauses == [5.0, 10.0, 20.0, 40.0, *[60.0] * 1096]


async def test_a_refusal_that_will_not_pass_ends_the_feed() -> None:
    truth = _minutes(10)
    venue = Venue(truth, ReplayClock(int(truth.ts_ns[0])), failures=[FinalVenueError("logged out")])
    with pytest.raises(FinalVenueError, match="logged out"):
        async for _ in _feed(venue, "5m").bars():
            pass


async def test_a_feed_that_starts_late_catches_up_in_pages() -> None:
    truth = _minutes(200, missing=tuple(range(50, 120)))
    venue = Venue(truth, ReplayClock(int(truth.close_ns[-30])), max_bars=25)
    given_bars = await _collected(_feed(venue, "5m", start_row=10))
    expected = aggregate_bars(truth.slice(10, len(truth)), Timeframe(5), ROUND_THE_CLOCK)
    _assert_same(given_bars, expected)


async def test_a_gap_longer_than_a_page_inside_an_open_bar_is_passed() -> None:
    truth = _minutes(600, missing=tuple(range(20, 150)))
    venue = Venue(truth, ReplayClock(int(truth.close_ns[-1])), max_bars=25)
    given_bars = await _collected(_feed(venue, "8h"))
    _assert_same(given_bars, aggregate_bars(truth, Timeframe(480), ROUND_THE_CLOCK))
    assert len(venue.asked) < 60


async def test_the_bus_hears_of_each_bar_first() -> None:
    truth = _minutes(16)
    bus = EventBus()
    feed = _feed(Venue(truth, ReplayClock(int(truth.ts_ns[0]))), "5m", bus)
    heard = []
    async with bus.follow(Topic.BARS, "test") as follower:
        with contextlib.suppress(asyncio.CancelledError):
            async for bars in feed.bars():
                delivery = await asyncio.wait_for(follower.next(), 1.0)
                heard.append(bars_of(delivery.event))
                np.testing.assert_array_equal(heard[-1].close, bars.close)
    assert len(heard) == 3


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_delays_outages_and_gaps_in_any_mix_give_bars_once_and_in_order(data: st.DataObject) -> None:
    missing = tuple(data.draw(st.lists(st.integers(1, 58), max_size=20, unique=True)))
    truth = _minutes(60, missing)
    delays = {int(ts): data.draw(st.sampled_from([0.0, 3.0, 15.0])) for ts in truth.ts_ns}
    failures = [RetryableVenueError("again") if data.draw(st.booleans()) else None for _ in range(10)]
    venue = Venue(truth, ReplayClock(int(truth.ts_ns[0])), delays, failures)
    given_bars = asyncio.run(_collected(_feed(venue, "5m")))
    _assert_same(given_bars, aggregate_bars(truth, Timeframe(5), ROUND_THE_CLOCK))


async def test_a_recording_plays_each_bar_at_its_close() -> None:
    bars = _minutes(5)
    clock, bus, pauses = ReplayClock(0), EventBus(), []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    feed = HistoricalFeed(bars, clock=clock, bus=bus, speed=120.0, sleep=sleep)
    played = []
    async for bar in feed.bars():
        assert clock.now_ns() == bar.close_ns[0]
        played.append(float(bar.close[0]))
    assert played == bars.close.tolist()
    assert pauses == [0.5] * 4


def test_a_recording_cannot_stand_still() -> None:
    with pytest.raises(DataError, match="above zero"):
        HistoricalFeed(_minutes(5), clock=ReplayClock(0), speed=0.0)

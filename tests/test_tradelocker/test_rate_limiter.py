"""No window holds more than its limit, nobody overtakes, nobody starves."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.errors import RetryableVenueError
from agv2.tradelocker.rate_limiter import Call, RateLimit, RateLimiter
from tests.test_tradelocker.scripted_venue import VirtualTime

CALL = Call.QUOTES
NS = 1_000_000_000


class LateTime(VirtualTime):
    """Wakes sleepers late, as a busy machine does."""

    def __init__(self, delays_s: list[float]) -> None:
        super().__init__()
        self._delays_s = delays_s

    async def sleep(self, seconds: float) -> None:
        late_s = self._delays_s[len(self.slept) % len(self._delays_s)]
        await super().sleep(seconds + late_s)


@settings(max_examples=60, deadline=None)
@given(
    limits=st.lists(st.builds(RateLimit, st.just(CALL), st.integers(1, 6), st.integers(1, 10)), min_size=1, max_size=3),
    arrivals_s=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=25),
    delays_s=st.lists(st.floats(0.0, 0.4), min_size=1, max_size=5),
    pause_at_s=st.none() | st.floats(0.0, 20.0),
    given_up=st.sets(st.integers(0, 24), max_size=4),
)
def test_no_window_holds_more_than_its_limit_and_nobody_overtakes_or_starves(
    limits: list[RateLimit],
    arrivals_s: list[float],
    delays_s: list[float],
    pause_at_s: float | None,
    given_up: set[int],
) -> None:
    time = LateTime(delays_s)
    limiter = RateLimiter(monotonic_ns=time.monotonic_ns, sleep=time.sleep, margin_s=0.1)
    limiter.configure(limits)
    start_ns = time.ns
    asked: list[int] = []
    granted: list[tuple[int, int]] = []
    paused_ns: list[tuple[int, int]] = []

    async def one(number: int, arrival_s: float) -> None:
        await VirtualTime.sleep(time, arrival_s)
        asked.append(number)
        await limiter.acquire(CALL)
        granted.append((number, time.ns))

    async def pause() -> None:
        assert pause_at_s is not None
        await VirtualTime.sleep(time, pause_at_s)
        limiter.too_fast(time.ns, 7.0, edge=False)
        paused_ns.append((time.ns, time.ns + 7 * NS))

    async def everybody() -> None:
        tasks = [asyncio.create_task(one(number, each)) for number, each in enumerate(arrivals_s)]
        extra = [] if pause_at_s is None else [asyncio.create_task(pause())]
        for number in given_up & set(range(len(tasks))):
            asyncio.get_running_loop().call_later(0.0, tasks[number].cancel)
        await asyncio.wait_for(asyncio.gather(*tasks, *extra, return_exceptions=True), 30)

    asyncio.run(everybody())
    times = [moment for _, moment in granted]
    assert {number for number, _ in granted} >= set(range(len(arrivals_s))) - given_up
    stayed = {number for number, _ in granted}
    assert [number for number, _ in granted] == [number for number in asked if number in stayed]
    for limit in limits:
        for first, beyond in zip(times, times[limit.limit :], strict=False):
            assert beyond - first > limit.interval_s * NS
    for begin, end in paused_ns:
        assert not [moment for moment in times if begin < moment < end]
    assert start_ns <= min(times, default=start_ns)


async def test_a_full_lane_works_at_the_speed_of_its_limit() -> None:
    time = VirtualTime()
    limiter = RateLimiter(monotonic_ns=time.monotonic_ns, sleep=time.sleep, margin_s=0.1)
    limiter.configure([RateLimit(CALL, 5, 1)])
    start_ns = time.ns
    for _ in range(51):
        await limiter.acquire(CALL)
    assert (time.ns - start_ns) / NS == pytest.approx(10 * 1.1)


async def test_calls_that_the_venue_does_not_name_go_once_a_second() -> None:
    time = VirtualTime()
    limiter = RateLimiter(monotonic_ns=time.monotonic_ns, sleep=time.sleep, margin_s=0.1)
    limiter.configure([RateLimit(CALL, 50, 1)])
    start_ns = time.ns
    await asyncio.gather(*(limiter.acquire(Call.CLOSE_POSITION) for _ in range(4)))
    assert (time.ns - start_ns) / NS == pytest.approx(3 * 1.1)


async def test_each_call_has_its_own_lane() -> None:
    time = VirtualTime()
    limiter = RateLimiter(monotonic_ns=time.monotonic_ns, sleep=time.sleep)
    start_ns = time.ns
    for call in Call:
        await limiter.acquire(call)
    assert time.ns == start_ns


async def test_requests_refused_together_count_as_one_offence() -> None:
    time = VirtualTime()
    limiter = RateLimiter(monotonic_ns=time.monotonic_ns, sleep=time.sleep)
    sent_ns = time.ns
    time.ns += NS
    assert [limiter.too_fast(sent_ns, None, edge=False) for _ in range(5)] == [5.0] * 5
    time.ns += 6 * NS
    assert limiter.too_fast(time.ns - NS // 2, None, edge=False) == 10.0
    time.ns += 11 * NS
    limiter.answered(time.ns - NS // 2)
    assert limiter.too_fast(time.ns, None, edge=False) == 5.0


async def test_a_stricter_limit_holds_for_those_who_wait_already() -> None:
    time = VirtualTime()
    limiter = RateLimiter(monotonic_ns=time.monotonic_ns, sleep=time.sleep, margin_s=0.0)
    limiter.configure([RateLimit(CALL, 1, 1)])
    await limiter.acquire(CALL)
    start_ns = time.ns
    waiting = asyncio.create_task(limiter.acquire(CALL))
    await asyncio.sleep(0)
    limiter.configure([RateLimit(CALL, 1, 10)])
    await waiting
    assert (time.ns - start_ns) / NS == pytest.approx(10.0)


async def test_a_turn_that_would_come_too_late_is_given_up() -> None:
    time = VirtualTime()
    limiter = RateLimiter(monotonic_ns=time.monotonic_ns, sleep=time.sleep, margin_s=0.0)
    limiter.configure([RateLimit(CALL, 1, 10)])
    await limiter.acquire(CALL)
    with pytest.raises(RetryableVenueError, match="not sent"):
        await limiter.acquire(CALL, max_wait_s=3.0)
    start_ns = time.ns
    await limiter.acquire(CALL)
    assert (time.ns - start_ns) / NS == pytest.approx(10.0)

import asyncio

import pytest
from structlog.testing import capture_logs

from agv2.core.errors import StreamError
from agv2.data.streaming.event_bus import EventBus
from agv2.data.streaming.events import Event, Topic
from agv2.data.streaming.redis_streams import RedisStreams
from agv2.data.streaming.relay import relay_events


class Moody:
    """Fails on the calls it is told to, remembers what it was told."""

    def __init__(self, failing_calls: set[int]) -> None:
        self.failing_calls = failing_calls
        self.calls = 0
        self.told: list[int] = []

    async def publish(self, event: Event) -> int | None:
        self.calls += 1
        if self.calls in self.failing_calls:
            raise StreamError("away")
        self.told.append(event.rank)
        return len(self.told)


def _event(rank: int) -> Event:
    return Event(Topic.BARS, "XAUUSD/1h", rank, {"close": 1.0})


async def _relayed(bus: EventBus, publisher: Moody, n: int) -> list[float]:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    task = asyncio.create_task(relay_events(bus, publisher, [Topic.BARS], sleep=sleep))
    async with asyncio.timeout(10.0):
        while len(publisher.told) < n:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return pauses


async def test_events_wait_in_order_while_the_stream_is_away() -> None:
    bus, publisher = EventBus(), Moody({2, 3, 4})
    for rank in (1, 2, 3):
        await bus.publish(_event(rank))
    with capture_logs() as lines:
        pauses = await _relayed(bus, publisher, 3)
    assert publisher.told == [1, 2, 3]
    assert pauses == [1.0, 2.0, 4.0]
    assert [line["event"] for line in lines] == ["stream away: events wait", "stream back"]


async def test_an_outage_longer_than_the_bus_keeps_is_said_to_have_lost_events() -> None:
    bus, publisher = EventBus(keep=2), Moody(set())
    async with bus.follow(Topic.BARS, "relay", from_start=True):
        for rank in range(1, 6):
            await bus.publish(_event(rank))
    with capture_logs() as lines:
        await _relayed(bus, publisher, 2)
    assert publisher.told == [4, 5]
    assert [line["events"] for line in lines if line["log_level"] == "error"] == [3]


async def test_an_outage_of_a_night_is_waited_out() -> None:
    bus, publisher = EventBus(), Moody(set(range(1, 1101)))
    await bus.publish(_event(1))
    pauses = await _relayed(bus, publisher, 1)
    assert publisher.told == [1]
    assert len(pauses) == 1100
    assert max(pauses) == 30.0


async def test_what_was_told_here_arrives_there_once(redis_url: str) -> None:
    bus = EventBus()
    async with RedisStreams(redis_url) as streams, streams.follow(Topic.BARS, "desk", "one") as follower:
        await streams.publish(_event(1))  # told by a process that died before it knew that it had
        for rank in (1, 2):
            await bus.publish(_event(rank))
        task = asyncio.create_task(relay_events(bus, streams))
        async with asyncio.timeout(10.0):
            ranks = [(await follower.next()).event.rank for _ in range(2)]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ranks == [1, 2]

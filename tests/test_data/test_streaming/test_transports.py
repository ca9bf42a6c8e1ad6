"""One suite for both transports: inside a process, and between processes on a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from agv2.core.errors import StreamError
from agv2.data.streaming.event_bus import EventBus
from agv2.data.streaming.events import Event, Follower, Topic
from agv2.data.streaming.redis_streams import RedisStreams

Follow = Callable[..., AbstractAsyncContextManager[Follower]]


class Transport:
    """Both transports under one name, with a member's name where that means nothing."""

    def __init__(self, bus: EventBus | RedisStreams) -> None:
        self.bus = bus

    async def publish(self, event: Event) -> int | None:
        return await self.bus.publish(event)

    @asynccontextmanager
    async def follow(self, topic: Topic, group: str, member: str = "a", **more: Any) -> AsyncIterator[Follower]:
        if isinstance(self.bus, EventBus):
            async with self.bus.follow(topic, group, **more) as follower:
                yield follower
        else:
            async with self.bus.follow(topic, group, member, takeover_ms=300, **more) as follower:
                yield follower


@asynccontextmanager
async def _opened(name: str, redis_url: str, keep: int) -> AsyncIterator[Transport]:
    if name == "in process":
        yield Transport(EventBus(keep))
        return
    async with RedisStreams(redis_url, keep=keep) as streams:
        yield Transport(streams)


@pytest.fixture(params=["in process", "redis"])
def open_transport(
    request: pytest.FixtureRequest, redis_url: str
) -> Callable[[int], AbstractAsyncContextManager[Transport]]:
    def open_it(keep: int = 100) -> AbstractAsyncContextManager[Transport]:
        return _opened(request.param, redis_url, keep)

    return open_it


Open = Callable[..., AbstractAsyncContextManager[Transport]]


def _event(rank: int, series: str = "XAUUSD/1h", topic: Topic = Topic.BARS) -> Event:
    return Event(topic, series, rank, {"close": 1.5 + rank})


async def _taken(follower: Follower, n: int) -> list[int]:
    ranks = []
    for _ in range(n):
        delivery = await asyncio.wait_for(follower.next(), 10.0)
        ranks.append(delivery.event.rank)
        await follower.done(delivery)
    return ranks


async def test_events_arrive_whole_and_in_order(open_transport: Open) -> None:
    async with open_transport() as bus, bus.follow(Topic.BARS, "report") as follower:
        for rank in (1_700_000_000_000_000_001, 1_700_000_000_000_000_002):
            await bus.publish(_event(rank))
        first = await asyncio.wait_for(follower.next(), 10.0)
        second = await asyncio.wait_for(follower.next(), 10.0)
    assert (first.number, second.number) == (1, 2)
    assert first.event == _event(1_700_000_000_000_000_001)
    assert second.event == _event(1_700_000_000_000_000_002)
    assert first.missed == second.missed == 0


async def test_a_repeat_is_not_told_again_even_one_nanosecond_apart(open_transport: Open) -> None:
    late = 1_700_000_000_000_000_001
    async with open_transport() as bus:
        assert await bus.publish(_event(late)) == 1
        assert await bus.publish(_event(late)) is None
        assert await bus.publish(_event(late - 1)) is None
        assert await bus.publish(_event(late + 1)) == 2
        assert await bus.publish(_event(late, series="XAGUSD/1h")) == 3


async def test_topics_do_not_mix(open_transport: Open) -> None:
    async with open_transport() as bus, bus.follow(Topic.FILLS, "book") as follower:
        await bus.publish(_event(1, topic=Topic.ORDERS))
        await bus.publish(_event(2, topic=Topic.FILLS))
        assert await _taken(follower, 1) == [2]


async def test_each_group_sees_every_event_and_each_event_one_member(open_transport: Open) -> None:
    async with (
        open_transport() as bus,
        bus.follow(Topic.BARS, "one", "a") as alone,
        bus.follow(Topic.BARS, "two", "a") as left,
        bus.follow(Topic.BARS, "two", "b") as right,
    ):
        for rank in range(1, 7):
            await bus.publish(_event(rank))
        assert await _taken(alone, 6) == [1, 2, 3, 4, 5, 6]
        shared = await _taken(left, 1)
        shared += await _taken(right, 3)
        shared += await _taken(left, 2)
    assert sorted(shared) == [1, 2, 3, 4, 5, 6]


async def test_what_a_member_left_undone_comes_again(open_transport: Open) -> None:
    async with open_transport() as bus:
        async with bus.follow(Topic.BARS, "trader", "a") as follower:
            for rank in (1, 2, 3):
                await bus.publish(_event(rank))
            await _taken(follower, 1)
            undone = await asyncio.wait_for(follower.next(), 10.0)
            assert undone.event.rank == 2
        async with bus.follow(Topic.BARS, "trader", "a") as follower:
            assert await _taken(follower, 2) == [2, 3]
            await bus.publish(_event(4))
            assert await _taken(follower, 1) == [4]


async def test_another_member_takes_over_what_a_dead_one_left(open_transport: Open) -> None:
    async with open_transport() as bus:
        async with bus.follow(Topic.BARS, "trader", "a") as follower:
            await bus.publish(_event(1))
            await asyncio.wait_for(follower.next(), 10.0)
        async with bus.follow(Topic.BARS, "trader", "b") as follower:
            assert await _taken(follower, 1) == [1]


async def test_a_group_that_fell_behind_is_told_how_many_it_missed(open_transport: Open) -> None:
    async with open_transport(5) as bus, bus.follow(Topic.BARS, "slow") as follower:
        await bus.publish(_event(1))
        await _taken(follower, 1)
        for rank in range(2, 21):
            await bus.publish(_event(rank))
        delivery = await asyncio.wait_for(follower.next(), 10.0)
        assert (delivery.event.rank, delivery.number, delivery.missed) == (16, 16, 14)
        await follower.done(delivery)
        delivery = await asyncio.wait_for(follower.next(), 10.0)
        assert (delivery.event.rank, delivery.missed) == (17, 0)


async def test_a_new_group_begins_with_the_next_event_or_with_the_oldest_kept(open_transport: Open) -> None:
    async with open_transport(3) as bus:
        for rank in range(1, 6):
            await bus.publish(_event(rank))
        async with bus.follow(Topic.BARS, "history", from_start=True) as follower:
            delivery = await asyncio.wait_for(follower.next(), 10.0)
            assert (delivery.event.rank, delivery.missed) == (3, 0)
        async with bus.follow(Topic.BARS, "news") as follower:
            await bus.publish(_event(6))
            assert await _taken(follower, 1) == [6]


async def test_a_follower_that_waits_is_woken(open_transport: Open) -> None:
    async with open_transport() as bus, bus.follow(Topic.BARS, "news") as follower:
        waiting = asyncio.create_task(_taken(follower, 1))
        await asyncio.sleep(0.05)
        await bus.publish(_event(9))
        assert await waiting == [9]


async def test_what_is_no_json_is_refused_where_it_is_made(open_transport: Open) -> None:
    async with open_transport() as bus:
        with pytest.raises(StreamError, match="XAUUSD/1h cannot be written as JSON"):
            await bus.publish(Event(Topic.BARS, "XAUUSD/1h", 1, {"close": float("nan")}))
        assert await bus.publish(_event(1)) == 1


async def test_the_bus_knows_what_a_group_has_not_done_yet() -> None:
    bus = EventBus()
    assert bus.outstanding(Topic.BARS, "desk") == 0
    async with bus.follow(Topic.BARS, "desk") as follower:
        for rank in (1, 2, 3):
            await bus.publish(_event(rank))
        assert bus.outstanding(Topic.BARS, "desk") == 3
        await _taken(follower, 1)
        held = await follower.next()
        assert bus.outstanding(Topic.BARS, "desk") == 2
    async with bus.follow(Topic.BARS, "desk") as follower:
        assert bus.outstanding(Topic.BARS, "desk") == 2
        assert (await follower.next()).number == held.number

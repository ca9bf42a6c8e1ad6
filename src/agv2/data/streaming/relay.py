"""From the bus of one process to everybody's: Redis may come and go, trading does not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import structlog

from agv2.core.errors import StreamError
from agv2.data.streaming.event_bus import EventBus
from agv2.data.streaming.events import Event, Topic

__all__ = ["RELAY_GROUP", "relay_events"]

RELAY_GROUP = "relay"
"""Group that the relay follows the bus as; what it has outstanding has not been sent on."""
_LONGEST_PAUSE_S = 30.0


class Publisher(Protocol):
    """Where events are sent on to."""

    async def publish(self, event: Event) -> int | None:
        """Tell `event`; telling it twice has no effect.

        Raises:
            StreamError: it could not be told.
        """
        ...


async def relay_events(
    bus: EventBus,
    publisher: Publisher,
    topics: Iterable[Topic] = tuple(Topic),
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Send every event of `bus` on to `publisher`, until cancelled.

    While the publisher fails, events wait in the bus, in order, as many as it keeps; one line is logged when an
    outage begins and one when it ends, with what was lost if it lasted too long.

    Args:
        bus: events of this process.
        publisher: such as `RedisStreams`.
        topics: which of them.
        sleep: waits so many seconds.
    """
    async with asyncio.TaskGroup() as tasks:
        for topic in topics:
            tasks.create_task(_relay_topic(bus, publisher, topic, sleep))


async def _relay_topic(
    bus: EventBus, publisher: Publisher, topic: Topic, sleep: Callable[[float], Awaitable[None]]
) -> None:
    log = structlog.get_logger().bind(topic=topic.value)
    async with bus.follow(topic, RELAY_GROUP, from_start=True) as follower:
        while True:
            delivery = await follower.next()
            if delivery.missed:
                log.error("events lost: the stream was away for longer than the bus keeps", events=delivery.missed)
            failures = 0
            while True:
                try:
                    await publisher.publish(delivery.event)
                except StreamError as error:
                    failures += 1
                    if failures == 1:
                        log.warning("stream away: events wait", error=str(error))
                    await sleep(min(2.0 ** min(failures - 1, 10), _LONGEST_PAUSE_S))
                else:
                    break
            if failures:
                log.info("stream back", attempts=failures + 1)
            await follower.done(delivery)

"""Events inside one process, with the same promises as between processes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agv2.core.errors import StreamError
from agv2.data.streaming.events import Delivery, Event, Topic, encode_event

__all__ = ["EventBus"]


@dataclass(slots=True)
class _Group:
    """How far one group of followers has come in one topic."""

    next_number: int
    undone: deque[Delivery] = field(default_factory=deque)
    """Left by members that are gone, oldest first."""
    held: int = 0
    """Deliveries that members work on."""


@dataclass(slots=True)
class _Topic:
    events: deque[tuple[int, Event]]
    last_number: int = 0
    last_rank: dict[str, int] = field(default_factory=dict)
    groups: dict[str, _Group] = field(default_factory=dict)


class EventBus:
    """A bus for one event loop: bounded, and nobody who publishes ever waits for anybody who follows.

    Args:
        keep: newest events of each topic that are kept for those who come later, >= 1. A group that falls further
            behind is told how many it missed.
    """

    def __init__(self, keep: int = 10_000) -> None:
        if keep < 1:
            raise StreamError(f"a bus keeps at least one event, found {keep}")
        self._topics = {topic: _Topic(deque(maxlen=keep)) for topic in Topic}
        self._news = asyncio.Condition()

    async def publish(self, event: Event) -> int | None:
        """Tell `event`; its number in the topic, or None if it repeats one told before.

        Raises:
            StreamError: the event could not be told to another process: it is no JSON.
        """
        encode_event(event)  # refused here, where it is made, rather than where it is first sent on
        topic = self._topics[event.topic]
        if event.rank <= topic.last_rank.get(event.series, -1):
            return None
        topic.last_rank[event.series] = event.rank
        topic.last_number += 1
        topic.events.append((topic.last_number, event))
        async with self._news:
            self._news.notify_all()
        return topic.last_number

    def outstanding(self, topic: Topic, group: str) -> int:
        """Events that `group` has not called done yet; 0 for a group that nobody has joined."""
        state = self._topics[topic]
        if (own := state.groups.get(group)) is None:
            return 0
        return state.last_number + 1 - own.next_number + len(own.undone) + own.held

    @asynccontextmanager
    async def follow(self, topic: Topic, group: str, *, from_start: bool = False) -> AsyncIterator["_BusFollower"]:
        """Join `group`; what is not done when the block ends goes to another member.

        Args:
            topic: what to follow.
            group: whoever shares this name shares the events.
            from_start: a new group begins with the oldest event kept, not with the next one.
        """
        state = self._topics[topic]
        first = state.events[0][0] if from_start and state.events else state.last_number + 1
        member = _BusFollower(state, state.groups.setdefault(group, _Group(first)), self._news)
        try:
            yield member
        finally:
            await member.leave()


class _BusFollower:
    def __init__(self, topic: _Topic, group: _Group, news: asyncio.Condition) -> None:
        self._topic = topic
        self._group = group
        self._news = news
        self._held: dict[int, Delivery] = {}

    async def next(self) -> Delivery:
        """The next event, waited for: first what a member that is gone left undone, then news."""
        async with self._news:
            while (delivery := self._take()) is None:
                await self._news.wait()
        self._held[delivery.number] = delivery
        self._group.held += 1
        return delivery

    async def done(self, delivery: Delivery) -> None:
        """Say that the event has had its effect and need not come again."""
        if self._held.pop(delivery.number, None) is not None:
            self._group.held -= 1

    async def leave(self) -> None:
        """Hand back what is not done, and wake the members that wait for it."""
        left = sorted([*self._group.undone, *self._held.values()], key=lambda delivery: delivery.number)
        self._group.undone = deque(left)
        self._group.held -= len(self._held)
        self._held.clear()
        async with self._news:
            self._news.notify_all()

    def _take(self) -> Delivery | None:
        if self._group.undone:
            return self._group.undone.popleft()
        wanted = self._group.next_number
        if not self._topic.events or wanted > self._topic.last_number:
            return None
        oldest = self._topic.events[0][0]
        number, event = self._topic.events[max(0, wanted - oldest)]
        self._group.next_number = number + 1
        return Delivery(number, event, missed=number - wanted)

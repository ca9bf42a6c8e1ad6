"""What is told when a bar closes, a decision is made, an order is sent or filled."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from agv2.core.bars import Bars
from agv2.core.errors import DataError, StreamError
from agv2.core.timeframes import Timeframe

__all__ = ["Delivery", "Event", "Follower", "Topic", "bar_event", "bars_of", "decode_event", "encode_event"]

_NUMBERS = ("open", "high", "low", "close", "volume", "spread")
_LARGEST_RANK = 2**63 - 1


class Topic(StrEnum):
    """What an event is about; each topic is a sequence of its own."""

    BARS = "bars"
    DECISIONS = "decisions"
    ORDERS = "orders"
    FILLS = "fills"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, with all that a follower in another process needs.

    Ranks rise within a series: an event whose rank is not above the last one of its series is a repeat, and telling
    it again has no effect. So whoever is unsure whether an event was told may tell it again.
    """

    topic: Topic
    series: str
    """What repeats itself, such as `XAUUSD/1h`."""
    rank: int
    """Place in the series, >= 0: a bar's open in nanoseconds UTC, a journal's row number."""
    content: Mapping[str, Any]
    """JSON values by name; numbers are finite."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to a group of followers; it comes again until one of them calls it done."""

    number: int
    """Place in the topic, rising by one from 1."""
    event: Event
    missed: int
    """Events right before this one that this group can never have, because the topic keeps only so many; usually 0."""


class Follower(Protocol):
    """Member of a group that follows a topic; each event goes to one member of each group."""

    async def next(self) -> Delivery:
        """The next event, waited for: first what a member that is gone left undone, then news."""
        ...

    async def done(self, delivery: Delivery) -> None:
        """Say that the event has had its effect and need not come again."""
        ...


def encode_event(event: Event) -> str:
    """One line of JSON, the same for the same event.

    Raises:
        StreamError: the content is no JSON, or holds a number that is not finite.
    """
    body = {"topic": event.topic, "series": event.series, "rank": event.rank, "content": dict(event.content)}
    try:
        return json.dumps(body, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise StreamError(f"an event of {event.series} cannot be written as JSON: {error}") from None


def decode_event(text: str | bytes) -> Event:
    """What `encode_event` wrote.

    Raises:
        StreamError: the text is nothing of the kind.
    """
    try:
        body = json.loads(text, parse_constant=_refuse_constant)
        topic, series, rank, content = Topic(body["topic"]), body["series"], body["rank"], body["content"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StreamError(f"a stream holds something that is no event ({type(error).__name__})") from None
    rank_fits = type(rank) is int and 0 <= rank <= _LARGEST_RANK
    if not (isinstance(series, str) and rank_fits and isinstance(content, dict)):
        raise StreamError("a stream holds an event whose series, rank or content is of the wrong kind")
    return Event(topic, series, rank, content)


def bar_event(bars: Bars, row: int) -> Event:
    """The news that bar `row` of `bars` has closed."""
    content: dict[str, Any] = {"symbol": bars.symbol, "timeframe": bars.timeframe.name}
    for name in _NUMBERS:
        value = float(getattr(bars, name)[row])
        content[name] = None if math.isnan(value) else value
    return Event(Topic.BARS, f"{bars.symbol}/{bars.timeframe.name}", int(bars.ts_ns[row]), content)


def bars_of(event: Event) -> Bars:
    """The bar that `event` tells of, as a history of one.

    Raises:
        StreamError: the event tells of no bar.
    """
    content = event.content
    try:
        if event.topic is not Topic.BARS:
            raise ValueError(event.topic)
        symbol, timeframe = content["symbol"], Timeframe.parse(content["timeframe"])
        numbers = {name: np.array([_number(content[name], name)]) for name in _NUMBERS}
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, DataError) as error:
        raise StreamError(f"an event of {event.series} tells of no bar ({type(error).__name__}: {error})") from None
    return Bars(str(symbol), timeframe, np.array([event.rank], dtype=np.int64), **numbers)


def _number(value: Any, name: str) -> float:
    if value is None and name in ("volume", "spread"):
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{name} is not finite")
    return float(value)


def _refuse_constant(word: str) -> float:
    raise ValueError(word)

"""Events between processes, by Redis Streams: a consumer group sees each event, also after a crash."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from agv2.core.errors import ConfigError, StreamError
from agv2.data.streaming.events import Delivery, Event, Topic, decode_event, encode_event

if TYPE_CHECKING:
    import redis.asyncio as redis_asyncio

__all__ = ["RedisStreams"]

_Answer = TypeVar("_Answer")

# One step for the server: number, de-duplicate, append and trim. Ranks are compared as text of equal length, because
# Lua's numbers are doubles and would round nanoseconds. The number is the stream's own last id plus one, so it
# survives as long as the stream does and needs no counter beside it.
_PUBLISH = """
local last_rank = redis.call('HGET', KEYS[2], ARGV[1])
if last_rank and last_rank >= ARGV[2] then return 0 end
local number = 1
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then number = tonumber(string.match(info[i + 1], '^%d+')) + 1 end
  end
end
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[4], string.format('%.0f-0', number), 'event', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return number
"""
_WAIT_MS = 1000


class RedisStreams:
    """Publisher and follower of the topics on one Redis server.

    Delivery is at least once: an event comes again until a member of the group has called it done. Publishing is
    exactly once by series and rank. A group that falls behind by more than `keep` is told how many it missed.

    Args:
        url: `redis://`, `rediss://` or `unix://` address; a password in it is never shown.
        keep: newest events of each topic that the server keeps.
        prefix: of every key, so that several installations may share a server.
        attempts: how often a call is tried before it fails, a rising pause in between.
    """

    def __init__(self, url: str, *, keep: int = 10_000, prefix: str = "agv2", attempts: int = 4) -> None:
        try:
            import redis.asyncio as redis_asyncio
            from redis.asyncio.retry import Retry
            from redis.backoff import ExponentialWithJitterBackoff
        except ImportError:
            raise ConfigError(
                "REDIS_URL is set but the Redis client is not installed: python bootstrap.py install --with redis"
            ) from None
        retry = Retry(ExponentialWithJitterBackoff(cap=1.0, base=0.05), attempts - 1)
        try:
            self._redis: redis_asyncio.Redis = redis_asyncio.Redis.from_url(
                url, retry=retry, socket_connect_timeout=5.0, socket_timeout=5.0
            )
        except ValueError:  # whose text quotes what it took for a port: of a password with a slash, the beginning
            raise ConfigError(
                "REDIS_URL is no Redis address; write redis://HOST:PORT/0, and @ : / ? # % of a password as %40 %3A "
                "%2F %3F %23 %25"
            ) from None
        self._keep = keep
        self._prefix = prefix

    async def __aenter__(self) -> "RedisStreams":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.aclose()

    async def publish(self, event: Event) -> int | None:
        """Tell `event`; its number in the topic, or None if it repeats one told before.

        Raises:
            StreamError: the server cannot be reached or refuses.
        """
        keys = [self._key(event.topic), f"{self._key(event.topic)}:ranks"]
        values = [event.series, f"{event.rank:020d}", encode_event(event), str(self._keep)]
        number = int(await _asked(self._redis.eval(_PUBLISH, 2, *keys, *values)))
        return number or None

    @asynccontextmanager
    async def follow(
        self, topic: Topic, group: str, member: str, *, from_start: bool = False, takeover_ms: int = 30_000
    ) -> AsyncIterator["_StreamFollower"]:
        """Join `group` as `member`.

        What this member left undone when it last stopped or was killed comes first. What another member left undone
        is taken over once that member has not touched it for `takeover_ms`.

        Args:
            topic: what to follow.
            group: whoever shares this name shares the events.
            member: name that stays the same when the process is started again, and that no other process uses.
            from_start: a new group begins with the oldest event kept, not with the next one.
            takeover_ms: longer than any event takes to have its effect.

        Raises:
            StreamError: the server cannot be reached or refuses.
        """
        key = self._key(topic)
        import redis.exceptions

        oldest = await _asked(self._redis.xrange(key, count=1)) if from_start else None
        before_oldest = f"{_number(oldest[0][0]) - 1}-0" if oldest else "0"
        try:
            await _asked(self._redis.xgroup_create(key, group, id=before_oldest if from_start else "$", mkstream=True))
        except StreamError as error:
            if not isinstance(error.__cause__, redis.exceptions.ResponseError) or "BUSYGROUP" not in str(error):
                raise
        yield _StreamFollower(self._redis, key, group, member, takeover_ms)

    def _key(self, topic: Topic) -> str:
        return f"{self._prefix}:{topic}"


class _StreamFollower:
    """Reads one entry at a time: what is read ahead would count as stuck, and be taken over, while it merely waits."""

    def __init__(self, redis: "redis_asyncio.Redis", key: str, group: str, member: str, takeover_ms: int) -> None:
        self._redis = redis
        self._key = key
        self._group = group
        self._member = member
        self._takeover_ms = takeover_ms
        self._ready: deque[Delivery] = deque()
        self._own_from = "0"  # what this member itself left undone is read first
        self._own_read = False
        self._lost = 0
        self._held: set[int] = set()

    async def next(self) -> Delivery:
        """The next event, waited for: first what a member that is gone left undone, then news.

        Raises:
            StreamError: the server cannot be reached, or the stream holds something that is no event.
        """
        while not self._ready:
            if not self._own_read:
                await self._read_own()
            elif not (await self._take_over() or await self._read_news()):
                await self._wait()
        delivery = self._ready.popleft()
        self._held.add(delivery.number)
        return delivery

    async def done(self, delivery: Delivery) -> None:
        """Say that the event has had its effect and need not come again."""
        await _asked(self._redis.xack(self._key, self._group, f"{delivery.number}-0"))
        self._held.discard(delivery.number)

    async def _read_own(self) -> None:
        answer = await _asked(self._redis.xreadgroup(self._group, self._member, {self._key: self._own_from}, count=1))
        entries = _entries(answer)
        if not entries:
            self._own_read = True
            return
        self._own_from = entries[-1][0].decode()
        await self._hold(entries)

    async def _take_over(self) -> bool:
        answer = await _asked(
            self._redis.xautoclaim(self._key, self._group, self._member, self._takeover_ms, start_id="0-0", count=1)
        )
        # Its own entries that take long are not stuck: this member is the one that works on them.
        entries = [(entry_id, fields) for entry_id, fields in answer[1] if _number(entry_id) not in self._held]
        await self._hold(entries)
        return bool(self._ready)

    async def _read_news(self) -> bool:
        # In one transaction, so that nothing can be trimmed between the look at the stream and the reading of it.
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xinfo_groups(self._key)
            pipe.xrange(self._key, count=1)
            pipe.xreadgroup(self._group, self._member, {self._key: ">"}, count=1)
            groups, oldest, answer = await _asked(pipe.execute())
        entries = _entries(answer)
        if not entries:
            return False
        seen = next(_number(each["last-delivered-id"]) for each in groups if each["name"].decode() == self._group)
        missed = max(0, _number(oldest[0][0]) - seen - 1)
        await self._hold(entries, missed)
        return True

    async def _hold(self, entries: list[tuple[bytes, Any]], missed: int = 0) -> None:
        """Make deliveries of entries; those that were trimmed before they were done are lost and counted."""
        self._lost += missed
        for entry_id, fields in entries:
            if not fields:
                self._lost += 1
                await _asked(self._redis.xack(self._key, self._group, entry_id))
                continue
            try:
                event = decode_event(fields[b"event"])
            except (KeyError, StreamError):
                place = entry_id.decode()
                raise StreamError(
                    f"entry {place} of the stream {self._key} is no event; remove it: XDEL {self._key} {place}"
                ) from None
            self._ready.append(Delivery(_number(entry_id), event, self._lost))
            self._lost = 0

    async def _wait(self) -> None:
        """Return when there is news, or after a second, in which others may have died."""
        last = await _asked(self._redis.xinfo_stream(self._key))
        with contextlib.suppress(asyncio.TimeoutError):
            await _asked(self._redis.xread({self._key: last["last-generated-id"]}, count=1, block=_WAIT_MS))


async def _asked(answer: Awaitable[_Answer]) -> _Answer:
    """The server's answer, or one clear line."""
    import redis.exceptions

    try:
        return await answer
    except redis.exceptions.AuthenticationError:
        raise StreamError("Redis refuses the password; correct REDIS_URL") from None
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        raise StreamError(f"Redis cannot be reached ({type(error).__name__}); is REDIS_URL right, is it up?") from None
    except redis.exceptions.ResponseError as error:
        raise StreamError(f"Redis refuses: {error}") from error


def _entries(answer: Any) -> list[tuple[bytes, Any]]:
    """Entries of the one stream that was read; the client answers with a list, or with a dict under RESP3."""
    if not answer:
        return []
    streams = list(answer.items()) if isinstance(answer, dict) else answer
    found = streams[0][1]
    if isinstance(answer, dict):
        found = found[0]
    return list(found)


def _number(entry_id: Any) -> int:
    text: str = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    return int(text.partition("-")[0])

"""What only happens between processes: kills, outages, strangers' keys, secrets."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from agv2.core.errors import ConfigError, StreamError
from agv2.data.streaming.events import Event, Topic
from agv2.data.streaming.redis_streams import RedisStreams

CONSUMER = """
import asyncio, os, signal, sys
from agv2.data.streaming.events import Topic
from agv2.data.streaming.redis_streams import RedisStreams

async def main(url, path, die_at):
    async with RedisStreams(url) as streams, streams.follow(Topic.BARS, "desk", "one", from_start=True) as follower:
        while True:
            delivery = await follower.next()
            if delivery.event.rank == die_at:
                os.kill(os.getpid(), signal.SIGKILL)  # after it was delivered, before its effect
            with open(path, "a") as effect:
                effect.write(f"{delivery.event.rank}\\n")
            await follower.done(delivery)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def _consumer(url: str, path: Path, die_at: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", CONSUMER, url, str(path), str(die_at)], env={**os.environ})


async def _lines(path: Path, n: int) -> list[int]:
    async with asyncio.timeout(60.0):
        while True:
            ranks = [int(line) for line in path.read_text().split()] if path.exists() else []
            if len(ranks) >= n:
                return ranks
            await asyncio.sleep(0.05)


async def test_a_killed_consumer_goes_on_where_it_was(redis_url: str, tmp_path: Path) -> None:
    path = tmp_path / "effects"
    async with RedisStreams(redis_url) as streams:
        for rank in range(1, 11):
            await streams.publish(Event(Topic.BARS, "XAUUSD/1h", rank, {}))
        dying = _consumer(redis_url, path, die_at=4)
        assert await asyncio.to_thread(dying.wait, 60) == -signal.SIGKILL
        assert await _lines(path, 3) == [1, 2, 3]
        reborn = _consumer(redis_url, path, die_at=0)
        try:
            await streams.publish(Event(Topic.BARS, "XAUUSD/1h", 11, {}))
            assert await _lines(path, 11) == list(range(1, 12))
        finally:
            reborn.kill()
            reborn.wait()


async def test_the_stream_stays_as_short_as_it_should(redis_url: str) -> None:
    async with RedisStreams(redis_url, keep=50) as streams:
        for rank in range(500):
            await streams.publish(Event(Topic.FILLS, "book", rank, {}))
    connection = redis.Redis.from_url(redis_url)
    assert connection.xlen("agv2:fills") == 50
    connection.close()


async def test_a_follower_survives_its_connection_being_cut(redis_url: str) -> None:
    connection = redis.Redis.from_url(redis_url)
    async with RedisStreams(redis_url) as streams, streams.follow(Topic.BARS, "desk", "one") as follower:
        waiting = asyncio.create_task(follower.next())
        await asyncio.sleep(0.2)
        own = connection.client_id()
        for client in connection.client_list():
            if (
                int(client["id"]) != own
                and client["db"] == connection.connection_pool.connection_kwargs["db"].__str__()
            ):
                connection.client_kill_filter(_id=client["id"])
        await streams.publish(Event(Topic.BARS, "XAUUSD/1h", 1, {}))
        assert (await asyncio.wait_for(waiting, 20.0)).event.rank == 1
    connection.close()


async def test_a_server_that_is_away_is_one_clear_line_without_its_password() -> None:
    async with RedisStreams("redis://:geheim@127.0.0.1:9/0", attempts=1) as streams:
        with pytest.raises(StreamError, match="Redis cannot be reached") as caught:
            await streams.publish(Event(Topic.BARS, "XAUUSD/1h", 1, {}))
    assert "geheim" not in str(caught.value)


async def test_a_key_that_holds_something_else_is_refused(redis_url: str) -> None:
    connection = redis.Redis.from_url(redis_url)
    connection.set("agv2:bars", "mine")
    async with RedisStreams(redis_url) as streams:
        with pytest.raises(StreamError, match="Redis refuses"):
            await streams.publish(Event(Topic.BARS, "XAUUSD/1h", 1, {}))
    assert connection.get("agv2:bars") == b"mine"
    connection.close()


@pytest.mark.parametrize("fields", [{"hello": "world"}, {"event": "[]"}])
async def test_a_strangers_entry_is_named_and_once_removed_the_member_goes_on(
    redis_url: str, fields: dict[Any, Any]
) -> None:
    connection = redis.Redis.from_url(redis_url)
    async with RedisStreams(redis_url) as streams, streams.follow(Topic.BARS, "desk", "one") as follower:
        place = str(connection.xadd("agv2:bars", fields), "ascii")  # type: ignore[arg-type]  # bytes, for nothing is decoded
        with pytest.raises(StreamError, match=f"entry {place} of the stream agv2:bars is no event"):
            await asyncio.wait_for(follower.next(), 10.0)
        connection.xdel("agv2:bars", place)
        await streams.publish(Event(Topic.BARS, "XAUUSD/1h", 1, {}))
    async with RedisStreams(redis_url) as streams, streams.follow(Topic.BARS, "desk", "one") as follower:
        assert (await asyncio.wait_for(follower.next(), 10.0)).event.rank == 1
    connection.close()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="REDIS_URL is no Redis address"):
        RedisStreams("http://127.0.0.1")


@pytest.mark.parametrize("password", ["geheim/1", "geheim#1", "geheim?1"])
def test_an_address_that_its_password_breaks_is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(ConfigError, match="REDIS_URL is no Redis address") as caught:
        RedisStreams(f"redis://:{password}@127.0.0.1:6379/0")
    assert "geheim" not in str(caught.value)

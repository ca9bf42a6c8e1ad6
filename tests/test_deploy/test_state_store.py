"""One suite for both stores, and what only Redis can do: forget."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agv2.core.errors import ConfigError, StateError
from agv2.deploy.state.redis_state import RedisState
from agv2.deploy.state.sqlite_state import SqliteState
from agv2.deploy.state_store import Lease, LeaseHeldError, StateStore
from agv2.utils.clock import ReplayClock
from tests.redis_server import OwnRedis

NOON_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(NOON_NS)


@pytest.fixture(params=["sqlite", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: ReplayClock) -> Iterator[Callable[[], StateStore]]:
    """Opens one store again and again, as processes do."""
    stores: list[StateStore] = []
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    def open_one() -> StateStore:
        store: StateStore = (
            SqliteState(tmp_path / "state.db", clock)
            if request.param == "sqlite"
            else RedisState(url, tmp_path / "redis.json", clock=clock)
        )
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


def test_what_is_put_is_there_for_the_next_process(opened: Callable[[], StateStore]) -> None:
    store = opened()
    assert store.get("kill_switch") is None
    store.put("kill_switch", "é\n{}")
    store.put("approval:2", "b")
    store.put("approval:1", "a")
    store.close()
    again = opened()
    assert again.lost == ""
    assert again.get("kill_switch") == "é\n{}"
    assert list(again.items("approval:").items()) == [("approval:1", "a"), ("approval:2", "b")]
    again.put("approval:1", None)
    assert list(again.items("approval:")) == ["approval:2"]


def test_a_swap_needs_what_it_expects(opened: Callable[[], StateStore]) -> None:
    store = opened()
    assert store.swap("key", None, "one")
    assert not store.swap("key", None, "two")
    assert not store.swap("key", "zero", "two")
    assert store.swap("key", "one", "two")
    assert store.swap("key", "two", None)
    assert store.get("key") is None


def test_two_processes_never_hold_one_lease(opened: Callable[[], StateStore], clock: ReplayClock) -> None:
    one, other = opened(), opened()
    lease = one.acquire("trader:DEMO-1", "a:1", 15.0)
    assert lease.expires_ns == NOON_NS + 15 * SECOND_NS
    with pytest.raises(LeaseHeldError, match="trader:DEMO-1 is held by a:1, for another 15 s") as refused:
        other.acquire("trader:DEMO-1", "b:2", 15.0)
    assert refused.value.wait_s == pytest.approx(15.0)
    other.acquire("trader:DEMO-2", "b:2", 15.0)
    clock.advance_to(NOON_NS + 14 * SECOND_NS)
    one.renew(lease, 15.0)
    clock.advance_to(NOON_NS + 28 * SECOND_NS)
    with pytest.raises(LeaseHeldError):
        other.acquire("trader:DEMO-1", "b:2", 15.0)


def test_who_lost_the_lease_can_neither_renew_nor_write(opened: Callable[[], StateStore], clock: ReplayClock) -> None:
    one, other = opened(), opened()
    stale = one.acquire("trader:DEMO-1", "a:1", 15.0)
    one.put("position", "1", stale)
    clock.advance_to(NOON_NS + 15 * SECOND_NS)
    fresh = other.acquire("trader:DEMO-1", "b:2", 15.0)
    assert fresh.token > stale.token
    with pytest.raises(StateError, match="no longer held by a:1"):
        one.renew(stale, 15.0)
    with pytest.raises(StateError, match="no longer held by a:1"):
        one.put("position", "2", stale)
    one.release(stale)
    other.put("position", "3", fresh)
    assert other.get("position") == "3"


def test_a_released_lease_is_free_at_once_and_its_token_stays_used(opened: Callable[[], StateStore]) -> None:
    store = opened()
    lease = store.acquire("trader:DEMO-1", "a:1", 15.0)
    store.release(lease)
    assert store.acquire("trader:DEMO-1", "b:2", 15.0).token > lease.token
    with pytest.raises(StateError, match="no longer held"):
        store.put("position", "1", lease)


RACER = """
import pathlib, sys
from agv2.deploy.state.redis_state import RedisState
from agv2.deploy.state.sqlite_state import SqliteState
from agv2.deploy.state_store import LeaseHeldError
from agv2.utils.clock import ReplayClock
kind, place, memory, number = sys.argv[1:]
clock, path = ReplayClock(0), pathlib.Path(memory)
store = SqliteState(pathlib.Path(place), clock) if kind == "sqlite" else RedisState(place, path, clock=clock)
sys.stdin.readline()
try:
    store.acquire("trader:DEMO-1", f"process {number}", 15.0)
    print("mine")
except LeaseHeldError:
    print("held")
"""


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_of_many_processes_at_once_exactly_one_gets_the_lease(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue("redis_url") if kind == "redis" else str(tmp_path / "state.db")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, kind, place, str(tmp_path / f"{number}.json"), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=60)[0].strip() for racer in racers]
    assert sorted(answers) == ["held", "held", "held", "mine"]


def test_a_file_that_is_no_store_is_refused_in_one_line(tmp_path: Path, clock: ReplayClock) -> None:
    (tmp_path / "state.db").write_text("this is no database" * 100)
    with pytest.raises(StateError, match=r"state\.db: cannot be used"):
        SqliteState(tmp_path / "state.db", clock)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "seen.json"


def test_a_restart_with_a_disk_forgets_nothing(own_redis: OwnRedis, memory: Path) -> None:
    own_redis.kill()
    own_redis.start("--appendonly", "yes", "--appendfsync", "always")
    store = RedisState(own_redis.url, memory)
    store.put("kill_switch", "engaged")
    lease = store.acquire("trader:DEMO-1", "a:1", 15.0)
    own_redis.kill()
    own_redis.start("--appendonly", "yes", "--appendfsync", "always")
    assert store.get("kill_switch") == "engaged"
    assert store.renew(lease, 15.0).token == lease.token
    store.close()


def test_a_restart_without_a_disk_is_noticed_by_who_runs_and_by_who_starts(own_redis: OwnRedis, memory: Path) -> None:
    store = RedisState(own_redis.url, memory)
    lease = store.acquire("trader:DEMO-1", "a:1", 15.0)
    own_redis.kill()
    own_redis.start()
    for step in (lambda: store.get("kill_switch"), lambda: store.renew(lease, 15.0), lambda: store.put("a", "b")):
        with pytest.raises(StateError, match="the state in Redis was lost: it is gone"):
            step()
    store.close()
    again = RedisState(own_redis.url, memory, after_loss={"kill_switch": "engaged"})
    assert again.lost == "the state in Redis was lost: it is gone"
    assert again.get("kill_switch") == "engaged"
    again.close()
    third = RedisState(own_redis.url, memory, after_loss={"kill_switch": "never"})
    assert (third.lost, third.get("kill_switch")) == ("", "engaged")
    third.close()


def test_while_the_server_is_away_every_step_says_so_and_then_goes_on(own_redis: OwnRedis, memory: Path) -> None:
    own_redis.kill()
    own_redis.start("--appendonly", "yes", "--appendfsync", "always")
    store = RedisState(own_redis.url, memory)
    store.put("key", "1")
    own_redis.kill()
    with pytest.raises(StateError, match="cannot be reached"):
        store.get("key")
    own_redis.start("--appendonly", "yes", "--appendfsync", "always")
    assert store.get("key") == "1"
    store.close()


def test_a_server_that_went_back_to_an_older_snapshot_is_noticed(own_redis: OwnRedis, memory: Path) -> None:
    store = RedisState(own_redis.url, memory)
    store.put("kill_switch", "armed")
    own_redis.client().save()
    store.put("kill_switch", "engaged")
    own_redis.kill()
    own_redis.start()
    with pytest.raises(StateError, match="it went back to an earlier state"):
        store.get("kill_switch")
    store.close()
    again = RedisState(own_redis.url, memory, after_loss={"kill_switch": "engaged"})
    assert "earlier state" in again.lost
    assert again.get("kill_switch") == "engaged"
    again.close()


def test_a_server_that_evicts_any_key_is_refused(own_redis: OwnRedis, memory: Path) -> None:
    client = own_redis.client()
    client.config_set("maxmemory", "5mb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(StateError, match="evicts any key when it is full"):
        RedisState(own_redis.url, memory)
    client.config_set("maxmemory-policy", "volatile-lru")
    RedisState(own_redis.url, memory).close()


def test_an_eviction_that_happens_all_the_same_is_noticed(own_redis: OwnRedis, memory: Path) -> None:
    store = RedisState(own_redis.url, memory)
    store.put("kill_switch", "engaged")
    client = own_redis.client()
    client.config_set("maxmemory", "3mb")
    client.config_set("maxmemory-policy", "allkeys-random")
    for number in range(40_000):  # each key that comes evicts one of a thousand
        client.set(f"other:{number}", "x" * 2_000)
        if not client.exists("agv2:state"):
            break
    assert not client.exists("agv2:state"), "the server was to evict it"
    with pytest.raises(StateError, match="was lost"):
        store.get("kill_switch")
    store.close()


def test_a_full_server_that_evicts_nothing_refuses_to_write(own_redis: OwnRedis, memory: Path) -> None:
    store = RedisState(own_redis.url, memory)
    own_redis.client().config_set("maxmemory", "1")
    with pytest.raises(StateError, match=r"Redis refuses: .*memory"):
        store.put("kill_switch", "engaged")
    store.close()


def test_a_flush_by_somebody_else_is_noticed_and_the_old_holder_is_fenced_off(
    own_redis: OwnRedis, tmp_path: Path
) -> None:
    old = RedisState(own_redis.url, tmp_path / "one.json")
    lease = old.acquire("trader:DEMO-1", "a:1", 15.0)
    own_redis.client().flushall()
    new = RedisState(own_redis.url, tmp_path / "other.json")
    taken = new.acquire("trader:DEMO-1", "b:2", 15.0)
    assert taken.token > lease.token
    with pytest.raises(StateError, match="was lost"):
        old.put("position", "1", lease)
    new.put("position", "2", taken)
    old.close()
    new.close()


def test_no_address_and_no_server_are_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Redis address") as wrong:
        RedisState("http://:hunter2@host", tmp_path / "seen.json")
    with pytest.raises(StateError, match="cannot be reached") as away:
        RedisState("redis://:hunter2@127.0.0.1:1/0", tmp_path / "seen.json")
    assert "hunter2" not in f"{wrong.value}{away.value}"


def test_the_servers_own_clock_ends_a_lease_where_none_is_given(own_redis: OwnRedis, memory: Path) -> None:
    store = RedisState(own_redis.url, memory)
    lease: Lease = store.acquire("trader:DEMO-1", "a:1", 0.05)
    with pytest.raises(LeaseHeldError):
        store.acquire("trader:DEMO-1", "b:2", 0.05)
    time.sleep(0.06)
    assert store.acquire("trader:DEMO-1", "b:2", 15.0).token > lease.token
    store.close()

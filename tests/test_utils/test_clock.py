import time

import pytest

from agv2.core.errors import InvariantError
from agv2.utils.clock import Clock, ReplayClock, SystemClock


def test_replay_clock_waits_without_taking_time() -> None:
    clock = ReplayClock(1_000)
    clock.sleep_until(10**18)
    assert clock.now_ns() == 10**18


def test_replay_clock_does_not_wait_for_the_past() -> None:
    clock = ReplayClock(1_000)
    clock.sleep_until(10)
    assert clock.now_ns() == 1_000


def test_replay_clock_refuses_to_go_back() -> None:
    clock = ReplayClock(1_000)
    clock.advance_to(1_000)
    with pytest.raises(InvariantError, match="from 1000 to 999"):
        clock.advance_to(999)


def test_system_clock_sleeps_until_the_moment_asked_for() -> None:
    clock: Clock = SystemClock()
    started, target = time.perf_counter(), clock.now_ns() + 20_000_000
    clock.sleep_until(target)
    assert clock.now_ns() >= target
    assert time.perf_counter() - started >= 0.015


def test_system_clock_returns_at_once_for_the_past() -> None:
    clock = SystemClock()
    started = time.perf_counter()
    clock.sleep_until(clock.now_ns() - 10**12)
    assert time.perf_counter() - started < 1.0

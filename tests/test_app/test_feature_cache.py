"""Features from disk are those that would be computed, whatever happens to the disk."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

import agv2
from agv2.app import array_cache
from agv2.app import feature_cache as module
from agv2.app.feature_cache import LEAST_BARS, cached_features
from agv2.app.leakcheck import leakcheck
from agv2.app.market_preparation import prepare_markets
from agv2.app.settings import load_settings
from agv2.core.bars import Bars
from agv2.core.jit import PLAIN_KERNELS
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.bars_file import write_bars
from agv2.features.pipeline import FeatureMatrix, compute_features
from tests.markets import NEW_YORK_DAYS, UTC_DAYS, gappy_bars

N_BARS = 2_000
ROOM = 100_000_000
BARS = gappy_bars(N_BARS)


@pytest.fixture(autouse=True)
def _short_histories_pay_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_BARS", N_BARS)


def refuse(*_: Any) -> FeatureMatrix:
    raise AssertionError("computed again")


def entries(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.features"))


def assert_same(found: FeatureMatrix, expected: FeatureMatrix) -> None:
    assert found.columns == expected.columns
    assert found.values.dtype == expected.values.dtype
    assert found.values.tobytes() == expected.values.tobytes()
    assert found.sigma.tobytes() == expected.sigma.tobytes()


def test_the_second_time_the_same_bits_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = compute_features(BARS, NEW_YORK_DAYS)
    assert_same(cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM).features, expected)
    monkeypatch.setattr(module, "compute_features", refuse)
    found = cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM)
    assert_same(found.features, expected)
    assert found.problems == ()


def test_a_run_finds_what_an_earlier_one_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "XAUUSD_1h.parquet"
    write_bars(BARS, path)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    (first,) = prepare_markets([path], [], load_settings(None, []))
    (entry,) = entries(tmp_path / "home/cache/features")
    monkeypatch.setattr(module, "compute_features", refuse)
    (second,) = prepare_markets([path], [], load_settings(None, []))
    assert_same(second.features, first.features)
    entry.write_bytes(b"")
    monkeypatch.setattr(module, "compute_features", compute_features)
    (third,) = prepare_markets([path], [], load_settings(None, []))
    assert_same(third.features, first.features)
    assert third.notes == first.notes  # a result says nothing of this machine
    assert third.asides == ("XAUUSD: its features in the cache were damaged; they were computed again",)


def test_an_entry_does_not_stand_in_for_another(tmp_path: Path) -> None:
    other = replace(BARS, close=BARS.close * 1.01, high=BARS.high * 1.02)
    for bars in (BARS, other):
        cached_features(bars, NEW_YORK_DAYS, tmp_path, ROOM)
    first, second = entries(tmp_path)
    second.write_bytes(first.read_bytes())
    found = [cached_features(bars, NEW_YORK_DAYS, tmp_path, ROOM) for bars in (BARS, other)]
    assert sorted(len(each.problems) for each in found) == [0, 1]
    for bars, each in zip((BARS, other), found, strict=True):
        assert_same(each.features, compute_features(bars, NEW_YORK_DAYS))


def test_the_leak_check_computes_everything_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_BARS", 1)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    assert leakcheck(gappy_bars(2_000, "5m"), load_settings(None, []), 7, quick=True).leaks == ()
    assert entries(tmp_path / "home/cache/features") == []


def test_a_name_stands_for_what_is_read_and_nothing_else(tmp_path: Path) -> None:
    def kept(bars: Bars, calendar: SessionCalendar) -> int:
        cached_features(bars, calendar, tmp_path, ROOM)
        return len(entries(tmp_path))

    assert kept(BARS, NEW_YORK_DAYS) == 1
    assert kept(replace(BARS, symbol="OTHER", spread=BARS.spread + 1.0, volume=BARS.volume * 2.0), NEW_YORK_DAYS) == 1
    assert kept(BARS, replace(NEW_YORK_DAYS, trading_days_per_year=1.0, triple_weekday=None, weekend_nights=True)) == 1
    for count, name in enumerate(("open", "high", "low", "close"), start=2):
        prices = getattr(BARS, name).copy()
        prices[-1] = np.nextafter(prices[-1], 0.0)
        assert kept(replace(BARS, **{name: prices}), NEW_YORK_DAYS) == count
    assert kept(replace(BARS, ts_ns=BARS.ts_ns + Timeframe.parse("1w").nanoseconds), NEW_YORK_DAYS) == 6
    assert kept(replace(BARS, timeframe=Timeframe.parse("30m")), NEW_YORK_DAYS) == 7
    assert kept(BARS, replace(NEW_YORK_DAYS, roll_hour=18)) == 8
    assert kept(BARS, UTC_DAYS) == 9
    assert kept(BARS, replace(UTC_DAYS, roll_zone="Asia/Tokyo")) == 10


def test_other_code_another_machine_or_other_clock_rules_find_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM)
    for name, value in (
        ("kernel_digest", lambda: "other"),
        ("PLAIN_KERNELS", not PLAIN_KERNELS),
        ("_zone_rules", lambda zone: zone.encode()),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            before = len(entries(tmp_path))
            cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM)
            assert len(entries(tmp_path)) == before + 1, name


def test_an_edit_of_a_feature_changes_the_digest(tmp_path: Path) -> None:
    copy = tmp_path / "src" / "agv2"
    source = Path(next(iter(agv2.__path__)))
    for package in ("core", "features"):
        shutil.copytree(source / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "__init__.py").write_text('"""A copy."""\n', encoding="utf-8")

    def digest() -> str:
        env = os.environ | {"PYTHONPATH": str(copy.parent)}
        words = [sys.executable, "-c", "from agv2.core.jit import kernel_digest; print(kernel_digest())"]
        return subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout

    first = digest()
    assert digest() == first
    edited = copy / "features" / "session_features.py"
    edited.write_text(edited.read_text("utf-8").replace('"Asia/Tokyo", 9, 18', '"Asia/Tokyo", 9, 17'), "utf-8")
    assert digest() != first


@pytest.mark.parametrize("damage", ["a bit", "the end", "all"])
def test_a_damaged_entry_is_told_and_computed_again(damage: str, tmp_path: Path) -> None:
    expected = compute_features(BARS, NEW_YORK_DAYS)
    cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM)
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    entry.write_bytes(
        {"a bit": bytes(flipped), "the end": whole[:-1], "all": bytes(len(whole) - 4) + b"\1\0\0\0"}[damage]
    )
    found = cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM)
    assert_same(found.features, expected)
    assert found.problems == ("TEST: its features in the cache were damaged; they were computed again",)
    assert entry.read_bytes() == whole
    assert cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM).problems == ()


def test_the_least_recently_used_entries_make_room(tmp_path: Path) -> None:
    moved = [replace(BARS, ts_ns=BARS.ts_ns + week * Timeframe.parse("1w").nanoseconds) for week in range(4)]
    names: list[str] = []
    for age, bars in enumerate(moved[:3]):
        cached_features(bars, NEW_YORK_DAYS, tmp_path, ROOM)
        (name,) = {path.name for path in entries(tmp_path)} - set(names)
        names.append(name)
        os.utime(tmp_path / name, (1_000_000 + age, 1_000_000 + age))
    size = (tmp_path / names[0]).stat().st_size
    cached_features(moved[0], NEW_YORK_DAYS, tmp_path, ROOM)  # the oldest, used again
    cached_features(moved[3], NEW_YORK_DAYS, tmp_path, 2 * size)
    left = {path.name for path in entries(tmp_path)}
    assert len(left) == 2
    assert names[0] in left
    cached_features(moved[2], NEW_YORK_DAYS, tmp_path, size - 1)
    assert {path.name for path in entries(tmp_path)} == left, "what has no room at all drives out nothing"


def test_short_histories_and_a_limit_of_zero_leave_no_trace(tmp_path: Path) -> None:
    cached_features(BARS.slice(0, N_BARS - 1), NEW_YORK_DAYS, tmp_path / "new", ROOM)
    cached_features(BARS, NEW_YORK_DAYS, tmp_path / "new", 0)
    assert not (tmp_path / "new").exists()
    assert LEAST_BARS > 10_000, "below, computing is as good as reading"


def test_a_disk_that_cannot_be_used_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = cached_features(BARS, NEW_YORK_DAYS, tmp_path / "file", ROOM)
    assert_same(found.features, compute_features(BARS, NEW_YORK_DAYS))
    assert any("cannot be kept for the next run" in problem for problem in found.problems)


def test_nobody_waits_long_for_another_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_cache, "_LOCK_SECONDS", 0.05)
    with FileLock(tmp_path / "write.lock"):
        found = cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM)
    assert found.problems == ("TEST: its features cannot be kept for the next run (other processes are writing)",)
    assert entries(tmp_path) == []


def test_a_changed_value_reaches_neither_the_entry_nor_another_reader(tmp_path: Path) -> None:
    cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM)
    one, other = (cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM).features for _ in range(2))
    one.values[:] = 0.0
    one.sigma[:] = 0.0
    expected = compute_features(BARS, NEW_YORK_DAYS)
    assert_same(other, expected)
    assert_same(cached_features(BARS, NEW_YORK_DAYS, tmp_path, ROOM).features, expected)


PROGRAM = """
import sys
from pathlib import Path
from agv2.app import array_cache
from agv2.app import feature_cache as module
from tests.markets import NEW_YORK_DAYS, gappy_bars
module.LEAST_BARS = 1
bars, directory = gappy_bars(2_000), Path(sys.argv[1])
expected = module.compute_features(bars, NEW_YORK_DAYS).values.tobytes()
for _ in range(10):
    found = module.cached_features(bars, NEW_YORK_DAYS, directory, 100_000_000)
    assert found.problems == () and found.features.values.tobytes() == expected, found.problems
    for path in directory.glob("*.features"):
        path.unlink(missing_ok=True)
"""


def test_processes_that_write_and_remove_one_entry_at_once_all_get_the_same(tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])}
    running = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env) for _ in range(3)]
    for process in running:
        _, problem = process.communicate(timeout=120)
        assert process.returncode == 0, problem
    assert list(tmp_path.glob("*.unfinished")) == []

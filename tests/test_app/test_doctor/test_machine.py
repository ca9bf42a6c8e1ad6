import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.specifiers import SpecifierSet

from agv2.app.doctor.finding import Status
from agv2.app.doctor.machine import check_clock, check_disk, check_memory, check_processors, check_python
from agv2.utils.clock import ReplayClock, SystemClock
from tests.test_packaging import PROJECT


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 11, 0), (3, 13, 5), (3, 14, 0)])
def test_a_python_is_fit_where_the_package_says_so(version: tuple[int, int, int]) -> None:
    fit = ".".join(map(str, version)) in SpecifierSet(PROJECT["requires-python"])
    finding = check_python(version, is_64_bit=True)
    assert (finding.status is Status.OK) == fit
    assert bool(finding.remedy) != fit


def test_a_32_bit_python_is_not() -> None:
    assert check_python((3, 12, 1), is_64_bit=False).status is Status.FAILED


def test_this_machine_is_told_of() -> None:
    assert check_processors().status in (Status.OK, Status.WARNING)
    assert check_memory().detail.endswith(" GB")


def test_little_memory_is_a_warning() -> None:
    assert check_memory(8_000_000_000).status is Status.OK
    assert check_memory(1_000_000_000).status is Status.WARNING


@pytest.mark.parametrize(
    ("free", "status"),
    [(100_000_000, Status.FAILED), (3_000_000_000, Status.WARNING), (6_000_000_000, Status.OK)],
)
def test_room_is_held_against_what_the_caches_may_take(
    free: int, status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def disk_usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    finding = check_disk(tmp_path / "not/yet", 4_000_000_000)
    assert finding.status is status
    assert asked == [tmp_path]


def test_a_clock_that_stands_before_the_installation_is_wrong() -> None:
    assert check_clock(SystemClock()).status is Status.OK
    finding = check_clock(ReplayClock(0))
    assert finding.status is Status.FAILED
    assert finding.detail.startswith("1970-01-01 00:00:00 UTC, which is before")

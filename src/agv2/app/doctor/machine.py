"""The machine itself: Python, processors, memory, disk, clock."""

import datetime
import os
import platform
import shutil
import sys
import zoneinfo
from pathlib import Path

from agv2.app.doctor.finding import Finding, Status
from agv2.app.doctor.folders import nearest_folder
from agv2.utils.clock import Clock

__all__ = ["check_clock", "check_disk", "check_memory", "check_processors", "check_python"]

_OLDEST, _FIRST_UNTRIED = (3, 11), (3, 14)
_LEAST_FREE_BYTES = 200_000_000
_WORK_BYTES = 1_000_000_000
"""Room for bars, models and runs beside the caches."""
_SCANT_MEMORY_BYTES = 2_000_000_000
_DAY_NS = 86_400_000_000_000


def check_python(version: tuple[int, ...] = sys.version_info[:3], *, is_64_bit: bool = sys.maxsize > 2**32) -> Finding:
    """Whether this Python is one that AGV2 is made for.

    Args:
        version: major, minor and the rest.
        is_64_bit: torch and numba have no other builds.
    """
    text = f"{'.'.join(map(str, version))} ({platform.python_implementation()}, {platform.machine()})"
    wanted = "install a 64-bit Python 3.11, 3.12 or 3.13 and run `python bootstrap.py install` with it"
    fit = _OLDEST <= version[:2] < _FIRST_UNTRIED and is_64_bit
    return Finding(Status.OK, text) if fit else Finding(Status.FAILED, text, wanted)


def check_processors() -> Finding:
    """How many processors this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if usable > 1:
        return Finding(Status.OK, f"{usable} usable")
    return Finding(Status.WARNING, "1 usable", "everything works, slowly: `--profile quick` suits such a machine")


def check_memory(total_bytes: int | None = None) -> Finding:
    """Whether there is memory enough for a run.

    Args:
        total_bytes: of the machine or of its container; None: ask the system.
    """
    total = _total_memory() if total_bytes is None else total_bytes
    if total is None:
        return Finding(Status.WARNING, "this system does not say how much there is")
    text = f"{total / 1e9:.1f} GB"
    if total >= _SCANT_MEMORY_BYTES:
        return Finding(Status.OK, text)
    return Finding(Status.WARNING, text, "a run may be stopped by the system; use shorter histories, or more memory")


def check_disk(home: Path, cache_bytes: int) -> Finding:
    """Whether there is room where AGV2 keeps its data.

    Args:
        home: may not exist yet.
        cache_bytes: what its caches may grow to.
    """
    folder = nearest_folder(home)
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(Status.FAILED, f"{folder}: {error.strerror}", "set AGV2_HOME to a folder on a working disk")
    text, wanted = f"{free / 1e9:.1f} GB free at {home}", cache_bytes + _WORK_BYTES
    remedy = (
        "free some space, set AGV2_HOME to another disk, or lower AGV2_FEATURE_CACHE_MB and AGV2_EMBEDDING_CACHE_MB"
    )
    if free < _LEAST_FREE_BYTES:
        return Finding(Status.FAILED, text, remedy)
    if free < wanted:
        return Finding(Status.WARNING, f"{text}; caches and work may take {wanted / 1e9:.1f} GB", remedy)
    return Finding(Status.OK, text)


def check_clock(clock: Clock) -> Finding:
    """Whether the clock can be right, and time zones are known; the venue's word on it is another check.

    Args:
        clock: this machine's.
    """
    now_ns = clock.now_ns()
    text = f"{datetime.datetime.fromtimestamp(now_ns // 10**9, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
    # Nobody can have installed these files later than now.
    if now_ns < Path(__file__).stat().st_mtime_ns - _DAY_NS:
        remedy = "set the clock and let the system keep it (Linux: timedatectl set-ntp true)"
        return Finding(Status.FAILED, f"{text}, which is before AGV2 was installed", remedy)
    try:
        zoneinfo.ZoneInfo("America/New_York")
    except zoneinfo.ZoneInfoNotFoundError:
        return Finding(Status.FAILED, f"{text}; there is no time zone data", "pip install tzdata")
    return Finding(Status.OK, text)


def _total_memory() -> int | None:
    """The machine's, or less where its container may have less."""
    limits: list[int] = []
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no container, or one without a limit
            continue
    return min(limits, default=None)

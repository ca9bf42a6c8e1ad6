"""Where a bar lies in the trading day and week: sessions and cyclic time."""

import functools
import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.jit import kernel
from agv2.core.timeframes import utc_offset_ns

__all__ = ["SESSIONS", "CyclicTime", "day_of_week", "session_flags", "time_of_day"]

SESSIONS = {
    "asia": ("Asia/Tokyo", 9, 18),
    "london": ("Europe/London", 8, 17),
    "new_york": ("America/New_York", 8, 17),
}
"""Zone and local opening and closing hour of each session; weekdays only."""

_CLOCK_ZONE = "America/New_York"  # the clock that metals, indices and FX roll by
_NS_PER_MINUTE = 60_000_000_000
_NS_PER_HOUR = 60 * _NS_PER_MINUTE
_NS_PER_DAY = 24 * _NS_PER_HOUR
_HOURS_PER_BLOCK = 8760
_NS_PER_BLOCK = _HOURS_PER_BLOCK * _NS_PER_HOUR
_THURSDAY = 3  # 1970-01-01, Monday being 0

# From the scalar functions: numpy's vector ones may differ in the last bit with an element's place in the array.
_DAY_SINE = np.array([math.sin(2 * math.pi * minute / 1440) for minute in range(1440)])
_DAY_COSINE = np.array([math.cos(2 * math.pi * minute / 1440) for minute in range(1440)])
_WEEK_SINE = np.array([math.sin(2 * math.pi * day / 7) for day in range(7)])
_WEEK_COSINE = np.array([math.cos(2 * math.pi * day / 7) for day in range(7)])


class CyclicTime(NamedTuple):
    """A repeating moment as a point on the unit circle, so that the end of a cycle lies beside its start."""

    sine: FloatArray
    """(n_bars,) in [-1, 1]."""
    cosine: FloatArray
    """(n_bars,) in [-1, 1]."""


def session_flags(ts_ns: IntArray, session: str) -> FloatArray:
    """1 for bars that open while `session` is open in its own zone's time, else 0.

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC.
        session: a key of `SESSIONS`.

    Returns:
        (n_bars,) 0 or 1; summer time is that of the session's zone.

    Known at: the open of bar t.
    """
    zone, opens_hour, closes_hour = SESSIONS[session]
    return _flags(ts_ns, _zone_offsets(ts_ns, zone), opens_hour * 60, closes_hour * 60)


def time_of_day(ts_ns: IntArray) -> CyclicTime:
    """New York time of day at which each bar opens, midnight at (0, 1).

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC.

    Known at: the open of bar t.
    """
    return _minutes_on_circle(ts_ns, _zone_offsets(ts_ns, _CLOCK_ZONE), _DAY_SINE, _DAY_COSINE)


def day_of_week(ts_ns: IntArray) -> CyclicTime:
    """New York weekday on which each bar opens, Monday at (0, 1).

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC.

    Known at: the open of bar t.
    """
    return _weekdays_on_circle(ts_ns, _zone_offsets(ts_ns, _CLOCK_ZONE), _WEEK_SINE, _WEEK_COSINE)


class _ZoneOffsets(NamedTuple):
    """Local time minus UTC at each hour from the first on."""

    first_hour: int
    offset_ns: IntArray


def _zone_offsets(ts_ns: IntArray, zone: str) -> _ZoneOffsets:
    """Offsets at all hours from the earliest stamp to the latest."""
    if ts_ns.size == 0:
        return _ZoneOffsets(0, np.zeros(0, dtype=np.int64))
    first, last = (int(moment) // _NS_PER_BLOCK for moment in (ts_ns.min(), ts_ns.max()))
    blocks = [_block_offsets(block, zone) for block in range(first, last + 1)]
    return _ZoneOffsets(first * _HOURS_PER_BLOCK, np.concatenate(blocks))


@functools.lru_cache(maxsize=1024)
def _block_offsets(block: int, zone: str) -> IntArray:
    """Offsets at the hours of a block; asking the zone's rules costs more than all the rest."""
    hours = block * _HOURS_PER_BLOCK + np.arange(_HOURS_PER_BLOCK, dtype=np.int64)
    return utc_offset_ns(hours * _NS_PER_HOUR, zone)


@kernel
def _local_ns(ts_ns: int, offsets: _ZoneOffsets) -> int:
    """The same moment on the zone's wall clock."""
    return ts_ns + offsets.offset_ns[ts_ns // _NS_PER_HOUR - offsets.first_hour]  # type: ignore[no-any-return]


@kernel
def _flags(ts_ns: IntArray, offsets: _ZoneOffsets, opens_minute: int, closes_minute: int) -> FloatArray:
    flags = np.empty(ts_ns.size)
    for t in range(ts_ns.size):
        local_ns = _local_ns(ts_ns[t], offsets)
        day = local_ns // _NS_PER_DAY
        minute = (local_ns - day * _NS_PER_DAY) // _NS_PER_MINUTE
        is_open = opens_minute <= minute < closes_minute and (day + _THURSDAY) % 7 < 5
        flags[t] = 1.0 if is_open else 0.0
    return flags


@kernel
def _minutes_on_circle(ts_ns: IntArray, offsets: _ZoneOffsets, sine: FloatArray, cosine: FloatArray) -> CyclicTime:
    found = CyclicTime(np.empty(ts_ns.size), np.empty(ts_ns.size))
    for t in range(ts_ns.size):
        local_ns = _local_ns(ts_ns[t], offsets)
        minute = local_ns % _NS_PER_DAY // _NS_PER_MINUTE
        found.sine[t] = sine[minute]
        found.cosine[t] = cosine[minute]
    return found


@kernel
def _weekdays_on_circle(ts_ns: IntArray, offsets: _ZoneOffsets, sine: FloatArray, cosine: FloatArray) -> CyclicTime:
    found = CyclicTime(np.empty(ts_ns.size), np.empty(ts_ns.size))
    for t in range(ts_ns.size):
        weekday = (_local_ns(ts_ns[t], offsets) // _NS_PER_DAY + _THURSDAY) % 7
        found.sine[t] = sine[weekday]
        found.cosine[t] = cosine[weekday]
    return found

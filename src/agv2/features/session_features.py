"""Where a bar lies in the trading day and week: sessions and cyclic time."""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
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
_NS_PER_DAY = 1440 * _NS_PER_MINUTE
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
    minute, weekday = _local_clock(ts_ns, zone)
    is_open = (minute >= opens_hour * 60) & (minute < closes_hour * 60) & (weekday < 5)
    return is_open.astype(np.float64)


def time_of_day(ts_ns: IntArray) -> CyclicTime:
    """New York time of day at which each bar opens, midnight at (0, 1).

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC.

    Known at: the open of bar t.
    """
    minute, _ = _local_clock(ts_ns, _CLOCK_ZONE)
    return CyclicTime(_DAY_SINE[minute], _DAY_COSINE[minute])


def day_of_week(ts_ns: IntArray) -> CyclicTime:
    """New York weekday on which each bar opens, Monday at (0, 1).

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC.

    Known at: the open of bar t.
    """
    _, weekday = _local_clock(ts_ns, _CLOCK_ZONE)
    return CyclicTime(_WEEK_SINE[weekday], _WEEK_COSINE[weekday])


def _local_clock(ts_ns: IntArray, zone: str) -> tuple[IntArray, IntArray]:
    """Minute of the day and weekday (Monday 0) on the wall clock of `zone`."""
    local_ns = ts_ns + utc_offset_ns(ts_ns, zone)
    day = local_ns // _NS_PER_DAY
    return (local_ns - day * _NS_PER_DAY) // _NS_PER_MINUTE, (day + _THURSDAY) % 7

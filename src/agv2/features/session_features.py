"""Where a bar lies in the trading day and week: sessions and cyclic time."""

import functools
import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.jit import kernel
from agv2.core.timeframes import utc_offset_ns

__all__ = ["DAY_WAVES", "SESSIONS", "bar_clock", "session_flags"]

SESSIONS = {
    "asia": ("Asia/Tokyo", 9, 18),
    "london": ("Europe/London", 8, 17),
    "new_york": ("America/New_York", 8, 17),
}
"""Zone and local opening and closing hour of each session; weekdays only."""

DAY_WAVES = 4
"""Waves of a day, the shortest of six hours: what belongs to three hours of the day is a sum of them."""

_CLOCK_ZONE = "America/New_York"  # the clock that metals, indices and FX roll by
_NS_PER_MINUTE = 60_000_000_000
_NS_PER_HOUR = 60 * _NS_PER_MINUTE
_HOURS_PER_BLOCK = 8760
_NS_PER_BLOCK = _HOURS_PER_BLOCK * _NS_PER_HOUR
_DAY_MINUTES = 1440
_WEEK_MINUTES = 7 * _DAY_MINUTES
_THURSDAY = 3 * _DAY_MINUTES  # 1970-01-01, Monday being 0


class BarClock(NamedTuple):
    """What the stamps of bars say; each cycle is a circle, so that its end lies beside its start."""

    session_flags: FloatArray
    """(n_sessions, n_bars) 1 for bars that open while the session is open, else 0."""
    time_of_day: FloatArray
    """(2 * DAY_WAVES, n_bars) sine and cosine of the New York time of day, midnight at (0, 1), then of waves that come
    twice a day, three times and so on."""
    day_of_week: FloatArray
    """(2, n_bars) sine and cosine of the New York weekday, Monday at (0, 1)."""


def session_flags(ts_ns: IntArray, session: str) -> FloatArray:
    """1 for bars that open while `session` is open in its own zone's time, else 0.

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC.
        session: a key of `SESSIONS`.

    Returns:
        (n_bars,) 0 or 1; summer time is that of the session's zone.

    Known at: the open of bar t.
    """
    flags: FloatArray = bar_clock(ts_ns).session_flags[list(SESSIONS).index(session)]
    return flags


def bar_clock(ts_ns: IntArray) -> BarClock:
    """Sessions and New York time at which each bar opens.

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC.

    Known at: the open of bar t.
    """
    zones = [zone for zone, _, _ in SESSIONS.values()] + (2 * DAY_WAVES + 2) * [_CLOCK_ZONE]
    distinct = sorted(set(zones))
    zone_of_column = np.array([distinct.index(zone) for zone in zones])
    first_hour, offsets_ns = _zone_offsets(ts_ns, tuple(distinct))
    columns = _looked_up(ts_ns, first_hour, offsets_ns, _week_tables(), zone_of_column)
    return BarClock(columns[: len(SESSIONS)], columns[len(SESSIONS) : -2], columns[-2:])


@functools.cache
def _week_tables() -> FloatArray:
    """(columns, minutes of a week and an hour) flag of each session, sine and cosine of the day and of the week."""
    minutes = np.arange(_WEEK_MINUTES + 60) % _WEEK_MINUTES  # an hour may begin in one week and end in the next
    hour, weekday = minutes % _DAY_MINUTES // 60, minutes // _DAY_MINUTES
    flags = [(opens <= hour) & (hour < closes) & (weekday < 5) for _, opens, closes in SESSIONS.values()]
    waves = [_circle(_DAY_MINUTES)[:, wave * minutes % _DAY_MINUTES] for wave in range(1, DAY_WAVES + 1)]
    return np.concatenate([np.array(flags, dtype=np.float64), *waves, _circle(7)[:, weekday]])


def _circle(n_steps: int) -> FloatArray:
    """(2, n_steps) sine and cosine."""
    # From the scalar functions: numpy's vector ones may differ in the last bit with an element's place in the array.
    angles = [2 * math.pi * step / n_steps for step in range(n_steps)]
    return np.array([[math.sin(angle) for angle in angles], [math.cos(angle) for angle in angles]])


def _zone_offsets(ts_ns: IntArray, zones: tuple[str, ...]) -> tuple[int, IntArray]:
    """First hour since 1970, and (zones, hours) local time minus UTC at it and all others up to the latest stamp."""
    if ts_ns.size == 0:
        return 0, np.zeros((len(zones), 0), dtype=np.int64)
    first, last = (int(moment) // _NS_PER_BLOCK for moment in (ts_ns.min(), ts_ns.max()))
    return first * _HOURS_PER_BLOCK, _block_offsets(first, last, zones)


@functools.lru_cache(maxsize=256)
def _block_offsets(first: int, last: int, zones: tuple[str, ...]) -> IntArray:
    """Offsets at the hours of some blocks; asking the zones' rules costs more than all the rest."""
    if first < last:
        return np.concatenate([_block_offsets(block, block, zones) for block in range(first, last + 1)], axis=1)
    hours = first * _HOURS_PER_BLOCK + np.arange(_HOURS_PER_BLOCK, dtype=np.int64)
    return np.array([utc_offset_ns(hours * _NS_PER_HOUR, zone) for zone in zones])


@kernel
def _looked_up(
    ts_ns: IntArray, first_hour: int, offsets_ns: IntArray, tables: FloatArray, zone_of_column: IntArray
) -> FloatArray:
    """(columns, n_bars) what each table says of the minute of the week on the wall clock of its zone."""
    n_zones = offsets_ns.shape[0]
    columns = np.empty((tables.shape[0], ts_ns.size))
    week_minutes = np.empty((n_zones, ts_ns.size), dtype=np.int64)
    at_hour = np.zeros(n_zones, dtype=np.int64)
    hour_began_ns = 0
    known = False
    for t in range(ts_ns.size):
        since_ns = ts_ns[t] - hour_began_ns
        # Most bars lie in the hour of the one before.
        if not known or since_ns < 0 or since_ns >= _NS_PER_HOUR:
            hour = ts_ns[t] // _NS_PER_HOUR
            hour_began_ns = hour * _NS_PER_HOUR
            since_ns = ts_ns[t] - hour_began_ns
            known = True
            for zone in range(n_zones):
                local_ns = hour_began_ns + offsets_ns[zone, hour - first_hour]
                at_hour[zone] = (local_ns // _NS_PER_MINUTE + _THURSDAY) % _WEEK_MINUTES
        minute = since_ns // _NS_PER_MINUTE
        for zone in range(n_zones):
            week_minutes[zone, t] = at_hour[zone] + minute
    for j in range(tables.shape[0]):
        table = tables[j]
        minutes = week_minutes[zone_of_column[j]]
        column = columns[j]
        for t in range(ts_ns.size):
            column[t] = table[minutes[t]]
    return columns

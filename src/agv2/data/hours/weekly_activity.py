"""The hours in which a file has bars, week after week, year by year."""

import math
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.timeframes import Timeframe, utc_offset_ns

__all__ = ["ActiveSpan", "active_spans"]

_NS_PER_MINUTE = 60_000_000_000
_MINUTES_PER_HOUR = 60
_MINUTES_PER_DAY = 1440
_MINUTES_PER_WEEK = 7 * _MINUTES_PER_DAY
_FIRST_SUNDAY = 3  # 1970-01-04
_NEW_YORK = "America/New_York"
_SLOT_MINUTES = (1, 5, 15, 30, 60)
_REGULAR = 0.9
_MANY_WEEKS = 4


@dataclass(frozen=True, slots=True)
class ActiveSpan:
    """One or more years of a file, and the sessions that its bars show."""

    years: tuple[int, ...]
    """Those that have bars."""
    start_ns: int
    """Nanoseconds UTC, as are the next three."""
    stop_ns: int
    open_ns: IntArray
    """(n_sessions,) between start_ns and stop_ns."""
    close_ns: IntArray
    """(n_sessions,)."""
    active_weeks: IntArray
    """(n_weeks,) numbers of the weeks that have bars, as `week_of` counts them."""
    zone: str
    """IANA zone in whose clock the hours repeat."""

    @property
    def is_long(self) -> bool:
        """Whether there are enough weeks to tell a habit from chance."""
        return self.active_weeks.size >= _MANY_WEEKS

    def week_of(self, ts_ns: IntArray) -> IntArray:
        """Week of each moment, from Sunday on."""
        return (_local_minutes(ts_ns, self.zone) - _FIRST_SUNDAY * _MINUTES_PER_DAY) // _MINUTES_PER_WEEK


def active_spans(ts_ns: IntArray, timeframe: Timeframe) -> list[ActiveSpan]:
    """Sessions that the bars show by themselves.

    A week is cut into slots of local time. A slot is open in a year if at least half of the year's weeks that have
    any bar have one there. Slots are as long as the bars, or longer (5m to 1h) where bars come only now and then, so
    that a thin market is not taken for one that is closed every other minute. A year of less than four active weeks
    is taken together with its neighbour; a file of less than four weeks in all has no break shorter than an hour.

    Local time is New York's, where the trading day rolls, unless bars longer than an hour keep to UTC.

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC, rising.
        timeframe: length of the bars.

    Returns:
        Spans that follow each other without a gap, oldest first; empty without bars.
    """
    if ts_ns.size == 0:
        return []
    base = math.gcd(timeframe.minutes, _MINUTES_PER_HOUR)
    zone = _habitual_zone(ts_ns, base) if timeframe.minutes > _MINUTES_PER_HOUR else _NEW_YORK
    opens = _local_minutes(ts_ns, zone) - _FIRST_SUNDAY * _MINUTES_PER_DAY
    years = _years(ts_ns, zone)
    groups = _groups(years, opens // _MINUTES_PER_WEEK)
    bounds = [int(ts_ns[0]), *(_year_start(group[0], zone) for group in groups[1:])]
    bounds.append(int(ts_ns[-1]) + timeframe.nanoseconds)
    spans = []
    for group, start_ns, stop_ns in zip(groups, bounds[:-1], bounds[1:], strict=True):
        inside = opens[np.isin(years, group)]
        # Every cell of `base` minutes that a bar covers.
        covered = (inside // base * base + np.arange(0, timeframe.minutes, base)[:, None]).ravel()
        runs = _open_runs(covered, base)
        open_ns, close_ns = _repeated(runs, zone, start_ns, stop_ns)
        spans.append(
            ActiveSpan(group, start_ns, stop_ns, open_ns, close_ns, np.unique(inside // _MINUTES_PER_WEEK), zone)
        )
    return spans


def _local_minutes(ts_ns: IntArray, zone: str) -> IntArray:
    minutes: IntArray = (ts_ns + utc_offset_ns(ts_ns, zone)) // _NS_PER_MINUTE
    return minutes


def _years(ts_ns: IntArray, zone: str) -> IntArray:
    days = _local_minutes(ts_ns, zone) // _MINUTES_PER_DAY
    years: IntArray = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return years


def _year_start(year: int, zone: str) -> int:
    local_ns = np.datetime64(f"{year}-01-01", "ns").astype(np.int64)
    return int(_to_utc(np.array([local_ns // _NS_PER_MINUTE]), zone)[0])


def _to_utc(local_minutes: IntArray, zone: str) -> IntArray:
    local_ns = local_minutes * _NS_PER_MINUTE
    guess = local_ns - utc_offset_ns(local_ns, zone)
    moments: IntArray = local_ns - utc_offset_ns(guess, zone)
    return moments


def _habitual_zone(ts_ns: IntArray, base: int) -> str:
    """The zone in whose clock the bars open at fewer times of the week."""
    n_slots = {
        zone: np.unique(_local_minutes(ts_ns, zone) % _MINUTES_PER_WEEK // base).size for zone in (_NEW_YORK, "UTC")
    }
    return min(n_slots, key=lambda zone: n_slots[zone])


def _groups(years: IntArray, weeks: IntArray) -> list[tuple[int, ...]]:
    """Years in groups of at least four active weeks, as long as there are so many."""
    groups: list[tuple[int, ...]] = []
    open_group: tuple[int, ...] = ()
    for year in np.unique(years).tolist():
        open_group = (*open_group, year)
        if np.unique(weeks[np.isin(years, open_group)]).size >= _MANY_WEEKS:
            groups.append(open_group)
            open_group = ()
    if open_group:
        before = groups.pop() if groups else ()
        groups.append((*before, *open_group))
    return groups


def _open_runs(covered: IntArray, base: int) -> IntArray:
    """(n_runs, 2) first minute and end of each stretch of the week that is open."""
    widths = [base, *(width for width in _SLOT_MINUTES if width > base and width % base == 0)]
    n_weeks = np.unique(covered // _MINUTES_PER_WEEK).size
    weeks_by_slot = [_weeks_by_slot(covered, width) for width in widths]
    # How many of the weeks have a bar where one of them has one. Longer slots gain where bars come now and then, not
    # where days are missing.
    regularity = [float((weeks**2).sum() / (weeks.sum() * n_weeks)) for weeks in weeks_by_slot]
    chosen = next(i for i in range(len(widths)) if regularity[i] >= _REGULAR * regularity[-1])
    width = widths[chosen]
    is_open = 2 * weeks_by_slot[chosen] >= n_weeks
    edges = np.diff(np.concatenate([[False], is_open, [False]]).astype(np.int8))
    runs = np.column_stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)]) * width
    if n_weeks < _MANY_WEEKS:
        apart = runs[1:, 0] - runs[:-1, 1] >= _MINUTES_PER_HOUR
        runs = np.column_stack([runs[np.r_[True, apart], 0], runs[np.r_[apart, True], 1]]) if len(runs) else runs
    return runs


def _weeks_by_slot(covered: IntArray, width: int) -> IntArray:
    """In how many weeks each slot of `width` minutes has a bar."""
    first = int(covered.min()) // width
    present = np.flatnonzero(np.bincount(covered // width - first)) + first
    n_slots = _MINUTES_PER_WEEK // width
    return np.bincount(present % n_slots, minlength=n_slots)


def _repeated(runs: IntArray, zone: str, start_ns: int, stop_ns: int) -> tuple[IntArray, IntArray]:
    """The runs of every week from start_ns to stop_ns, in UTC; what touches is joined."""
    first, last = _local_minutes(np.array([start_ns, stop_ns], dtype=np.int64), zone) - _FIRST_SUNDAY * _MINUTES_PER_DAY
    weeks = np.arange(first // _MINUTES_PER_WEEK, last // _MINUTES_PER_WEEK + 1) * _MINUTES_PER_WEEK
    local = weeks[:, None, None] + runs[None, :, :] + _FIRST_SUNDAY * _MINUTES_PER_DAY
    utc = np.clip(_to_utc(local.reshape(-1), zone), start_ns, stop_ns).reshape(-1, 2)
    utc = utc[utc[:, 0] < utc[:, 1]]
    apart = utc[1:, 0] > utc[:-1, 1]
    if len(utc) == 0:
        return utc[:, 0], utc[:, 1]
    return utc[np.r_[True, apart], 0], utc[np.r_[apart, True], 1]

"""Hours that a feed quotes at some times and not at others, or never although its market is open."""

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import utc_offset_ns
from agv2.data.quality.config import QualityConfig
from agv2.data.quality.findings import Finding, Place, Severity
from agv2.data.sessions import Sessions

__all__ = ["check_habits", "closed_hours"]

_NS_PER_HOUR = 3_600_000_000_000
_NS_PER_DAY = 24 * _NS_PER_HOUR
_NEW_YORK = "America/New_York"
_LEAST_DAYS = 5  # with bars, for a month to count
_QUOTED = 0.5  # of a month's days with a bar in an hour, for the hour to be one that the file quotes
_LONGEST_MINUTES = 240  # of a bar that still tells hours apart


def check_habits(bars: Bars, calendar: Sessions | None, settings: QualityConfig) -> list[Finding]:
    """Hours of the day that are missing for months although the file has them at other times.

    Args:
        bars: strictly rising stamps.
        calendar: the market's own sessions, so that a pause which began one year is none; None: it has no calendar.
        settings: `gaps`.
    """
    if bars.timeframe.minutes > _LONGEST_MINUTES or len(bars) == 0:
        return []
    months, coverage, days = _coverage(bars)
    counted = days >= _LEAST_DAYS
    if counted.sum() < settings.gaps.habit_months + 1:
        return []
    months, coverage, days = months[counted], coverage[counted], days[counted]
    least = settings.gaps.habit_months
    quoted = (coverage >= _QUOTED).sum(axis=0) >= least
    if calendar is not None:
        quoted &= _open_hours(calendar, int(bars.ts_ns[0]), int(bars.close_ns[-1]))
    absent: BoolArray = (coverage < settings.gaps.habit_coverage) & quoted
    absent = _lasting(absent, least)
    if not absent.any():
        return []
    lost_days = int(days[absent.any(axis=1)].sum())
    spans = _spans(months, absent)
    places = [
        Place(
            int(np.datetime64(int(months[first]), "M").astype("datetime64[ns]").astype(np.int64)),
            f"no bars at {_hours_text(hours)} New York from {_month(months[first])} to {_month(months[last])}",
        )
        for first, last, hours in spans[:5]
    ]
    share = float(absent[:, quoted].sum() / absent[:, quoted].size)
    evidence = f"{places[0].value}; the file has these hours at other times"
    return [Finding("absent_sessions", Severity.WARNING, lost_days, share, tuple(places), evidence)]


def closed_hours(bars: Bars, calendar: Sessions) -> list[Finding]:
    """Hours of the week in which the market's calendar is open and the file never has a bar.

    Args:
        bars: strictly rising stamps.
        calendar: the market's own sessions over the span of the bars.
    """
    if len(bars) == 0 or bars.timeframe.minutes > _LONGEST_MINUTES:
        return []
    first = int(bars.ts_ns[0]) // _NS_PER_HOUR * _NS_PER_HOUR
    grid = np.arange(first, int(bars.close_ns[-1]), _NS_PER_HOUR, dtype=np.int64)
    minute = grid + utc_offset_ns(grid, _NEW_YORK)
    slot = (minute // _NS_PER_HOUR + 4 * 24) % 168
    is_open = calendar.is_open(grid)
    has_bar = np.zeros(grid.size, dtype=np.bool_)
    for hour in range(max(1, bars.timeframe.minutes // 60)):
        where = (bars.ts_ns + hour * _NS_PER_HOUR - first) // _NS_PER_HOUR
        has_bar[where[where < grid.size]] = True
    opened = np.bincount(slot[is_open], minlength=168)
    filled = np.bincount(slot[is_open & has_bar], minlength=168)
    never = (opened >= 3) & (filled <= 0.02 * opened)
    if not never.any():
        return []
    lost = int(opened[never].sum())
    hours = np.flatnonzero(never)
    text = f"{hours.size} hours a week of the calendar never have a bar: {_week_text(hours)} New York"
    weeks = max(int(opened[never].max()), 1)
    place = Place(int(bars.ts_ns[0]), text)
    return [Finding("absent_sessions", Severity.WARNING, weeks, lost / max(int(is_open.sum()), 1), (place,), text)]


def _coverage(bars: Bars) -> tuple[IntArray, FloatArray, IntArray]:
    """Months with bars, (n_months, 24) share of each month's weekdays with a bar in each local hour, days a month."""
    hours = max(1, bars.timeframe.minutes // 60)
    stamps = np.concatenate([bars.ts_ns + hour * _NS_PER_HOUR for hour in range(hours)])
    local = stamps + utc_offset_ns(stamps, _NEW_YORK)
    local = local[(local // _NS_PER_DAY + 3) % 7 < 5]
    cells = np.unique(local // _NS_PER_HOUR)
    dates = np.unique(cells // 24)
    month_of = dates.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    months, days = np.unique(month_of, return_counts=True)
    cell_month = (cells // 24).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    where = np.searchsorted(months, cell_month) * 24 + cells % 24
    counts = np.bincount(where, minlength=months.size * 24).reshape(-1, 24)
    return months, counts / days[:, None], days.astype(np.int64)


def _open_hours(calendar: Sessions, start_ns: int, stop_ns: int) -> BoolArray:
    """(24,) whether the calendar is open in each local hour on most weekdays."""
    grid = np.arange(start_ns // _NS_PER_HOUR * _NS_PER_HOUR, stop_ns, _NS_PER_HOUR, dtype=np.int64)
    hour = (grid + utc_offset_ns(grid, _NEW_YORK)) // _NS_PER_HOUR
    weekday = (hour // 24 + 3) % 7 < 5
    is_open = np.bincount(hour[weekday] % 24, weights=calendar.is_open(grid[weekday]), minlength=24)
    total = np.bincount(hour[weekday] % 24, minlength=24)
    often: BoolArray = 2 * is_open >= np.maximum(total, 1)
    return often


def _lasting(absent: BoolArray, least: int) -> BoolArray:
    """Only stretches of `least` months in a row and more."""
    kept = np.zeros_like(absent)
    for hour in range(absent.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], absent[:, hour], [False]]).astype(np.int8)))
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if last - first >= least:
                kept[first:last, hour] = True
    return kept


def _spans(months: IntArray, absent: BoolArray) -> list[tuple[int, int, IntArray]]:
    """Stretches of months with absent hours as (first, last, hours), the longest first."""
    some = absent.any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], some, [False]]).astype(np.int8)))
    spans = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        mostly = absent[first:last].mean(axis=0) >= 0.5
        hours = np.flatnonzero(mostly if mostly.any() else absent[first:last].any(axis=0))
        spans.append((first, last - 1, hours))
    return sorted(spans, key=lambda span: span[0] - span[1])


def _hours_text(hours: IntArray) -> str:
    """Hours of the day as spans, one that crosses midnight in one piece: 18:00–02:00, 17:00–18:00."""
    present = set(hours.tolist())
    if len(present) == 24:
        return "any hour"
    texts = []
    for hour in sorted(present):
        if (hour - 1) % 24 not in present:
            end = hour
            while (end + 1) % 24 in present:
                end = (end + 1) % 24
            texts.append(f"{hour:02d}:00–{(end + 1) % 24:02d}:00")
    return ", ".join(texts)


def _week_text(hours: IntArray) -> str:
    """Hours of the week, from Sunday 0:00, as spans, the longest first."""
    names = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
    present = set(hours.tolist())
    spans = []
    for hour in sorted(present):
        if (hour - 1) % 168 not in present:
            length = 1
            while (hour + length) % 168 in present and length < 168:
                length += 1
            spans.append((length, hour, (hour + length) % 168))
    texts = [
        f"{names[first // 24]} {first % 24:02d}:00 to {names[stop // 24]} {stop % 24:02d}:00"
        for _, first, stop in sorted(spans, key=lambda span: -span[0])
    ]
    return ", ".join(texts[:4]) + (f" and {len(texts) - 4} more" if len(texts) > 4 else "")


def _month(number: int) -> str:
    return str(np.datetime64(int(number), "M"))

"""Numbers into the rectangles and paths of the quality page."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import utc_offset_ns
from agv2.data.parquet_columns import moment_text
from agv2.data.quality.coverage_checks import expected_bars
from agv2.data.quality.findings import Severity
from agv2.data.quality_checks import QualityReport
from agv2.data.sessions import Sessions

__all__ = ["ActivityBar", "CoverageYear", "PriceLine", "activity_week", "coverage_years", "price_line"]

_NS_PER_HOUR = 3_600_000_000_000
_NS_PER_DAY = 24 * _NS_PER_HOUR
_POINTS = 900
_LEVELS = (0.0, 0.5, 0.9, 0.98)  # of the day's expected bars, above which each shade begins


@dataclass(frozen=True, slots=True)
class CoverageDay:
    """One cell: its place in the year's grid, its shade, and what to say about it."""

    week: int
    weekday: int
    shade: str
    title: str


@dataclass(frozen=True, slots=True)
class CoverageYear:
    """One row of the calendar."""

    year: int
    days: tuple[CoverageDay, ...]
    months: tuple[tuple[int, str], ...]
    """Week in which each month begins, and its name."""


@dataclass(frozen=True, slots=True)
class PriceMark:
    """Where a finding lies on the price line, per cent of its width."""

    across: float
    severity: str
    title: str


@dataclass(frozen=True, slots=True)
class PriceLine:
    """Closes over time in a square of 1000 by 1000, broken where bars are missing for long."""

    path: str
    lowest: str
    highest: str
    first: str
    last: str
    marks: tuple[PriceMark, ...]


@dataclass(frozen=True, slots=True)
class ActivityBar:
    """One hour of the week: how high its bar is, 0 to 100."""

    hour: int
    height: float
    title: str


def coverage_years(bars: Bars, sessions: Sessions) -> list[CoverageYear]:
    """A cell for each day from the first bar to the last, shaded by the share of its expected bars that are there."""
    first, last = int(bars.ts_ns[0]) // _NS_PER_DAY, int(bars.ts_ns[-1]) // _NS_PER_DAY
    edges = np.arange(first, last + 2, dtype=np.int64) * _NS_PER_DAY
    expected = expected_bars(sessions, edges, bars.timeframe.nanoseconds)
    present = np.bincount(bars.ts_ns // _NS_PER_DAY - first, minlength=last - first + 1)
    dates = np.arange(first, last + 1).astype("datetime64[D]")
    years = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    rows = []
    for year in np.unique(years).tolist():
        start = np.datetime64(f"{year}-01-01", "D").astype(np.int64)
        offset = int(start + 3) % 7  # Monday first
        days = []
        for i in np.flatnonzero(years == year).tolist():
            number = first + i - int(start) + offset
            shade, words = _shade(float(present[i]), float(expected[i]), bars.timeframe.minutes)
            days.append(CoverageDay(number // 7, number % 7, shade, f"{dates[i]}: {words}"))
        months = []
        for month in range(12):
            begin = np.datetime64(f"{year}-{month + 1:02d}-01", "D").astype(np.int64)
            months.append(((int(begin - start) + offset) // 7, "JFMAMJJASOND"[month]))
        rows.append(CoverageYear(year, tuple(days), tuple(months)))
    return rows


def _shade(present: float, expected: float, minutes: int) -> tuple[str, str]:
    if expected < 0.5 and present == 0:
        return "closed", "closed"
    if minutes >= 1440 or expected < 1.0:
        return ("c3", "there") if present else ("missing", "no bar")
    if present == 0:
        return "missing", f"none of {expected:.0f} bars"
    share = present / expected
    level = max(i for i, least in enumerate(_LEVELS) if share >= least)
    return f"c{level}", f"{present:.0f} of {expected:.0f} bars"


def price_line(report: QualityReport, bars: Bars) -> PriceLine:
    """Closes over time with a mark at each place of an error or a warning."""
    start, span = int(bars.ts_ns[0]), max(int(bars.ts_ns[-1] - bars.ts_ns[0]), 1)
    kept = _extremes(bars.close)
    across = (bars.ts_ns[kept] - start) / span * 1000.0
    low, high = float(bars.close.min()), float(bars.close.max())
    down = 990.0 - 980.0 * (bars.close[kept] - low) / max(high - low, 1e-12)
    breaks = np.concatenate([[True], np.diff(across) > 30.0])
    path = "".join(
        f"{'M' if broken else 'L'}{x:.1f} {y:.1f}" for x, y, broken in zip(across, down, breaks, strict=True)
    )
    marks = [
        PriceMark(100.0 * (place.ts_ns - start) / span, each.severity.value.lower(), f"{each.title}: {place.value}")
        for each in report.findings
        if each.severity is not Severity.INFO
        for place in each.places
        if 0 <= place.ts_ns - start <= span
    ]
    first, last = moment_text(start)[:10], moment_text(int(bars.ts_ns[-1]))[:10]
    return PriceLine(path, f"{low:,.6g}", f"{high:,.6g}", first, last, tuple(marks))


def activity_week(bars: Bars) -> list[ActivityBar]:
    """Mean range of each hour of the week, New York time, Sunday first; nothing for bars above an hour."""
    if bars.timeframe.minutes > 60:
        return []
    local = bars.ts_ns + utc_offset_ns(bars.ts_ns, "America/New_York")
    slot = (local // _NS_PER_HOUR + 4 * 24) % 168
    ranges = np.log(bars.high / bars.low)
    weeks = max((int(bars.ts_ns[-1]) - int(bars.ts_ns[0])) / (7 * _NS_PER_DAY), 1.0)
    total = np.bincount(slot, weights=ranges, minlength=168) / weeks
    highest = max(float(np.quantile(total, 0.99)), 1e-12)
    names = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
    return [
        ActivityBar(
            hour,
            min(100.0 * float(total[hour]) / highest, 100.0),
            f"{names[hour // 24]} {hour % 24:02d}:00 New York: {1e4 * total[hour]:.1f} bp of range a week",
        )
        for hour in range(168)
    ]


def _extremes(values: FloatArray) -> IntArray:
    """Rising indices of about `_POINTS` values: the lowest and highest of each stretch."""
    if values.size <= _POINTS:
        return np.arange(values.size)
    edges = np.linspace(0, values.size, _POINTS // 2 + 1).astype(np.int64)
    kept = {0, values.size - 1}
    for first, last in pairwise(edges.tolist()):
        stretch = values[first:last]
        kept.update((first + int(stretch.argmin()), first + int(stretch.argmax())))
    return np.array(sorted(kept))

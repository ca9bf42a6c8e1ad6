"""Bars that a complete feed would have and this one has not: short holes, gaps, sessions without a bar."""

from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import utc_offset_ns
from agv2.data.parquet_columns import moment_text
from agv2.data.quality.config import QualityConfig
from agv2.data.quality.findings import Finding, Place, Severity, finding
from agv2.data.sessions import Sessions

__all__ = ["Coverage", "check_coverage", "coverage_of", "expected_bars"]

_NS_PER_MINUTE = 60_000_000_000
_MINUTES_PER_DAY = 1440
_HABIT_SHARE = 0.5  # of a file's weekdays with the same hole, for it to be the feed's own hours


@dataclass(frozen=True, slots=True)
class Coverage:
    """What lies between a file's bars, measured in the time in which its market is open."""

    missing: IntArray
    """(n_bars - 1,) bars missing between each bar and the next, those of whole absent sessions left out."""
    absent: IntArray
    """(n_bars - 1,) whole sessions between each bar and the next."""
    absent_bars: IntArray
    """(n_bars - 1,) bars that those sessions would have."""

    @property
    def expected(self) -> int:
        """Bars that a complete feed would have in the span of the file."""
        return int(self.missing.size + 1 + self.missing.sum() + self.absent_bars.sum())


def coverage_of(bars: Bars, sessions: Sessions) -> Coverage:
    """Bars and sessions missing between each bar and the next.

    Measured by the open time between a bar's close and the next bar's open, so that neither the grid of the stamps
    nor sessions that end inside a bar matter.
    """
    step = bars.timeframe.nanoseconds
    after, before = bars.close_ns[:-1], bars.ts_ns[1:]
    open_time = np.maximum(_open_before(sessions, before) - _open_before(sessions, after), 0)
    missing = open_time // step
    # Sessions that lie wholly between two bars.
    first = np.searchsorted(sessions.open_ns, after, side="left")
    last = np.searchsorted(sessions.close_ns, before, side="right")
    absent = np.maximum(last - first, 0)
    lengths = np.concatenate([[0], np.cumsum((sessions.close_ns - sessions.open_ns) // step)])
    absent_bars = np.where(absent > 0, lengths[np.maximum(last, first)] - lengths[first], 0)
    absent_bars = np.minimum(absent_bars, missing)
    return Coverage(missing - absent_bars, absent, absent_bars)


def expected_bars(sessions: Sessions, edges_ns: IntArray, step_ns: int) -> FloatArray:
    """(n_edges - 1,) bars that a complete feed would have between each edge and the next, parts of bars included."""
    expected: FloatArray = np.diff(_open_before(sessions, edges_ns)) / step_ns
    return expected


def check_coverage(bars: Bars, coverage: Coverage, settings: QualityConfig) -> list[Finding]:
    """Gaps and absent sessions, each with the longest places; short holes and a feed's own hours are information."""
    missing = coverage.missing
    long = missing >= settings.gaps.least_bars
    usual = _habitual(bars, np.where(long, missing, 0))
    found = [_gaps(bars, coverage, np.flatnonzero(long & ~usual)), _absent(bars, coverage)]
    if usual.any():
        hole = int(np.flatnonzero(usual)[0])
        text = (
            f"{int(usual.sum())} times {int(np.median(missing[usual]))} bars, such as from "
            f"{moment_text(int(bars.close_ns[hole]))}"
        )
        found.append(finding("shorter_hours", Severity.INFO, int(usual.sum()), len(bars), [], text))
    short = missing[(missing > 0) & ~long]
    if short.size:
        found.append(finding("short_holes", Severity.INFO, int(short.sum()), coverage.expected))
    return [each for each in found if each is not None]


def _gaps(bars: Bars, coverage: Coverage, gaps: IntArray) -> Finding | None:
    if gaps.size == 0:
        return None
    missing = coverage.missing
    total = int(missing[gaps].sum())
    longest = gaps[np.argsort(-missing[gaps], kind="stable")[:5]]
    places = tuple(_hole(bars, int(i), f"{int(missing[i]):,} bars") for i in longest)
    evidence = f"{total:,} of {coverage.expected:,} expected bars are missing in them"
    return Finding("gaps", Severity.WARNING, int(gaps.size), total / coverage.expected, places, evidence)


def _absent(bars: Bars, coverage: Coverage) -> Finding | None:
    holes = np.flatnonzero(coverage.absent > 0)
    if holes.size == 0:
        return None
    total, lost = int(coverage.absent.sum()), int(coverage.absent_bars.sum())
    longest = holes[np.argsort(-coverage.absent[holes], kind="stable")[:5]]
    places = tuple(_hole(bars, int(i), f"{int(coverage.absent[i]):,} sessions") for i in longest)
    evidence = f"{total:,} whole sessions without a bar" + (f", {lost:,} bars" if lost else "")
    return Finding("absent_sessions", Severity.WARNING, total, lost / coverage.expected, places, evidence)


def _hole(bars: Bars, before: int, what: str) -> Place:
    """The hole after bar `before`."""
    return Place(int(bars.close_ns[before]), f"{what}, until {moment_text(int(bars.ts_ns[before + 1]))}")


def _habitual(bars: Bars, missing: IntArray) -> BoolArray:
    """(n_bars - 1,) whether a hole comes at the same New York time on most days: the feed's own, shorter hours."""
    usual = np.zeros(missing.size, dtype=np.bool_)
    holes = np.flatnonzero(missing > 0)
    if holes.size < 5:
        return usual
    begins = bars.close_ns[:-1][holes]
    minute = (begins + utc_offset_ns(begins, "America/New_York")) // _NS_PER_MINUTE % _MINUTES_PER_DAY
    days = np.unique(bars.ts_ns // (_MINUTES_PER_DAY * _NS_PER_MINUTE)).size * 5 / 7
    _, where, counts = np.unique(minute, return_inverse=True, return_counts=True)
    for kind in np.flatnonzero(counts >= _HABIT_SHARE * days):
        own = holes[where == kind]
        usual[own[missing[own] <= 2 * np.median(missing[own])]] = True
    return usual


def _open_before(sessions: Sessions, moment_ns: IntArray) -> IntArray:
    """Open time before each moment, nanoseconds since the first session."""
    if sessions.open_ns.size == 0:
        return np.zeros(moment_ns.size, dtype=np.int64)
    total = np.concatenate([[0], np.cumsum(sessions.close_ns - sessions.open_ns)])
    which = np.searchsorted(sessions.open_ns, moment_ns, side="right") - 1
    inside = np.clip(moment_ns - sessions.open_ns[which], 0, sessions.close_ns[which] - sessions.open_ns[which])
    open_before: IntArray = np.where(which < 0, 0, total[which] + inside)
    return open_before

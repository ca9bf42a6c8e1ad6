"""When a market is open: by its calendar, or by its own bars where no calendar fits."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.data.hours.exchange_hours import exchange_hours
from agv2.data.hours.weekly_activity import ActiveSpan, active_spans

__all__ = ["Sessions", "inferred_sessions", "market_sessions", "sessions_of"]

_NAMES = {"24/7": "24/7", "fx": "fx", "metals": "metals", "index": "index futures (CME)"}
_INFERRED = "inferred from the file"
_NO_CALENDAR = "no calendar is set for this market: its sessions are inferred from the hours in which it has bars"
_OUTSIDE = 0.2
_ABSENT = 0.1
_QUARTER = Timeframe(15)
_NS_PER_MINUTE = 60_000_000_000
_NS_PER_WEEK = 7 * 1440 * _NS_PER_MINUTE
_FIRST_SUNDAY_NS = 3 * 1440 * _NS_PER_MINUTE  # 1970-01-04
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True, slots=True)
class Sessions:
    """Spans of time in which a market is open, oldest first, disjoint."""

    name: str
    """Where they come from, for a person."""
    open_ns: IntArray
    """(n_sessions,) nanoseconds UTC."""
    close_ns: IntArray
    """(n_sessions,) first moment after each session."""

    def is_open(self, ts_ns: IntArray) -> BoolArray:
        """(n,) whether each moment lies inside a session."""
        return self.touches(ts_ns, 1)

    def touches(self, ts_ns: IntArray, length_ns: int) -> BoolArray:
        """(n,) whether any part of `length_ns` from each moment on lies inside a session."""
        if self.open_ns.size == 0:
            return np.zeros(ts_ns.shape, dtype=np.bool_)
        last = np.searchsorted(self.open_ns, ts_ns + length_ns, side="left") - 1
        touching: BoolArray = (last >= 0) & (self.close_ns[np.maximum(last, 0)] > ts_ns)
        return touching

    def slots(self, timeframe: Timeframe, start_ns: int, stop_ns: int, like_ns: IntArray | None = None) -> IntArray:
        """Opens of the bars that a complete feed would have: those of which any part lies inside a session.

        Args:
            timeframe: length of the bars.
            start_ns: first moment at which one may open.
            stop_ns: first moment at which none may open any more.
            like_ns: (n_bars,) opens of a feed whose grid to follow: bars of four hours or a day begin at another
                hour with each broker, and move with its clock. None: multiples of the length since 1970.
        """
        step = timeframe.nanoseconds
        grids = [_grid(step, *each) for each in _phases(timeframe, start_ns, stop_ns, like_ns)]
        grid = np.concatenate(grids)
        slots: IntArray = grid[self.touches(grid, step)]
        return slots


def market_sessions(calendar: str, start_ns: int, stop_ns: int) -> Sessions:
    """Sessions of a calendar that overlap a span of time.

    Args:
        calendar: `24/7`, `fx`, `metals` or `index`, as in `config/markets.yaml`.
        start_ns: nanoseconds UTC.
        stop_ns: after start_ns.

    Raises:
        ConfigError: the calendar has no hours of its own.

    Source: CME Globex hours, holidays and half days of pandas_market_calendars.
    """
    open_ns, close_ns = exchange_hours(calendar, start_ns, stop_ns)
    return Sessions(_NAMES[calendar], open_ns, close_ns)


def inferred_sessions(ts_ns: IntArray, timeframe: Timeframe) -> Sessions:
    """Sessions that the bars show by themselves, year by year, from the first bar to the end of the last.

    Holidays and holes are no sessions' end: an hour is open if at least half of the year's weeks have bars in it.

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC, rising.
        timeframe: their length.
    """
    return _joined(_INFERRED, [(span.open_ns, span.close_ns) for span in active_spans(ts_ns, timeframe)])


def sessions_of(calendar: str, bars: Bars) -> tuple[Sessions, str | None]:
    """Sessions to hold `bars` against, and why they are not the calendar's where they are not.

    Year by year, bars contradict their calendar if more than a fifth of them lie outside its sessions, or if the
    slots of its sessions that stay without a bar week after week exceed those bars by more than a tenth (told only
    from four active weeks on). With the right calendar, both are 5 % at most. A clock that is hours wrong moves up to
    14 % of the bars out of the sessions and leaves as many slots empty: that is to be found, not excused. Feeds that
    close at weekends or skip the night leave 14 to 39 % empty and have nothing outside.

    Args:
        calendar: word of `config/markets.yaml`; `inferred`: there is none.
        bars: all that is known of the market, rising.

    Returns:
        The sessions from the first bar to the end of the last, and a phrase for the report; None if the calendar fits
        throughout.

    Raises:
        ConfigError: the calendar is none of those.
    """
    spans = active_spans(bars.ts_ns, bars.timeframe)
    if calendar == "inferred":
        return _joined(_INFERRED, [(span.open_ns, span.close_ns) for span in spans]), _NO_CALENDAR
    hours, contradictions = [], []
    for span in spans:
        own = market_sessions(calendar, span.start_ns, span.stop_ns)
        found = _contradiction(own, span, bars)
        if found is None:
            hours.append((np.maximum(own.open_ns, span.start_ns), np.minimum(own.close_ns, span.stop_ns)))
        else:
            hours.append((span.open_ns, span.close_ns))
            contradictions.append(found)
    if not contradictions:
        return _joined(_NAMES[calendar], hours), None
    name = _INFERRED if len(contradictions) == len(spans) else f"{_NAMES[calendar]}, in part {_INFERRED}"
    return _joined(name, hours), (
        f"the bars contradict the calendar {_NAMES[calendar]} ({_told(contradictions)}): the sessions of those years "
        "are inferred from the hours in which there are bars"
    )


class _Contradiction(NamedTuple):
    years: tuple[int, ...]
    share: float
    problem: str


def _contradiction(own: Sessions, span: ActiveSpan, bars: Bars) -> _Contradiction | None:
    first, after = np.searchsorted(bars.ts_ns, [span.start_ns, span.stop_ns])
    stamps = bars.ts_ns[first:after]
    outside = float((~own.touches(stamps, bars.timeframe.nanoseconds)).mean())
    if outside > _OUTSIDE:
        return _Contradiction(span.years, outside, "of the bars lie outside its sessions")
    length = max(bars.timeframe, _QUARTER)
    slots = own.slots(length, int(stamps[0]), int(stamps[-1]) + 1, stamps if length == bars.timeframe else None)
    slots = slots[np.isin(span.week_of(slots), span.active_weeks)]
    shown = Sessions(_INFERRED, span.open_ns, span.close_ns)
    absent = float((~shown.touches(slots, length.nanoseconds)).mean()) if slots.size else 0.0
    if span.is_long and absent - outside > _ABSENT:
        return _Contradiction(span.years, absent, "of its slots never have a bar")
    return None


def _told(contradictions: Sequence[_Contradiction]) -> str:
    """One phrase for each run of years with the same problem."""
    phrases = []
    for problem, run in itertools.groupby(contradictions, key=lambda each: each.problem):
        found = list(run)
        first, last = found[0].years[0], found[-1].years[-1]
        low, high = (f"{pick(each.share for each in found):.0%}" for pick in (min, max))
        years = f"{first}" if first == last else f"{first} to {last}"
        phrases.append(f"{years}: {low if low == high else f'{low} to {high}'} {problem}")
    return "; ".join(phrases)


def _joined(name: str, hours: Sequence[tuple[IntArray, IntArray]]) -> Sessions:
    """One run of sessions; two that touch become one."""
    if not hours:
        return Sessions(name, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    open_ns, close_ns = (np.concatenate(side) for side in zip(*hours, strict=True))
    apart = open_ns[1:] > close_ns[:-1]
    first, last = np.r_[True, apart][: open_ns.size], np.r_[apart, True][: open_ns.size]
    return Sessions(name, open_ns[first], close_ns[last])


def _phases(
    timeframe: Timeframe, start_ns: int, stop_ns: int, like_ns: IntArray | None
) -> Iterator[tuple[int, int, int]]:
    """Offset of the grid from multiples of the length, and the span in which it holds."""
    step = timeframe.nanoseconds
    if like_ns is None or like_ns.size == 0:
        yield 0, start_ns, stop_ns
        return
    if timeframe.minutes <= _MINUTES_PER_HOUR:
        yield _commonest(like_ns % step), start_ns, stop_ns
        return
    weeks = (like_ns - _FIRST_SUNDAY_NS) // _NS_PER_WEEK
    edges = np.flatnonzero(np.diff(weeks)) + 1
    phases = [_commonest(part % step) for part in np.split(like_ns, edges)]
    begins = _FIRST_SUNDAY_NS + weeks[np.r_[0, edges]] * _NS_PER_WEEK
    low, phase = start_ns, phases[0]
    for each, begin in zip(phases, begins.tolist(), strict=True):
        if each != phase and begin > low:
            yield phase, low, min(begin, stop_ns)
            low = min(begin, stop_ns)
        phase = each
    yield phase, low, stop_ns


def _grid(step: int, phase: int, low: int, high: int) -> IntArray:
    """Multiples of `step` plus `phase`, low <= moment < high; numpy's own arange counts them in floating point."""
    first = phase + -(-(low - phase) // step) * step
    return first + step * np.arange(max(-(-(high - first) // step), 0), dtype=np.int64)


def _commonest(values: IntArray) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)])

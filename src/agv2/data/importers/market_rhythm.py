"""When a market opens and closes, as its bars show it, and how far that is from when markets do."""

from typing import Literal, NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, IntArray
from agv2.data.importers.clocks import local_minutes

__all__ = ["Breaks", "EdgeFit", "breaks_of", "edge_fit", "seasons_of"]

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS
_WEEK_MINUTES = 7 * 1440
_THURSDAY = 3  # 1970-01-01, Monday being 0
_SUNDAY_17, _FRIDAY_17 = 6 * 1440 + 17 * 60, 4 * 1440 + 17 * 60
_WEEKEND_HOURS = (40.0, 62.0)  # 48 for currencies, 49 for metals, 50 for indices; a holiday beside it makes more
_OVERNIGHT_HOURS = 4.0
_LONGEST_CASH_HOURS = 10.0
_CASH = (("America/New_York", 570, 960), ("Europe/Berlin", 540, 1050))  # minutes of the day: 9:30-16:00, 9:00-17:30
_NEW_YORK, _BERLIN = "America/New_York", "Europe/Berlin"


class Breaks(NamedTuple):
    """The breaks of a market that shuts, by the bars on either side."""

    kind: Literal["weekly", "daily", "none"]
    """`weekly`: open round the clock from Sunday to Friday; `daily`: a cash session; `none`: neither can be seen."""
    last: IntArray
    """(n_breaks,) row before each break."""
    first: IntArray
    """(n_breaks,) row after it."""


class EdgeFit(NamedTuple):
    """How the edges of the breaks lie against the hours of known markets."""

    fits: BoolArray
    """(n_breaks,)"""
    open_minute: int
    """Commonest opening, minutes of the week (weekly) or of the day (daily), New York."""
    close_minute: int


def breaks_of(stamp_ns: IntArray) -> Breaks:
    """The breaks to judge a clock by.

    Args:
        stamp_ns: (n_bars,) readings of the vendor's clock, strictly rising.
    """
    hours = np.diff(stamp_ns) / _HOUR_NS
    weekends = np.flatnonzero((hours >= _WEEKEND_HOURS[0]) & (hours <= _WEEKEND_HOURS[1]))
    nights = np.flatnonzero(hours >= _OVERNIGHT_HOURS)
    if nights.size >= 4 and weekends.size < nights.size / 3:
        lengths = (stamp_ns[nights[1:]] - stamp_ns[nights[:-1] + 1]) / _HOUR_NS
        if float(np.median(lengths)) <= _LONGEST_CASH_HOURS:
            return Breaks("daily", nights, nights + 1)
    if weekends.size:
        return Breaks("weekly", weekends, weekends + 1)
    return Breaks("none", nights[:0], nights[:0])


def edge_fit(kind: Literal["weekly", "daily", "none"], close_ns: IntArray, open_ns: IntArray, minutes: int) -> EdgeFit:
    """Which breaks have their edges where a market has them.

    Currencies trade from Sunday 17:00 to Friday 17:00 New York; metals and index futures from 18:00 to 17:00 or,
    where a broker stops with the cash market, to 16:00. Shares trade 9:30 to 16:00 New York or 9:00 to 17:30 Berlin.
    Openings may be up to 20 minutes late and closings as early, 65 where the opening is at 18:00: an hour's error
    never fits both. All breaks are held against one kind of market, that which fits most of them.

    Args:
        kind: weekly or daily.
        close_ns: (n_breaks,) end of the bar before each break, nanoseconds UTC.
        open_ns: (n_breaks,) start of the bar after it.
        minutes: length of a bar; one of more than an hour may begin that much before the market.
    """
    slack = minutes - 1 if (minutes >= 60 and kind == "daily") or minutes > 60 else 0
    if kind == "weekly":
        opened, closed = _minute(open_ns, _NEW_YORK, _WEEK_MINUTES), _minute(close_ns, _NEW_YORK, _WEEK_MINUTES)
        late, early = opened - _SUNDAY_17, closed - _FRIDAY_17
        currencies = _between(late, -slack, 20) & _between(early, -29, slack)
        futures = _between(late, 60 - slack, 80) & _between(early, -65, slack)
        return EdgeFit(max(currencies, futures, key=np.count_nonzero), _commonest(opened), _commonest(closed))
    cash = []
    for zone, opens, closes in _CASH:
        late, early = _minute(open_ns, zone, 1440) - opens, _minute(close_ns, zone, 1440) - closes
        short = _between(early, -180, slack - 180)  # the day before a holiday
        cash.append(_between(late, -slack, 4) & (_between(early, -4, slack) | short))
    return EdgeFit(
        max(cash, key=np.count_nonzero),
        _commonest(_minute(open_ns, _NEW_YORK, 1440)),
        _commonest(_minute(close_ns, _NEW_YORK, 1440)),
    )


def seasons_of(ts_ns: IntArray) -> IntArray:
    """(n,) 0 neither New York nor Europe on summer time, 1 only New York, 2 only Europe, 3 both."""
    us = local_minutes(ts_ns, _NEW_YORK) - ts_ns // _MINUTE_NS == -4 * 60
    europe = local_minutes(ts_ns, _BERLIN) - ts_ns // _MINUTE_NS == 2 * 60
    return np.asarray(us + 2 * europe, dtype=np.int64)


def _minute(ts_ns: IntArray, zone: str, period: int) -> IntArray:
    """Local minute of the week that began on Monday, or of the day."""
    return np.asarray((local_minutes(ts_ns, zone) + _THURSDAY * 1440) % period)


def _between(values: IntArray, low: int, high: int) -> BoolArray:
    return (values >= low) & (values <= high)


def _commonest(values: IntArray) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)]) if found.size else 0

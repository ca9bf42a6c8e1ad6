"""Where coarse bars begin and end: counted from the start of each trading day, never across its roll."""

import datetime
import functools
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from agv2.core.aggregation import Bins, assign_bins
from agv2.core.arrays import IntArray
from agv2.core.timeframes import SessionCalendar, Timeframe

__all__ = ["BinGrid", "bin_grid"]

_MINUTES_PER_DAY = 1440
_MINUTES_PER_WEEK = 7 * _MINUTES_PER_DAY
_FIRST_MONDAY = 4  # 1970-01-05
_WHOLE_SPAN_NS = 2**58  # nine years: longer than any bin, and no stamp plus twice this overflows


@dataclass(frozen=True, slots=True)
class BinGrid:
    """The bins of one timeframe over a span of time."""

    anchors_ns: IntArray
    """(n_anchors,) moments from which bins are counted, each ending the bins before it."""
    length_ns: int

    def bins(self, ts_ns: IntArray, shift_ns: int = 0) -> Bins:
        """Bins of stamps that rise and, `shift_ns` later, lie between the first and the last anchor."""
        return assign_bins(ts_ns, shift_ns, self.anchors_ns, self.length_ns)

    def ends_ns(self, start_ns: IntArray) -> IntArray:
        """Where bins end that begin at `start_ns`: a length later, or at the next anchor."""
        next_anchor = self.anchors_ns[np.searchsorted(self.anchors_ns, start_ns, "right")]
        return np.minimum(start_ns + self.length_ns, next_anchor)


def bin_grid(timeframe: Timeframe, calendar: SessionCalendar, first_ns: int, last_ns: int) -> BinGrid:
    """Bins of `timeframe` from that of `first_ns` to that of `last_ns`.

    Bins below a day are counted from the start of each trading day; longer ones hold whole trading days, weeks from
    Monday's on, others counted from 1970-01-01.
    """
    first_day, last_day = (int(day) for day in calendar.trading_days(np.array([first_ns, last_ns], dtype=np.int64)))
    n_days = max(timeframe.minutes // _MINUTES_PER_DAY, 1)
    origin = _FIRST_MONDAY if timeframe.minutes % _MINUTES_PER_WEEK == 0 else 0
    days = np.arange((first_day - origin) // n_days, (last_day - origin) // n_days + 2) * n_days + origin
    length_ns = timeframe.nanoseconds if timeframe.minutes < _MINUTES_PER_DAY else _WHOLE_SPAN_NS
    return BinGrid(_day_starts(calendar, days), length_ns)


def _day_starts(calendar: SessionCalendar, days: IntArray) -> IntArray:
    """Moment at which each trading day begins; days as in `SessionCalendar.trading_days`, rising."""
    years = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    starts = np.empty(days.size, dtype=np.int64)
    for year in np.unique(years):
        first_day, all_starts = _day_starts_of_year(calendar.roll_hour, calendar.roll_zone, int(year))
        here = years == year
        starts[here] = all_starts[days[here] - first_day]
    return starts


@functools.lru_cache(maxsize=512)
def _day_starts_of_year(roll_hour: int, roll_zone: str, year: int) -> tuple[int, IntArray]:
    """First day of a year, and the starts of its trading days; asking the zone is slow."""
    zone, day = ZoneInfo(roll_zone), datetime.timedelta(days=1)
    date, starts = datetime.date(year, 1, 1), []
    while date.year == year:
        begins = date if roll_hour == 0 else date - day
        moment = datetime.datetime.combine(begins, datetime.time(roll_hour), zone)
        starts.append(int(moment.timestamp()) * 1_000_000_000)
        date += day
    return (datetime.date(year, 1, 1) - datetime.date(1970, 1, 1)).days, np.array(starts, dtype=np.int64)

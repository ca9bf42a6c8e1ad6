"""Where coarse bars begin and end: counted from the start of each trading day, never across its roll."""

import datetime
import functools
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from agv2.core.aggregation import Bins, assign_bins, first_off_grid
from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.parquet_columns import moment_text

__all__ = ["BinGrid", "bin_grid", "is_nested", "require_nested", "require_on_grid"]

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

    def bins(self, ts_ns: IntArray) -> Bins:
        """Bins of stamps that rise and lie between the first and the last anchor."""
        return assign_bins(ts_ns, 0, self.anchors_ns, self.length_ns)


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


def is_nested(fine: Timeframe, coarse: Timeframe) -> bool:
    """Whether every bin of `coarse` holds whole bins of `fine`."""
    possible = all(each.minutes <= _MINUTES_PER_DAY or each.minutes % _MINUTES_PER_DAY == 0 for each in (fine, coarse))
    # Whole days hold whole bins of any shorter length, since those are cut short at the roll.
    cut_at_roll = fine.minutes < _MINUTES_PER_DAY <= coarse.minutes
    same_origin = fine.minutes <= _MINUTES_PER_DAY or (
        (fine.minutes % _MINUTES_PER_WEEK == 0) == (coarse.minutes % _MINUTES_PER_WEEK == 0)
    )
    return possible and same_origin and (cut_at_roll or coarse.minutes % fine.minutes == 0)


def require_nested(symbol: str, fine: Timeframe, coarse: Timeframe) -> None:
    """Refuse a coarse timeframe whose bins do not hold whole bins of the fine one.

    Raises:
        DataError: naming both.
    """
    if not is_nested(fine, coarse):
        raise DataError(
            f"{symbol}: {fine.name} bars cannot be gathered into {coarse.name}; choose a multiple of {fine.name} of "
            "at most one day, or whole days, or weeks"
        )


def require_on_grid(bars: Bars, calendar: SessionCalendar) -> None:
    """Refuse bars whose stamps do not rise or open no bin of their own timeframe.

    Raises:
        DataError: naming the first such bar.
    """
    if len(bars) == 0:
        return
    ts_ns = bars.ts_ns
    grid = bin_grid(bars.timeframe, calendar, int(ts_ns[0]), int(max(ts_ns[0], ts_ns[-1])))
    row = int(first_off_grid(ts_ns, grid.anchors_ns, grid.length_ns))
    if row < 0:
        return
    found = f"{bars.symbol}: bar {row} is stamped {moment_text(ts_ns[row])}"
    if ts_ns[row] > ts_ns[-1] or (row > 0 and ts_ns[row] <= ts_ns[row - 1]):
        raise DataError(f"{found}, which is out of order; sort the bars and keep one a stamp")
    raise DataError(
        f"{found}, but bars of {bars.timeframe.name} open every {bars.timeframe.name} from {calendar.roll_hour:02d}:00 "
        f"{calendar.roll_zone}, where the trading day begins; give bars of one timeframe that do not span that hour"
    )


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

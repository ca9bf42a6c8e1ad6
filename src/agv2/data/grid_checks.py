"""Which timeframes hold whole bars of which others, and whether bars lie where theirs open."""

from agv2.core.aggregation import first_off_grid
from agv2.core.bars import Bars
from agv2.core.bin_grid import bin_grid
from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.parquet_columns import moment_text

__all__ = ["is_nested", "require_nested", "require_on_grid"]

_MINUTES_PER_DAY = 1440
_MINUTES_PER_WEEK = 7 * _MINUTES_PER_DAY


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

"""Coarse bars built from base bars, and which of them have closed when a base bar closes."""

from typing import NamedTuple

import numpy as np

from agv2.core.aggregation import gather_prices
from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.bin_grid import bin_grid
from agv2.core.timeframes import SessionCalendar, Timeframe

__all__ = ["CoarseBars", "coarse_bars"]


class CoarseBars(NamedTuple):
    """Bars of a coarser timeframe, and the view of them that each base bar has.

    A coarse bar that has not closed yet holds what is known so far; no `last_closed` points at it.
    """

    open: FloatArray
    """(n_coarse,), as are the next four."""
    high: FloatArray
    low: FloatArray
    close: FloatArray
    last_base_bar: IntArray
    """Index of the last base bar inside."""
    last_closed: IntArray
    """(n_bars,) index of the newest coarse bar that is complete at the close of base bar t; -1 for none."""


def coarse_bars(bars: Bars, timeframe: Timeframe, calendar: SessionCalendar) -> CoarseBars:
    """Base bars gathered into bars of `timeframe`, counted from the start of each trading day and cut at its roll.

    Those are the bars that `aggregate_bars` makes. A base bar belongs to the coarse bar in which it closes. For stamps
    on the grid that is the one in which it opens; for stamps off the grid (daily bars that open at 22:00) no coarse
    bar then holds a price from after its own end. Intervals without base bars give no coarse bar.

    Args:
        bars: base bars, stamps strictly rising.
        timeframe: a coarser timeframe.
        calendar: says where trading days begin.

    Known at: coarse bar k at its end, which base bar t sees once end <= close of t.
    """
    if len(bars) == 0:
        none = np.empty(0)
        return CoarseBars(none, none, none, none, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    last_inside_ns = bars.timeframe.nanoseconds - 1
    first_ns, last_ns = int(bars.ts_ns[0]) + last_inside_ns, int(bars.ts_ns[-1]) + last_inside_ns
    grid = bin_grid(timeframe, calendar, first_ns, last_ns)
    bins = grid.bins(bars.ts_ns, last_inside_ns)
    prices = gather_prices(bins.first, bars.open, bars.high, bars.low, bars.close)
    n_inside = np.diff(bins.first)
    bin_of_bar = np.repeat(np.arange(n_inside.size), n_inside)
    is_last = bars.close_ns == np.repeat(grid.ends_ns(bins.start_ns), n_inside)
    return CoarseBars(*prices, bins.first[1:] - 1, np.where(is_last, bin_of_bar, bin_of_bar - 1))

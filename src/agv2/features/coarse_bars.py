"""Coarse bars built from base bars, and which of them have closed when a base bar closes."""

from typing import NamedTuple

import numpy as np

from agv2.core.aggregation import assign_bins, gather_prices
from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe

__all__ = ["CoarseBars", "coarse_bars"]

_NEVER_NS = 2**63 - 1


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


def coarse_bars(bars: Bars, timeframe: Timeframe) -> CoarseBars:
    """Base bars gathered into bars of `timeframe`, aligned to multiples of its length since 1970-01-01 UTC.

    A base bar belongs to the coarse bar in which it closes. For stamps on the grid that is the one in which it
    opens; for stamps off the grid (daily bars that open at 22:00) no coarse bar then holds a price from after its
    own end. Intervals without base bars give no coarse bar.

    Args:
        bars: base bars, stamps strictly rising.
        timeframe: a coarser timeframe.

    Known at: coarse bar k at its end, which base bar t sees once end <= close of t.
    """
    last_inside_ns = bars.timeframe.nanoseconds - 1
    first_moment = int(bars.ts_ns[0]) + last_inside_ns if len(bars) else 0
    origin = first_moment // timeframe.nanoseconds * timeframe.nanoseconds
    anchors = np.array([origin, _NEVER_NS], dtype=np.int64)
    bins = assign_bins(bars.ts_ns, last_inside_ns, anchors, timeframe.nanoseconds)
    prices = gather_prices(bins.first, bars.open, bars.high, bars.low, bars.close)
    bin_of_bar = np.repeat(np.arange(bins.start_ns.size), np.diff(bins.first))
    is_last = bars.close_ns == bins.start_ns[bin_of_bar] + timeframe.nanoseconds
    return CoarseBars(*prices, bins.first[1:] - 1, np.where(is_last, bin_of_bar, bin_of_bar - 1))

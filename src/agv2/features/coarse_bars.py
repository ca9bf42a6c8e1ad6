"""Coarse bars built from base bars, and which of them have closed when a base bar closes."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.jit import kernel
from agv2.core.timeframes import Timeframe

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
    return _gather(bars.close_ns, bars.open, bars.high, bars.low, bars.close, timeframe.nanoseconds)


@kernel
def _gather(
    close_ns: IntArray,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    length_ns: int,
) -> CoarseBars:
    n_bars = close_ns.size
    coarse_open = np.empty(n_bars)
    coarse_high = np.empty(n_bars)
    coarse_low = np.empty(n_bars)
    coarse_close = np.empty(n_bars)
    last_base_bar = np.empty(n_bars, dtype=np.int64)
    last_closed = np.empty(n_bars, dtype=np.int64)
    k = -1
    interval_end_ns = 0
    for t in range(n_bars):
        if k < 0 or close_ns[t] > interval_end_ns:
            k += 1
            interval_end_ns = ((close_ns[t] - 1) // length_ns + 1) * length_ns
            coarse_open[k] = open_[t]
            coarse_high[k] = high[t]
            coarse_low[k] = low[t]
        coarse_high[k] = max(coarse_high[k], high[t])
        coarse_low[k] = min(coarse_low[k], low[t])
        coarse_close[k] = close[t]
        last_base_bar[k] = t
        last_closed[t] = k if close_ns[t] == interval_end_ns else k - 1
    n_coarse = k + 1
    return CoarseBars(
        coarse_open[:n_coarse],
        coarse_high[:n_coarse],
        coarse_low[:n_coarse],
        coarse_close[:n_coarse],
        last_base_bar[:n_coarse],
        last_closed,
    )

"""Bars of a file in place of a venue's."""

from typing import NamedTuple

import numpy as np

from agv2.core.bars import Bars
from agv2.core.errors import DataError

__all__ = ["RecordedBars", "recorded_bars"]


class RecordedBars(NamedTuple):
    """A recording cut where trading begins."""

    history: Bars
    traded: Bars


def recorded_bars(
    bars: Bars, bars_needed: int, done_ns: int, first_ns: int | None = None, most_bars: int | None = None
) -> RecordedBars:
    """What a decision at the first traded bar reads of the past, and the bars from there on.

    Args:
        bars: of the file.
        bars_needed: that a decision reads.
        done_ns: open of the last bar that an earlier start carried through; 0 for none.
        first_ns: open of the first bar to trade, of a first start; None: the first that has enough bars before it.
        most_bars: to trade, counted from the first start on; None: all.

    Raises:
        DataError: there are too few bars, or none is left.
    """
    if len(bars) < bars_needed:
        raise DataError(
            f"a decision needs {bars_needed:,} closed {bars.timeframe.name} bars of {bars.symbol}, the feed has "
            f"{len(bars):,}; give a longer file"
        )
    first = bars_needed - 1
    if first_ns is not None:
        first = int(np.searchsorted(bars.ts_ns, first_ns))
        if first < bars_needed - 1:
            few = f"{first:,} of {bars_needed - 1:,}"
            raise DataError(f"{bars.symbol}: too few bars come before the first that is to be traded: {few}")
    stop = len(bars) if most_bars is None else min(first + most_bars, len(bars))
    begin = max(first, int(np.searchsorted(bars.ts_ns, done_ns, side="right")))
    if begin >= stop:
        raise DataError(
            f"{bars.symbol}: the journal has every bar of the feed already; give newer bars, or another --journal"
        )
    return RecordedBars(bars.slice(0, begin), bars.slice(begin, stop))

"""The bars of a trader: the next ones of a feed, and the history that grows by them."""

from collections.abc import AsyncIterator

import numpy as np

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe

__all__ = ["joined_bars", "next_bars"]


async def next_bars(feed: AsyncIterator[Bars]) -> Bars:
    """The next bars, none at the end of the feed: a task may not raise what ends an iteration."""
    async for bars in feed:
        if len(bars):
            return bars
    return Bars.none("", Timeframe(1))


def joined_bars(history: Bars, new: Bars, keep_bars: int) -> Bars:
    """The history with the new bar, cut to the last `keep_bars`.

    Args:
        history: oldest first.
        new: one bar or more, later than any of them.
        keep_bars: that a view needs.

    Raises:
        DataError: the feed went back in time, or is of another market.
    """
    if (new.symbol, new.timeframe) != (history.symbol, history.timeframe):
        ours = f"{history.symbol} {history.timeframe.name}"
        raise DataError(f"the feed gives {new.symbol} {new.timeframe.name}, the history is {ours}")
    if len(history) and int(new.ts_ns[0]) <= int(history.ts_ns[-1]):
        raise DataError(f"{new.symbol}: the feed gave a bar at or before the newest; it must rise in time")
    keep = slice(max(len(history) - keep_bars + len(new), 0), len(history))
    columns = {
        name: np.concatenate([getattr(history, name)[keep], getattr(new, name)])
        for name in ("ts_ns", "open", "high", "low", "close", "volume", "spread")
    }
    return Bars(new.symbol, new.timeframe, **columns)

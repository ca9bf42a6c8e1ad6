"""Bars of the venue as they close, with the history that the first decision reads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import numpy as np

from agv2.core.bars import Bars
from agv2.core.bin_grid import bin_grid
from agv2.core.errors import DataError, RetryableVenueError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.bar_aggregator import BarBuilder, aggregate_bars
from agv2.data.download.history_checks import bars_in_order
from agv2.data.download.history_pages import HistoryReply, HistorySource, history_pages
from agv2.data.feeds import LiveFeed
from agv2.execution.ports import BarFeed
from agv2.utils.clock import Clock

__all__ = ["VenueBars", "WantedBars", "venue_bars", "venue_timed_bars"]

_FINE_MINUTES = (60, 30, 15, 5, 1)
_CLOSED_SHARE = 1.7  # markets that close at weekends and at night need a longer look back
_MARGIN_NS = 10 * 86_400_000_000_000  # for holidays
_SETTLE_NS = 20_000_000_000  # as long as a bar's last part may be late
_POLL_S = 2.0


class VenueBars(NamedTuple):
    """A venue's bars, cut where trading begins."""

    history: Bars
    feed: BarFeed


class _ContinuedFeed:
    """Bars that are there already, in one piece, then those that come."""

    def __init__(self, there: Bars, rest: Callable[[], AsyncIterator[Bars]]) -> None:
        self._there, self._rest = there, rest

    async def bars(self) -> AsyncIterator[Bars]:
        if len(self._there):
            yield self._there
        async for bars in self._rest():
            yield bars


class WantedBars(NamedTuple):
    """What both ways of reading a venue need to know."""

    source: HistorySource
    """The venue's history of the instrument."""
    symbol: str
    """Our name of it."""
    timeframe: Timeframe
    calendar: SessionCalendar
    """Says where trading days begin."""
    bars_needed: int
    """That a decision reads."""
    done_ns: int
    """Open of the last bar that an earlier start carried through; 0 for none."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits so many seconds between two looks."""

    @property
    def fine(self) -> Timeframe:
        """The longest bars that the venue has and that make up the timeframe wherever its trading day begins."""
        return Timeframe(next(minutes for minutes in _FINE_MINUTES if self.timeframe.minutes % minutes == 0))


async def venue_bars(wanted: WantedBars, clock: Clock) -> VenueBars:
    """The venue's closed bars up to now, and a feed that goes on from there.

    Args:
        wanted: which bars.
        clock: this machine's time; a bar is closed when both it and the venue's say so.

    Raises:
        DataError: the venue has too few bars.
        VenueError: the venue refused.
    """
    source, symbol, timeframe, calendar = wanted.source, wanted.symbol, wanted.timeframe, wanted.calendar
    settled_ns = min(source.now_ns(), clock.now_ns()) - _SETTLE_NS
    found = await _history(wanted, settled_ns)
    feed = LiveFeed(
        source, symbol, wanted.fine, timeframe, calendar,
        start_ns=_bin_start(timeframe, calendar, settled_ns), clock=clock, sleep=wanted.sleep,
    )  # fmt: skip
    return _cut(wanted, found, feed.bars)


async def venue_timed_bars(wanted: WantedBars, clock: Clock) -> VenueBars:
    """The same at a venue whose time has nothing to do with this machine's: its bars alone say how late it is.

    Nobody can tell whether the newest bar that is listed has closed: it counts once a later one is listed.

    Args:
        wanted: which bars.
        clock: only to find out how late it is there.

    Raises:
        DataError, VenueError: as for `venue_bars`.
    """
    source, symbol, timeframe, calendar = wanted.source, wanted.symbol, wanted.timeframe, wanted.calendar
    newest_ns = await _newest_open(wanted, clock.now_ns())
    found = await _history(wanted, newest_ns)
    begin_ns = _bin_start(timeframe, calendar, newest_ns)

    async def coming() -> AsyncIterator[Bars]:
        builder, from_ns = BarBuilder(symbol, wanted.fine, timeframe, calendar), begin_ns
        span_ns = source.max_bars * wanted.fine.nanoseconds - 1
        while True:
            try:
                reply = await source.price_history(wanted.fine, from_ns, from_ns + span_ns)
            except RetryableVenueError:
                await wanted.sleep(_POLL_S)
                continue
            if reply.ts_ns.size > 1:
                last_ns = int(reply.ts_ns.max())
                given = _usable(wanted, reply, from_ns, last_ns)
                closed = [builder.feed(given), builder.close(last_ns)]
                from_ns = last_ns
                for bars in closed:
                    if len(bars):
                        yield bars
            await wanted.sleep(_POLL_S)

    return _cut(wanted, found, coming)


async def _history(wanted: WantedBars, until_ns: int) -> Bars:
    """Coarse bars closed at `until_ns`, as many as a decision reads and some more."""
    far_ns = int(_CLOSED_SHARE * wanted.bars_needed * wanted.timeframe.nanoseconds) + _MARGIN_NS
    start_ns = _bin_start(wanted.timeframe, wanted.calendar, until_ns - far_ns)
    parts = [Bars.none(wanted.symbol, wanted.fine)]
    async for page in history_pages(wanted.source, wanted.fine, start_ns, until_ns, older_known=False):
        if page.reply is not None:
            last_ns = until_ns - wanted.fine.nanoseconds
            parts.append(_usable(wanted, page.reply, page.start_ns, min(page.stop_ns, last_ns + 1)))
    found = aggregate_bars(_joined(parts), wanted.timeframe, wanted.calendar, until_ns)
    if len(found) < wanted.bars_needed:
        raise DataError(
            f"{wanted.symbol}: a decision needs {wanted.bars_needed:,} closed {wanted.timeframe.name} bars, "
            f"{wanted.source.name} has {len(found):,}"
        )
    return found


async def _newest_open(wanted: WantedBars, now_ns: int) -> int:
    """Open of the newest bar that the venue lists, whatever it thinks the time is."""
    source, fine = wanted.source, wanted.fine
    reply = await source.price_history(fine, now_ns - source.max_bars // 2 * fine.nanoseconds, now_ns)
    if reply.ts_ns.size:
        return int(reply.ts_ns.max())
    if reply.earlier_ns is None:
        raise DataError(f"{wanted.symbol}: {source.name} lists no {fine.name} bar")
    return reply.earlier_ns


def _cut(wanted: WantedBars, found: Bars, rest: Callable[[], AsyncIterator[Bars]]) -> VenueBars:
    """Trading begins at the newest bar, or after the last one that an earlier start carried through."""
    done_ns = wanted.done_ns
    begin = len(found) - 1 if done_ns == 0 else int(np.searchsorted(found.ts_ns, done_ns, side="right"))
    if begin < wanted.bars_needed - 1:
        begin = wanted.bars_needed - 1
    return VenueBars(found.slice(0, begin), _ContinuedFeed(found.slice(begin, len(found)), rest))


def _usable(wanted: WantedBars, reply: HistoryReply, from_ns: int, before_ns: int) -> Bars:
    prices = np.column_stack([reply.open, reply.high, reply.low, reply.close])
    usable = np.isfinite(prices).all(axis=1) & (reply.ts_ns >= from_ns) & (reply.ts_ns < before_ns)
    return bars_in_order(reply, usable, wanted.symbol, wanted.fine)


def _bin_start(timeframe: Timeframe, calendar: SessionCalendar, moment_ns: int) -> int:
    """Start of the bar in which `moment_ns` lies."""
    moments = np.array([moment_ns], dtype=np.int64)
    return int(bin_grid(timeframe, calendar, moment_ns, moment_ns).bins(moments).start_ns[0])


def _joined(parts: list[Bars]) -> Bars:
    names = ("ts_ns", "open", "high", "low", "close", "volume", "spread")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Bars(parts[0].symbol, parts[0].timeframe, **columns)

"""Closed bars one after another: from a recording, or live from a venue."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import structlog

from agv2.core.bars import Bars
from agv2.core.errors import DataError, RetryableVenueError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.bar_aggregator import BarBuilder
from agv2.data.download.history_checks import bars_in_order
from agv2.data.download.history_pages import HistoryReply, HistorySource
from agv2.data.streaming.event_bus import EventBus
from agv2.data.streaming.events import bar_event
from agv2.utils.clock import Clock, ReplayClock

__all__ = ["HistoricalFeed", "LiveFeed"]

Sleep = Callable[[float], Awaitable[None]]

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000  # times on the wire
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0
_LOOK_BACK_BARS = 60


class HistoricalFeed:
    """Recorded bars as they closed.

    Args:
        bars: the recording.
        clock: moved to the close of each bar before the bar is given.
        bus: told of each bar before it is given; None: nobody is.
        speed: how many times faster than it happened; None: as fast as the bars are taken.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        bars: Bars,
        *,
        clock: ReplayClock,
        bus: EventBus | None = None,
        speed: float | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if speed is not None and not speed > 0.0:
            raise DataError(f"a recording is played at a speed above zero, found {speed:g}")
        self._bars = bars
        self._clock = clock
        self._bus = bus
        self._speed = speed
        self._sleep = sleep

    async def bars(self) -> AsyncIterator[Bars]:
        """Each bar by itself, oldest first."""
        for row, close_ns in enumerate(self._bars.close_ns.tolist()):
            if self._speed is not None and row:
                step_s = (close_ns - self._clock.now_ns()) / _NS_PER_S
                await self._sleep(max(step_s, 0.0) / self._speed)
            self._clock.sleep_until(close_ns)
            if self._bus is not None:
                await self._bus.publish(bar_event(self._bars, row))
            yield self._bars.slice(row, row + 1)


class LiveFeed:
    """Closed bars of one symbol, polled from a venue as fine bars and built here.

    A coarse bar is given once its last fine bar has closed. Where the venue has no such bar, because nobody traded,
    it is given `settle_s` after its end; what comes later still is too late for it, and counted where a poll meets it.
    A bar that was given never changes; of the one that is open the newest fine bars are asked for again at each poll.

    While the venue fails in ways that may pass, the feed keeps asking at growing pauses and then catches up; other
    errors end it.

    Args:
        source: the venue's history of the instrument.
        symbol: our name of it.
        fine: timeframe that is polled.
        coarse: timeframe that is given, `fine` or a multiple.
        calendar: says where trading days begin.
        start_ns: first moment that is wanted, the start of a coarse bar, such as the close of the newest stored one.
        clock: this machine's time; a bar is closed when both it and the venue's say so.
        bus: told of each bar before it is given; None: nobody is.
        settle_s: how long after a bar's end its last fine bar may be late.
        sleep: waits so many seconds.

    Raises:
        DataError: `coarse` is no multiple of `fine`.
    """

    def __init__(
        self,
        source: HistorySource,
        symbol: str,
        fine: Timeframe,
        coarse: Timeframe,
        calendar: SessionCalendar,
        *,
        start_ns: int,
        clock: Clock,
        bus: EventBus | None = None,
        settle_s: float = 20.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._source = source
        self._symbol = symbol
        self._fine = fine
        self._builder = BarBuilder(symbol, fine, coarse, calendar)
        self._start_ns = start_ns
        self._next_ns = start_ns
        self._clock = clock
        self._bus = bus
        self._settle_ns = round(settle_s * _NS_PER_S)
        self._sleep = sleep

    @property
    def newest_ns(self) -> int:
        """Close of the newest fine bar received, or where the feed began: how old it is says how stale the feed is."""
        return self._next_ns

    @property
    def late(self) -> int:
        """Fine bars seen to come after their coarse bar had been given."""
        return self._builder.n_late

    async def bars(self) -> AsyncIterator[Bars]:
        """Newly closed bars, one or more at a time, oldest first; ends only by an error or by being left.

        Raises:
            VenueError: the venue refused in a way that will not pass.
            DataError: the venue's bars are off the grid of their timeframe.
        """
        while True:
            polled_ns = self._now_ns()
            reply = await self._poll(polled_ns)
            page_stop = self._asked_from() + self._page_ns()
            fine = self._closed(reply, polled_ns)
            settled_ns = min(polled_ns - self._settle_ns, page_stop)
            closed = [self._builder.feed(fine), self._builder.close(settled_ns)]
            before_ns = self._next_ns
            if len(fine):
                self._next_ns = max(before_ns, int(fine.close_ns[-1]))
            if self._next_ns == before_ns and page_stop < polled_ns - self._settle_ns:
                self._next_ns = page_stop  # nobody traded for a whole page, long ago: go on behind it
            for bars in closed:
                if self._bus is not None:
                    for row in range(len(bars)):
                        await self._bus.publish(bar_event(bars, row))
                if len(bars):
                    yield bars
            if self._next_ns == before_ns or polled_ns - self._asked_from() <= self._page_ns():
                await self._sleep(self._pause_s(polled_ns))

    def _now_ns(self) -> int:
        return min(self._source.now_ns(), self._clock.now_ns())

    def _page_ns(self) -> int:
        return self._source.max_bars * self._fine.nanoseconds

    def _asked_from(self) -> int:
        """The newest fine bars that still count are asked for again: one may come late, or had not been final."""
        length = self._fine.nanoseconds
        farthest_ns = self._next_ns - min(_LOOK_BACK_BARS, self._source.max_bars // 2) * length
        return max(self._start_ns, farthest_ns, min(self._builder.open_ns, self._next_ns - length))

    async def _poll(self, now_ns: int) -> HistoryReply:
        failures = 0
        log = structlog.get_logger().bind(symbol=self._symbol, venue=self._source.name)
        while True:
            from_ns = self._asked_from()
            last_ns = min(now_ns, from_ns + self._page_ns() - _NS_PER_MS)  # included: a page and no bar more
            try:
                reply = await self._source.price_history(self._fine, from_ns, last_ns)
            except RetryableVenueError as error:
                failures += 1
                if failures == 1:
                    log.warning("feed interrupted", error=str(error))
                await self._sleep(min(_FIRST_PAUSE_S * 2 ** min(failures - 1, 10), _LONGEST_PAUSE_S))
            else:
                if failures:
                    log.info("feed back", attempts=failures + 1)
                return reply

    def _closed(self, reply: HistoryReply, now_ns: int) -> Bars:
        """Fine bars of the reply that have closed and are new, or still count; in order, each once."""
        prices = np.column_stack([reply.open, reply.high, reply.low, reply.close])
        usable = np.isfinite(prices).all(axis=1) & (reply.ts_ns + self._fine.nanoseconds <= now_ns)
        usable &= reply.ts_ns >= max(self._start_ns, min(self._next_ns, self._builder.open_ns))
        return bars_in_order(reply, usable, self._symbol, self._fine)

    def _pause_s(self, now_ns: int) -> float:
        """Until the bar that is forming has closed, or a little while if the one before it is still awaited."""
        length = self._fine.nanoseconds
        boundary = now_ns // length * length
        awaited = self._next_ns < boundary and now_ns - boundary < self._settle_ns
        if awaited:
            return min(_FIRST_PAUSE_S, (boundary + self._settle_ns - now_ns) / _NS_PER_S)
        return (boundary + length - now_ns) / _NS_PER_S + 1.0  # venues need a moment to close a bar

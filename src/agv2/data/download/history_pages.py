"""A venue's history asked for page by page, forward, with long gaps jumped instead of walked."""

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.timeframes import Timeframe

__all__ = ["HistoryPage", "HistoryReply", "HistorySource", "history_pages"]

_NS_PER_MS = 1_000_000  # times on the wire


class HistoryReply(Protocol):
    """What a venue answers: bars by open time, in any order; none with the newest earlier one's open, if it says so."""

    @property
    def ts_ns(self) -> IntArray:
        """(n_bars,) opens, nanoseconds UTC."""
        ...

    @property
    def open(self) -> FloatArray:
        """(n_bars,) prices; likewise `high`, `low`, `close`."""
        ...

    @property
    def high(self) -> FloatArray: ...  # noqa: D102 - see `open`
    @property
    def low(self) -> FloatArray: ...  # noqa: D102 - see `open`
    @property
    def close(self) -> FloatArray: ...  # noqa: D102 - see `open`
    @property
    def volume(self) -> FloatArray:
        """(n_bars,) NaN where unknown."""
        ...

    @property
    def earlier_ns(self) -> int | None:
        """In an answer without bars: open of the newest bar before the span; None where there is none."""
        ...


class HistorySource(Protocol):
    """One instrument's history at one venue."""

    @property
    def name(self) -> str:
        """The feed, such as `TradeLocker ABCD`; two feeds never share one."""
        ...

    @property
    def price_side(self) -> str | None:
        """bid, ask or trade; None where the venue does not say."""
        ...

    @property
    def max_bars(self) -> int:
        """Most bar lengths that one request may span, >= 1."""
        ...

    def now_ns(self) -> int:
        """The venue's time, nanoseconds UTC; rather early than late."""
        ...

    async def price_history(self, timeframe: Timeframe, from_ns: int, to_ns: int) -> HistoryReply:
        """Bars that open from `from_ns` to `to_ns`, both included.

        Raises:
            VenueError: the venue refused, or stayed silent through all attempts.
        """
        ...


class HistoryPage(NamedTuple):
    """All that the venue has of a span."""

    start_ns: int
    stop_ns: int
    """End of the span, itself not in it."""
    reply: HistoryReply | None
    """None where the span is known to be empty without having been asked for in full."""


async def history_pages(
    source: HistorySource, timeframe: Timeframe, start_ns: int, stop_ns: int, *, older_known: bool
) -> AsyncIterator[HistoryPage]:
    """Spans that follow each other from `start_ns` to `stop_ns`, each asked for in one request or known to be empty.

    Across a gap longer than a page the venue's word on the newest earlier bar is used: probes at doubling distances,
    then halving ones, find the first bar after it. A venue that gives no such word although it has older bars is not
    believed, and its gaps are walked.

    Args:
        source: the venue.
        timeframe: length of the bars, one that the venue has.
        start_ns: first moment asked for.
        stop_ns: end of the span, itself not asked for.
        older_known: whether the venue is known to have bars before `start_ns`.
    """
    walk = _Walk(source, timeframe, stop_ns)
    cursor = start_ns
    while cursor < stop_ns:
        page_stop = min(cursor + walk.page_ns, stop_ns)
        reply = await walk.ask(cursor, page_stop)
        yield HistoryPage(cursor, page_stop, reply)
        cursor = page_stop
        if reply.ts_ns.size:
            older_known = True
        elif cursor < stop_ns and not (older_known and reply.earlier_ns is None):
            after_gap = await walk.end_of_gap(cursor, older_known)
            if after_gap > cursor:
                yield HistoryPage(cursor, after_gap, None)
                cursor = after_gap


class _Walk:
    """Requests of one walk through a history."""

    def __init__(self, source: HistorySource, timeframe: Timeframe, stop_ns: int) -> None:
        self._source, self._timeframe, self._stop_ns = source, timeframe, stop_ns
        self.page_ns = source.max_bars * timeframe.nanoseconds

    async def ask(self, start_ns: int, stop_ns: int) -> HistoryReply:
        return await self._source.price_history(self._timeframe, start_ns, stop_ns - _NS_PER_MS)

    async def end_of_gap(self, low: int, older_known: bool) -> int:
        """A moment from `low` on, at most a page before the next bar; no bar opens from `low` up to it."""
        high, hop = self._stop_ns, self.page_ns  # `high`: a bar's open, or the end
        while low + hop < high:
            probe = low + hop
            bar, empty = await self._next_bar(probe, low, min(probe + self.page_ns, high), older_known)
            if bar is not None:
                high = bar
                break
            if empty is None:
                return low
            low, hop = empty, 2 * hop
        while high - low > self.page_ns:
            step = self._timeframe.nanoseconds
            probe = low + (high - low) // (2 * step) * step
            bar, empty = await self._next_bar(probe, low, min(probe + self.page_ns, high), older_known)
            if bar is not None:
                high = bar
            elif empty is not None:
                low = empty
            else:
                return low
        return low

    async def _next_bar(self, probe: int, low: int, stop: int, older_known: bool) -> tuple[int | None, int | None]:
        """Some bar's open from `low` on, if the answer to a probe shows one; else up to where it shows none to be."""
        reply = await self.ask(probe, stop)
        opens = reply.ts_ns[(reply.ts_ns >= low) & (reply.ts_ns < stop)]
        if opens.size:
            return int(np.min(opens)), None
        if reply.earlier_ns is not None and reply.earlier_ns >= low:
            return min(reply.earlier_ns, probe), None
        if reply.earlier_ns is None and older_known:
            return None, None
        return None, stop

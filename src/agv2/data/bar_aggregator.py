"""Coarse bars from fine ones, the same for a history and for a live feed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.core.aggregation import gather_bars
from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.bin_grid import bin_grid
from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.grid_checks import is_nested, require_nested, require_on_grid

__all__ = ["BarBuilder", "aggregate_bars", "aggregate_each"]

_COLUMNS = ("ts_ns", "open", "high", "low", "close", "volume", "spread")
_BEFORE_ALL_NS = -(2**63)


def aggregate_bars(bars: Bars, timeframe: Timeframe, calendar: SessionCalendar, as_of_ns: int | None = None) -> Bars:
    """Closed bars of `timeframe` made of `bars`.

    A bin begins at the start of the trading day, or whole lengths after it, and never spans the roll: the last one of
    a day is cut short where the length does not divide the day, as on a day of 23 hours. `1d` is one trading day,
    `1w` the trading days from Monday's on. A coarse bar is labelled by the start of its bin; a bin without fine bars
    gives none.

    Open, high, low and close are the first, highest, lowest and last. Volume is the sum of what is known, unknown
    only where all of it is (decimals beyond the eighth are rounded away). Spread is the last that is known: the quote
    nearest to the close.

    1m to 5m to 15m equals 1m to 15m bit for bit, as of the same moment: the last bar of a history closes when the
    next bin begins, so the second step must be told (`as_of_ns`: the close of the last 1m bar).

    Args:
        bars: closed fine bars on the grid of their own timeframe, stamps strictly rising.
        timeframe: a multiple of theirs; the same one gives them back unchanged.
        calendar: says where trading days begin.
        as_of_ns: the present moment, where it is later than the close of the last fine bar.

    Returns:
        The bars whose bins have ended by the close of the last fine bar, or by `as_of_ns`. Where clocks change, a
        bin of a day or more ends an hour before or after `close_ns`.

    Raises:
        DataError: the timeframe is no multiple, or a stamp is off the grid, repeated or out of order.

    Known at: the end of each bin.
    """
    return _closed_part(bars, timeframe, calendar, as_of_ns).coarse


def aggregate_each(
    bars: Bars, timeframes: Sequence[Timeframe], calendar: SessionCalendar, as_of_ns: int | None = None
) -> list[Bars]:
    """What `aggregate_bars` makes of each timeframe, faster: a coarser one is made of a finer one already made.

    Args:
        bars: as for `aggregate_bars`, as are the next three.
        timeframes: in any order; that of the results.
        calendar: see `bars`.
        as_of_ns: see `bars`.

    Raises:
        DataError: as `aggregate_bars`.
    """
    now_ns = _present(bars, as_of_ns)
    made = [bars]
    for timeframe in sorted(set(timeframes)):
        source = [each for each in made if is_nested(each.timeframe, timeframe)] or [bars]
        made.append(aggregate_bars(source[-1], timeframe, calendar, now_ns))
    by_timeframe = {each.timeframe: each for each in made[1:]}
    return [by_timeframe[each] for each in timeframes]


class BarBuilder:
    """Coarse bars as fine ones arrive: whatever it gave so far equals `aggregate_bars` of whatever it took.

    A fine bar whose bin is still open may come late or once more: it is put in its place, and of two with one stamp
    the newer counts. One whose bin has closed is dropped and counted, since that coarse bar is out already.

    Args:
        symbol: of the fine bars.
        fine: their timeframe.
        coarse: a multiple of it.
        calendar: says where trading days begin.

    Raises:
        DataError: `coarse` is no multiple of `fine`.
    """

    def __init__(self, symbol: str, fine: Timeframe, coarse: Timeframe, calendar: SessionCalendar) -> None:
        require_nested(symbol, fine, coarse)
        self._coarse = coarse
        self._calendar = calendar
        self._pending = Bars.none(symbol, fine)
        self._closed_until_ns = _BEFORE_ALL_NS
        self._n_late = 0

    @property
    def pending(self) -> Bars:
        """Fine bars of the bin that is still open."""
        return self._pending

    @property
    def open_ns(self) -> int:
        """Where the bin begins that is open now: fine bars from there on still count."""
        return self._closed_until_ns

    @property
    def n_late(self) -> int:
        """Fine bars dropped because their bin had closed, repeated ones among them."""
        return self._n_late

    def feed(self, bars: Bars) -> Bars:
        """Take closed fine bars; give the coarse bars that close with them, often none.

        Raises:
            DataError: the bars are of another symbol or timeframe, off the grid or out of order; none was taken.
        """
        if (bars.symbol, bars.timeframe) != (self._pending.symbol, self._pending.timeframe):
            raise DataError(
                f"{bars.symbol}: {bars.timeframe.name} bars given to the builder of {self._pending.symbol} "
                f"{self._pending.timeframe.name}; use one builder each"
            )
        require_on_grid(bars, self._calendar)
        in_time = _select(bars, np.flatnonzero(bars.ts_ns >= self._closed_until_ns))
        self._n_late += len(bars) - len(in_time)
        return self._advance(_merged(self._pending, in_time), None)

    def close(self, as_of_ns: int) -> Bars:
        """Give the coarse bars that have ended by `as_of_ns`, though no fine bar after them has come."""
        return self._advance(self._pending, as_of_ns)

    def _advance(self, bars: Bars, as_of_ns: int | None) -> Bars:
        part = _closed_part(bars, self._coarse, self._calendar, as_of_ns)
        self._pending = bars.slice(part.n_fine, len(bars))
        self._closed_until_ns = max(self._closed_until_ns, part.until_ns)
        return part.coarse


class _ClosedPart(NamedTuple):
    coarse: Bars
    n_fine: int
    """Fine bars inside `coarse`."""
    until_ns: int
    """Where the bin begins that is open now."""


def _closed_part(bars: Bars, timeframe: Timeframe, calendar: SessionCalendar, as_of_ns: int | None) -> _ClosedPart:
    require_nested(bars.symbol, bars.timeframe, timeframe)
    require_on_grid(bars, calendar)
    now_ns = _present(bars, as_of_ns)
    if now_ns == _BEFORE_ALL_NS:
        return _ClosedPart(Bars.none(bars.symbol, timeframe), 0, now_ns)
    grid = bin_grid(timeframe, calendar, int(bars.ts_ns[0]) if len(bars) else now_ns, now_ns)
    until_ns = int(grid.bins(np.array([now_ns], dtype=np.int64)).start_ns[0])
    if timeframe == bars.timeframe:  # each is a bin of its own; the one that is open now may still come
        return _ClosedPart(bars, len(bars), until_ns)
    bins = grid.bins(bars.ts_ns)
    n_closed = int(np.searchsorted(bins.start_ns, until_ns))
    first = bins.first[: n_closed + 1]
    columns = gather_bars(first, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.spread)
    coarse = Bars(bars.symbol, timeframe, bins.start_ns[:n_closed], *columns)
    return _ClosedPart(coarse, int(first[-1]), until_ns)


def _present(bars: Bars, as_of_ns: int | None) -> int:
    """The latest moment that is known to have come."""
    now_ns = _BEFORE_ALL_NS if as_of_ns is None else as_of_ns
    return max(now_ns, int(bars.ts_ns[-1]) + bars.timeframe.nanoseconds) if len(bars) else now_ns


def _select(bars: Bars, rows: IntArray) -> Bars:
    return Bars(bars.symbol, bars.timeframe, *(getattr(bars, name)[rows] for name in _COLUMNS))


def _merged(held: Bars, new: Bars) -> Bars:
    """Both in order; of two with one stamp, the new one."""
    columns = [np.concatenate([getattr(new, name), getattr(held, name)]) for name in _COLUMNS]
    _, rows = np.unique(columns[0], return_index=True)  # the first of equal stamps: the new one
    return Bars(held.symbol, held.timeframe, *(column[rows] for column in columns))

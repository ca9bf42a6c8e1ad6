"""Stored bars of any timeframe: as they are, or gathered from finer ones."""

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.bar_aggregator import aggregate_bars
from agv2.data.duckdb_store import BarStore
from agv2.data.grid_checks import is_nested
from agv2.data.store.series_paths import series_directories

__all__ = ["stored_bars"]


def stored_bars(
    store: BarStore,
    symbol: str,
    timeframe: Timeframe,
    calendar: SessionCalendar,
    *,
    start_ns: int | None = None,
    stop_ns: int | None = None,
    fine: Timeframe | None = None,
) -> Bars:
    """Bars of `symbol` that open from `start_ns` up to but not including `stop_ns`.

    Args:
        store: where bars are kept.
        symbol: of the series.
        timeframe: wanted.
        calendar: says where trading days begin, for bars that are gathered.
        start_ns: None: from the first.
        stop_ns: None: to the last.
        fine: stored timeframe to gather from; None: `timeframe` itself if it is stored, else the coarsest that fits
            into it whole.

    Raises:
        DataError: nothing suitable is stored, or none of it lies in the span.
    """
    stored = _stored_timeframes(store, symbol)
    if not stored:
        raise DataError(f"{symbol}: no bars in {store.root}; get some by `agv2 data download` or `agv2 data import`")
    fitting = [each for each in stored if each == timeframe or (each < timeframe and is_nested(each, timeframe))]
    chosen = fine or (fitting[-1] if fitting else None)
    if chosen is None or chosen not in fitting:
        names = ", ".join(each.name for each in stored)
        wanted = f"from {fine.name}" if fine else "whole"
        raise DataError(f"{symbol}: {timeframe.name} bars cannot be made {wanted}; stored are {names}")
    # A little more at both ends, so that the bars there are whole.
    reach_ns = 0 if chosen == timeframe else timeframe.nanoseconds + 2 * Timeframe.parse("1d").nanoseconds
    bars = store.read(
        symbol,
        chosen,
        None if start_ns is None else start_ns - reach_ns,
        None if stop_ns is None else stop_ns + reach_ns,
    )
    gathered = bars if chosen == timeframe else aggregate_bars(bars, timeframe, calendar)
    inside = slice(
        0 if start_ns is None else int(gathered.ts_ns.searchsorted(start_ns)),
        len(gathered) if stop_ns is None else int(gathered.ts_ns.searchsorted(stop_ns)),
    )
    found = gathered.slice(inside.start, max(inside.start, inside.stop))
    if len(found) == 0:
        raise DataError(f"{symbol}: no {timeframe.name} bars of this span in {store.root}; see `agv2 data status`")
    return found


def _stored_timeframes(store: BarStore, symbol: str) -> list[Timeframe]:
    """In order; no file is opened, so that damage to one series is no trouble of another."""
    held = [timeframe for name, timeframe, _ in series_directories(store.root) if name == symbol]
    return sorted(timeframe for timeframe in held if store.years(symbol, timeframe))

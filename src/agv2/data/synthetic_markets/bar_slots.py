"""When the bars of a synthetic market open, and how much each is expected to move."""

import datetime
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe, utc_offset_ns
from agv2.data.sessions import market_sessions
from agv2.data.synthetic_markets.instruments import InstrumentShape

__all__ = ["BarSlots", "bar_slots"]

_NS_PER_MINUTE = 60_000_000_000
_NS_PER_HOUR = 60 * _NS_PER_MINUTE
_NS_PER_DAY = 24 * _NS_PER_HOUR
_NS_PER_YEAR = 31_556_952 * 1_000_000_000
_FIRST_NS = int(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).timestamp()) * 1_000_000_000
_LAST_NS = int(datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC).timestamp()) * 1_000_000_000
_CHUNK_BARS = 50_000


class BarSlots(NamedTuple):
    """The bars that a complete feed has, and the market's clock at each."""

    ts_ns: IntArray
    """(n_bars,) opens, nanoseconds UTC."""
    open_hours: FloatArray
    """(n_bars,) hours within the bar during which the market is open, > 0."""
    variance_hours: FloatArray
    """(n_bars,) variance expected of the bar over that of a mean open hour."""
    closed_hours: FloatArray
    """(n_bars,) hours since the bar before ended; 0 for the first bar."""
    local_hour: IntArray
    """(n_bars,) hour of New York's day at the open, 0 to 23."""


def bar_slots(
    calendar: str,
    shape: InstrumentShape,
    timeframe: Timeframe,
    start_ns: int,
    stop_ns: int | None,
    n_bars: int | None,
) -> BarSlots:
    """Slots from `start_ns` on, until `stop_ns` or until there are `n_bars`.

    Args:
        calendar: word of `markets.yaml`.
        shape: the instrument, for its day.
        timeframe: of the bars.
        start_ns: first moment, nanoseconds UTC, 2000 to 2050.
        stop_ns: first moment no bar opens at any more; None: `n_bars` decides.
        n_bars: number of bars; None: `stop_ns` decides.

    Raises:
        DataError: the span lies outside 2000 to 2050, or holds no bar.
    """
    if stop_ns is None:
        assert n_bars is not None
        years = n_bars * timeframe.minutes / 60.0 / shape.open_hours_per_year
        reach_ns = start_ns + int((1.05 * years + 0.1) * _NS_PER_YEAR) + 10 * timeframe.nanoseconds
    else:
        reach_ns = stop_ns
    if start_ns < _FIRST_NS or min(reach_ns, start_ns + int(1.5 * (reach_ns - start_ns))) > _LAST_NS:
        raise DataError("synthetic markets run from 2000-01-01 to 2050-01-01 at most; ask for fewer bars or other days")
    sessions = market_sessions(calendar, start_ns - 7 * _NS_PER_DAY, reach_ns)
    ts_ns = sessions.slots(timeframe, start_ns, reach_ns)
    if n_bars is not None:
        ts_ns = ts_ns[:n_bars]
    if ts_ns.size == 0:
        raise DataError("no bar opens between --from and --to: the market is closed then; choose a longer span")
    if n_bars is not None and ts_ns.size < n_bars:
        raise DataError(f"only {ts_ns.size} bars fit where {n_bars} are asked for; ask for fewer")
    cell_minutes = int(np.gcd(timeframe.minutes, 30))
    n_cells = timeframe.minutes // cell_minutes
    offsets = np.arange(n_cells, dtype=np.int64) * cell_minutes * _NS_PER_MINUTE
    day = np.asarray(shape.half_hours)
    day = day / np.sqrt((day[day > 0.0] ** 2).mean())
    open_hours, variance_hours = np.empty(ts_ns.size), np.empty(ts_ns.size)
    rows = max(1, _CHUNK_BARS // n_cells)
    for low in range(0, ts_ns.size, rows):
        cells = (ts_ns[low : low + rows, None] + offsets).ravel()
        is_open = sessions.is_open(cells)
        local = cells + utc_offset_ns(cells, "America/New_York")
        weekend = (local // _NS_PER_DAY + 3) % 7 >= 5
        # A cell that the calendar has open but no real feed had takes the quietest volatility known.
        volatility = np.maximum(day[local // (30 * _NS_PER_MINUTE) % 48], day[day > 0.0].min())
        volatility = np.where(weekend, shape.weekend_factor, 1.0) * volatility
        hours = cell_minutes / 60.0 * is_open.reshape(-1, n_cells)
        open_hours[low : low + rows] = hours.sum(axis=1)
        variance_hours[low : low + rows] = (hours * volatility.reshape(-1, n_cells) ** 2).sum(axis=1)
    closed_hours = np.zeros(ts_ns.size)
    closed_hours[1:] = (np.diff(ts_ns) - timeframe.nanoseconds) / _NS_PER_HOUR
    local_hour = (ts_ns + utc_offset_ns(ts_ns, "America/New_York")) // _NS_PER_HOUR % 24
    return BarSlots(ts_ns, open_hours, variance_hours, closed_hours, local_hour)

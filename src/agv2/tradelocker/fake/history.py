"""Bars of any resolution as the venue would serve them at one moment."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.tradelocker.fake.market import PriceTape

__all__ = ["RESOLUTIONS", "PriceArchive", "ServedBars"]

_NS_PER_MINUTE = 60_000_000_000
_NS_PER_DAY = 1440 * _NS_PER_MINUTE
_MONDAY_NS = 4 * _NS_PER_DAY  # 1970-01-05

RESOLUTIONS = {
    "1m": 1,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1H": 60,
    "4H": 240,
    "1D": 1440,
    "1W": 10_080,
    "1M": 43_200,
}
"""Wire name and minutes; of `1M` the nominal ones."""


class ServedBars(NamedTuple):
    """Bars by open time in nanoseconds, oldest first, and the open of the bar before them."""

    ts_ns: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    earlier_ns: int | None


class _Grid(NamedTuple):
    """How a resolution divides the feed: each bucket's open time and first feed bar."""

    ts_ns: IntArray
    first: IntArray


class PriceArchive:
    """History of one listing. A resolution finer than the feed has no bars."""

    def __init__(self, tape: PriceTape) -> None:
        self._tape = tape
        self._bars = tape.listing.bars
        self._grids: dict[str, _Grid] = {}

    def served(self, resolution: str, from_ns: int, to_ns: int, now_ns: int, *, forming: bool) -> ServedBars:
        """Bars that open in [`from_ns`, `to_ns`] as known at `now_ns`.

        Args:
            resolution: key of `RESOLUTIONS`.
            from_ns: nanoseconds UTC, inclusive.
            to_ns: nanoseconds UTC, inclusive.
            now_ns: venue time.
            forming: whether the bar in progress is there, with its values so far.

        Known at: `now_ns`.
        """
        grid = self._grid(resolution)
        known = int(np.searchsorted(self._bars.ts_ns, now_ns, side="right"))
        buckets = int(np.searchsorted(grid.first, known, side="left"))
        if not forming and buckets and self._end_ns(resolution, int(grid.ts_ns[buckets - 1])) > now_ns:
            buckets -= 1
        low = int(np.searchsorted(grid.ts_ns[:buckets], from_ns, side="left"))
        high = int(np.searchsorted(grid.ts_ns[:buckets], to_ns, side="right"))
        earlier_ns = int(grid.ts_ns[low - 1]) if low else None
        if low >= high:
            nothing = np.empty(0)
            return ServedBars(np.empty(0, dtype=np.int64), nothing, nothing, nothing, nothing, nothing, earlier_ns)
        begin = int(grid.first[low])
        end = min(known, int(grid.first[high])) if high < grid.first.size else known
        highs, lows, closes, volumes = self._as_known(begin, end, now_ns)
        starts = grid.first[low:high] - begin
        ends = np.append(starts[1:], end - begin)
        return ServedBars(
            grid.ts_ns[low:high],
            self._bars.open[grid.first[low:high]],
            np.maximum.reduceat(highs, starts),
            np.minimum.reduceat(lows, starts),
            closes[ends - 1],
            np.add.reduceat(volumes, starts),
            earlier_ns,
        )

    def _as_known(self, begin: int, end: int, now_ns: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Feed bars [begin, end); the last one as far as its ticks have come."""
        bars = self._bars
        highs, lows = bars.high[begin:end].copy(), bars.low[begin:end].copy()
        closes = bars.close[begin:end].copy()
        volumes = np.nan_to_num(bars.volume[begin:end], nan=0.0)
        last = end - 1
        if int(bars.ts_ns[last]) + bars.timeframe.nanoseconds > now_ns:
            tick = self._tape.tick_at(now_ns)
            so_far = self._tape.price[4 * last : tick + 1]
            highs[-1], lows[-1], closes[-1] = so_far.max(), so_far.min(), so_far[-1]
            volumes[-1] *= so_far.size / 4
        return highs, lows, closes, volumes

    def _grid(self, resolution: str) -> _Grid:
        if resolution not in self._grids:
            self._grids[resolution] = self._divided(resolution)
        return self._grids[resolution]

    def _divided(self, resolution: str) -> _Grid:
        ts_ns = self._bars.ts_ns
        width = RESOLUTIONS[resolution] * _NS_PER_MINUTE
        if width < self._bars.timeframe.nanoseconds:
            return _Grid(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        if resolution == "1M":
            opens = ts_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
        elif resolution == "1W":
            opens = (ts_ns - _MONDAY_NS) // width * width + _MONDAY_NS
        else:
            opens = ts_ns // width * width
        first = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
        # A month is labelled by its first trading day.
        labels = ts_ns[first] // _NS_PER_DAY * _NS_PER_DAY if resolution == "1M" else opens[first]
        return _Grid(labels, first)

    @staticmethod
    def _end_ns(resolution: str, ts_ns: int) -> int:
        if resolution != "1M":
            return ts_ns + RESOLUTIONS[resolution] * _NS_PER_MINUTE
        month = np.datetime64(ts_ns, "ns").astype("datetime64[M]") + 1
        return int(month.astype("datetime64[ns]").astype(np.int64))

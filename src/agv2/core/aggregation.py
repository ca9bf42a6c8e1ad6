"""Fine bars gathered into coarse ones: which belong together, and what they amount to.

The one arithmetic of coarse bars: history, live feed and features all end here.
"""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.jit import kernel

__all__ = ["Bins", "Columns", "Prices", "assign_bins", "first_off_grid", "gather_bars", "gather_prices"]

_DECIMALS = 1e8
_EXACT = 2.0**53
_UNSEEN_NS = -(2**63)


class Bins(NamedTuple):
    """Runs of neighbouring bars that make one coarse bar each."""

    first: IntArray
    """(n_bins + 1,) index of each bin's first bar, then the number of bars."""
    start_ns: IntArray
    """(n_bins,) nanoseconds UTC."""


class Prices(NamedTuple):
    """Open, high, low and close of each bin, (n_bins,) each."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


class Columns(NamedTuple):
    """All numbers of each bin, (n_bins,) each; volume and spread NaN where unknown."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    spread: FloatArray


def assign_bins(ts_ns: IntArray, shift_ns: int, anchors_ns: IntArray, length_ns: int) -> Bins:
    """Bins of `length_ns` counted from each anchor and cut short by the next one; empty bins are left out.

    Args:
        ts_ns: (n_bars,) bar opens, strictly rising.
        shift_ns: the moment of a bar that decides its bin, counted from its open.
        anchors_ns: (n_anchors,) rising; the first at or before every such moment, the last after every one.
        length_ns: > 0.
    """
    n_bars = ts_ns.size
    n_room = min(n_bars, int(ts_ns[-1] - ts_ns[0]) // length_ns + anchors_ns.size + 1) if n_bars else 0
    first, start_ns = np.empty((2, n_room + 1), dtype=np.int64)
    n_bins = _fill_bins(ts_ns, shift_ns, anchors_ns, length_ns, first, start_ns)
    return Bins(first[: n_bins + 1], start_ns[:n_bins])


def gather_prices(first: IntArray, open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> Prices:
    """First open, highest high, lowest low and last close of each bin.

    Args:
        first: (n_bins + 1,) as in `Bins`.
        open_: (n_bars,) as are the next three.
        high: see `open_`.
        low: see `open_`.
        close: see `open_`.
    """
    prices = Prices(*np.empty((4, first.size - 1)))
    _fill_prices(first, open_, high, low, close, prices)
    return prices


def gather_bars(
    first: IntArray,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    spread: FloatArray,
) -> Columns:
    """Prices as `gather_prices` has them, the sum of the known volumes and the last known spread of each bin.

    Whole parts and eight decimals of volumes are added apart, as whole numbers, so that no order or grouping changes
    a bit: exact for whole numbers up to 2**53, and for eight decimals while a sum stays below 2**26. Further decimals
    are rounded away; beyond 2**26 the last bit of a fractional sum may depend on the grouping.

    Args:
        first: (n_bins + 1,) as in `Bins`.
        open_: (n_bars,) as are the next five.
        high: see `open_`.
        low: see `open_`.
        close: see `open_`.
        volume: NaN where unknown.
        spread: NaN where unknown.
    """
    columns = Columns(*np.empty((6, first.size - 1)))
    _fill_prices(first, open_, high, low, close, Prices(*columns[:4]))
    _fill_sums(first, volume, columns.volume)
    _fill_last(first, spread, columns.spread)
    return columns


@kernel
def first_off_grid(ts_ns: IntArray, anchors_ns: IntArray, length_ns: int) -> int:
    """Index of the first stamp that opens no bin of `assign_bins`, or that does not rise; -1 if there is none.

    Args:
        ts_ns: (n_bars,) bar opens.
        anchors_ns: as in `assign_bins`; a stamp past the last one counts as off the grid.
        length_ns: > 0.
    """
    anchor = 0
    expected = _UNSEEN_NS
    before = _UNSEEN_NS
    for t in range(ts_ns.size):
        moment = ts_ns[t]
        if moment != expected or moment >= anchors_ns[anchor + 1]:
            if moment <= before or moment >= anchors_ns[-1]:
                return t
            while anchors_ns[anchor + 1] <= moment:
                anchor += 1
            if (moment - anchors_ns[anchor]) % length_ns != 0:
                return t
        before = moment
        expected = moment + length_ns
    return -1


# Results are allocated outside the kernels and in one block: numpy asks the system for large pages, and getting memory
# costs as much as the arithmetic where millions of bars are gathered.


@kernel
def _fill_bins(
    ts_ns: IntArray,
    shift_ns: int,
    anchors_ns: IntArray,
    length_ns: int,
    first: IntArray,
    start_ns: IntArray,
) -> int:
    n_bars = ts_ns.size
    n_bins, anchor, t, n_inside, start, end = 0, 0, 0, 1, 0, 0
    while t < n_bars:
        moment = ts_ns[t] + shift_ns
        if n_bins > 0 and moment < end + length_ns and moment < anchors_ns[anchor + 1]:
            start = end
        else:
            while anchors_ns[anchor + 1] <= moment:
                anchor += 1
            start = anchors_ns[anchor] + (moment - anchors_ns[anchor]) // length_ns * length_ns
        end = min(start + length_ns, anchors_ns[anchor + 1])
        first[n_bins] = t
        start_ns[n_bins] = start
        n_bins += 1
        # Most bins hold as many bars as the one before them: look there first, step only where they do not.
        after = t + n_inside
        if after > n_bars or ts_ns[after - 1] + shift_ns >= end:
            after = t + 1
        while after < n_bars and ts_ns[after] + shift_ns < end:
            after += 1
        n_inside = after - t
        t = after
    first[n_bins] = n_bars
    return n_bins


@kernel
def _fill_prices(
    first: IntArray, open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, prices: Prices
) -> None:
    for k in range(first.size - 1):
        top, bottom = high[first[k]], low[first[k]]
        for t in range(first[k] + 1, first[k + 1]):
            top = high[t] if high[t] > top else top
            bottom = low[t] if low[t] < bottom else bottom
        prices.open[k] = open_[first[k]]
        prices.high[k] = top
        prices.low[k] = bottom
        prices.close[k] = close[first[k + 1] - 1]


@kernel
def _fill_sums(first: IntArray, volume: FloatArray, sums: FloatArray) -> None:
    for k in range(first.size - 1):
        whole, decimals, known = 0.0, 0.0, False
        for t in range(first[k], first[k + 1]):
            amount = volume[t]
            if not math.isnan(amount):
                known = True
                floor = np.floor(amount)
                whole += floor
                decimals += np.rint((amount - floor) * _DECIMALS)
        total = whole * _DECIMALS + decimals
        if not known:
            sums[k] = math.nan
        elif abs(total) < _EXACT:
            sums[k] = total / _DECIMALS  # one rounding: to the number nearest to the sum
        else:
            carried = np.floor(decimals / _DECIMALS)
            sums[k] = (whole + carried) + (decimals - carried * _DECIMALS) / _DECIMALS


@kernel
def _fill_last(first: IntArray, values: FloatArray, found: FloatArray) -> None:
    for k in range(first.size - 1):
        t = first[k + 1] - 1
        while t > first[k] and math.isnan(values[t]):
            t -= 1
        found[k] = values[t]

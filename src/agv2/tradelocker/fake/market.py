"""Prices of one listing as venue time walks along its bars."""

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.orders import Side
from agv2.tradelocker.fake.listings import Listing

__all__ = ["PriceTape", "Quote"]

_TICKS_PER_BAR = 4
_ASK_SHARE = {"BID": 0.0, "TRADE": 0.5, "ASK": 1.0}
_SCAN = 65_536


class Quote(NamedTuple):
    """Best prices on the tick grid."""

    bid: Decimal
    ask: Decimal

    def to_take(self, side: Side) -> Decimal:
        """Price at which an order of this side trades at once."""
        return self.ask if side is Side.LONG else self.bid

    @property
    def mid(self) -> Decimal:
        """Half-way."""
        return (self.bid + self.ask) / 2


class PriceTape:
    """A listing's ticks: each bar is walked from open over its extremes to the close, a quarter of it apiece.

    The nearer extreme comes first: the low in a bar that rises, the high in one that falls. Between the ticks of one
    bar the price moves without jumps; between two bars it may jump.

    Known at: tick `i` from `ts_ns[i]` on; nothing later is ever served.
    """

    def __init__(self, listing: Listing) -> None:
        bars = listing.bars
        rises = bars.close >= bars.open
        near, far = np.where(rises, bars.low, bars.high), np.where(rises, bars.high, bars.low)
        spread = np.where(np.isfinite(bars.spread) & (bars.spread >= 0), bars.spread, float(listing.spread))
        self.listing = listing
        self.price: FloatArray = np.stack([bars.open, near, far, bars.close], axis=1).ravel()
        self.ts_ns: IntArray = (
            bars.ts_ns[:, None] + np.arange(_TICKS_PER_BAR) * (bars.timeframe.nanoseconds // _TICKS_PER_BAR)
        ).ravel()
        share = _ASK_SHARE[listing.bar_source]
        per_tick = np.repeat(spread, _TICKS_PER_BAR)
        self.bid = self._on_grid(self.price - share * per_tick)
        self.ask = np.maximum(self._on_grid(self.price + (1.0 - share) * per_tick), self.bid)

    def _on_grid(self, price: FloatArray) -> FloatArray:
        bands = self.listing.tick_bands
        starts = np.array([float(band.from_price) for band in bands])
        ticks = np.array([float(band.tick_size) for band in bands])
        decimals = max(0, *(-int(band.tick_size.normalize().as_tuple().exponent) for band in bands))
        tick = ticks[np.maximum(np.searchsorted(starts, price, side="right") - 1, 0)]
        # Rounding to decimals makes the float the one nearest to the decimal text, so that levels compare exactly.
        grid: FloatArray = np.round(np.round(price / tick) * tick, decimals)
        return grid

    def tick_at(self, now_ns: int) -> int:
        """Index of the newest tick at `now_ns`; -1 before the first."""
        return int(np.searchsorted(self.ts_ns, now_ns, side="right")) - 1

    def quote(self, tick: int) -> Quote:
        """Best prices at tick `tick` >= 0."""
        return Quote(self._decimal(self.bid[tick]), self._decimal(self.ask[tick]))

    @staticmethod
    def _decimal(price: float) -> Decimal:
        return Decimal(repr(float(price)))

    def is_open(self, now_ns: int, closed_after_ns: int | None) -> bool:
        """Whether a bar covers `now_ns`, or ended less than `closed_after_ns` before it."""
        tick = self.tick_at(now_ns)
        if tick < 0:
            return False
        if closed_after_ns is None:
            return True
        bar = tick // _TICKS_PER_BAR
        ends_ns = int(self.listing.bars.ts_ns[bar]) + self.listing.bars.timeframe.nanoseconds
        return now_ns < ends_ns + closed_after_ns

    def first_touch(self, after: int, until: int, side: Side, kind: str, level: Decimal) -> int | None:
        """First tick in (`after`, `until`] that triggers a resting order, or None.

        A buy is measured against the ask, a sell against the bid.
        """
        prices = self.ask if side is Side.LONG else self.bid
        rising = (side is Side.LONG) == (kind == "stop")
        bound = float(level)
        for start in range(after + 1, until + 1, _SCAN):
            window = prices[start : min(start + _SCAN, until + 1)]
            touched = window >= bound if rising else window <= bound
            if touched.any():
                return start + int(np.argmax(touched))
        return None

    def fill_price(self, tick: int, side: Side, kind: str, level: Decimal) -> Decimal:
        """Price of an order at `level` that tick `tick` triggers.

        The level itself where the price came to it without a jump; else the tick's own price, worse for a stop and
        better for a limit.
        """
        prices = self.ask if side is Side.LONG else self.bid
        rising = (side is Side.LONG) == (kind == "stop")
        jumped = tick % _TICKS_PER_BAR == 0
        beyond = tick == 0 or (prices[tick - 1] >= float(level) if rising else prices[tick - 1] <= float(level))
        return self._decimal(prices[tick]) if jumped or beyond else level

"""Trades from fills: each position from its first unit to its last."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl

__all__ = ["RoundTrip", "round_trips"]


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One position, opened and closed; prices are the averages paid, costs included.

    `net_pnl` is after spread, slippage and commission, and before financing, which belongs to bars, not to fills.
    """

    symbol: str
    fold: int
    side: int
    units: float
    entered_ns: int
    entry_price: float
    exited_ns: int
    exit_price: float
    reason: str
    net_pnl: float


@dataclass
class _Position:
    fill: dict[str, Any]
    side: int
    units: float = 0.0
    closed: float = 0.0
    paid: float = 0.0
    received: float = 0.0
    commission: float = 0.0

    def grow(self, fill: dict[str, Any], units: float) -> None:
        self.units += units
        self.paid += units * fill["price"]
        self.commission += fill["commission"] * units / fill["units"]

    def shrink(self, fill: dict[str, Any], units: float) -> None:
        self.closed += units
        self.received += units * fill["price"]
        self.commission += fill["commission"] * units / fill["units"]

    def finished(self, fill: dict[str, Any]) -> RoundTrip:
        return RoundTrip(
            symbol=self.fill["symbol"],
            fold=self.fill["fold"],
            side=self.side,
            units=self.units,
            entered_ns=self.fill["ts_ns"],
            entry_price=self.paid / self.units,
            exited_ns=fill["ts_ns"],
            exit_price=self.received / self.closed,
            reason=fill["reason"],
            net_pnl=self.side * (self.received - self.paid) - self.commission,
        )


def round_trips(fills: "pl.DataFrame", symbol: str) -> list[RoundTrip]:
    """Trades of one symbol in order of their exit; a reversal ends one and begins the next.

    Args:
        fills: `oos/fills.parquet`; rows of one bar in the order in which they happened.
        symbol: the book.
    """
    rows = fills.filter(symbol=symbol).sort("ts", maintain_order=True)
    stamps = rows["ts"].dt.epoch("ns").to_list()
    trips: list[RoundTrip] = []
    position: _Position | None = None
    for ts_ns, row in zip(stamps, rows.iter_rows(named=True), strict=True):
        fill = {**row, "ts_ns": ts_ns}
        left = float(fill["units"])
        if position is not None and position.side != fill["side"]:
            closing = min(left, position.units - position.closed)
            position.shrink(fill, closing)
            left -= closing
            if np.isclose(position.closed, position.units, rtol=1e-9, atol=0.0):
                trips.append(position.finished(fill))
                position = None
        if left > 1e-9 * fill["units"]:
            if position is None:
                position = _Position(fill, int(fill["side"]))
            position.grow(fill, left)
    return trips

"""Orders and fills, as numbers that kernels pass along."""

from enum import IntEnum
from typing import NamedTuple

__all__ = ["NO_FILL", "NO_ORDER", "Fill", "FillReason", "Order", "Side"]


class Side(IntEnum):
    """Direction of a position or a fill."""

    SHORT = -1
    FLAT = 0
    LONG = 1


class FillReason(IntEnum):
    """Why an order was filled; lower-case names are what `fills.parquet` holds."""

    NONE = 0
    ENTRY = 1
    EXIT = 2
    REVERSE = 3
    STOP_LOSS = 4
    TAKE_PROFIT = 5
    TRAILING = 6
    RISK = 7
    END = 8


class Order(NamedTuple):
    """A request to change the position by `units` at the next open, with the bracket that then protects it."""

    order_id: int
    """Rising number, unique in its book; 0 means no order."""
    units: float
    """Signed base units still to fill; 0 with an id withdraws what is pending."""
    stop_loss: float
    """Protective price of the position that results; 0 for none."""
    take_profit: float
    """Target price of the position that results; 0 for none."""
    reason: int
    """`FillReason` of its fills."""
    decided_ns: int
    """Open time of the bar at whose close it was decided."""


NO_ORDER = Order(0, 0.0, 0.0, 0.0, 0, 0)


class Fill(NamedTuple):
    """One execution; `units` 0 means that there was none."""

    order_id: int
    ts_ns: int
    """Open time of the bar it happened in."""
    side: int
    """+1 bought, -1 sold."""
    units: float
    """Base units, > 0."""
    price: float
    """Price paid or received."""
    mid: float
    """Price before half spread and slippage."""
    commission: float
    """Money, >= 0."""
    reason: int
    """`FillReason`."""
    decided_ns: int
    """Open time of the bar at whose close the order, stop or target in force was set."""


NO_FILL = Fill(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0, 0)

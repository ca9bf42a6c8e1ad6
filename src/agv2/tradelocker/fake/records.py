"""Orders, positions, executions and ledger entries of the fake venue; a change makes a new record."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from agv2.core.orders import Side

__all__ = ["Execution", "LedgerEntry", "OrderRecord", "OrderRole", "OrderStatus", "PositionRecord"]

_ZERO = Decimal(0)


class OrderRole(Enum):
    """What an order is for."""

    ENTRY = "entry"
    STOP_LOSS = "stop loss"
    TAKE_PROFIT = "take profit"
    CLOSE = "close"


class OrderStatus(Enum):
    """Status text on the wire; only `NEW` is not final."""

    NEW = "New"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """One order as it stands; quantities in lots, times in nanoseconds."""

    order_id: str
    account_id: str
    symbol: str
    role: OrderRole
    side: Side
    kind: str
    """`market`, `limit` or `stop`."""
    qty: Decimal
    created_ns: int
    modified_ns: int
    visible_ns: int
    validity: str = "GTC"
    status: OrderStatus = OrderStatus.NEW
    filled_qty: Decimal = _ZERO
    average_price: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    position_id: str | None = None
    stop_loss: Decimal | None = None
    stop_loss_type: str | None = None
    take_profit: Decimal | None = None
    take_profit_type: str | None = None
    strategy_id: str | None = None
    trail: Decimal | None = None
    """Distance that a trailing stop keeps or, of an entry, will keep; price units."""
    due_ns: int | None = None
    """When a market order that waits is decided."""
    fill_fraction: Decimal = Decimal(1)
    """Share of the quantity that the first fill may take; set by a fault."""
    rejected_late: bool = False
    bracket_dropped: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it can still be filled."""
        return self.status is OrderStatus.NEW

    @property
    def is_leg(self) -> bool:
        """Whether it protects a position."""
        return self.role in (OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT)

    @property
    def trails(self) -> bool:
        """Whether its level follows the price."""
        return self.role is OrderRole.STOP_LOSS and self.trail is not None

    @property
    def level(self) -> Decimal:
        """Price at which a resting order is touched."""
        level = self.stop_price if self.kind == "stop" else self.price
        assert level is not None
        return level


@dataclass(frozen=True, slots=True)
class PositionRecord:
    """One position from its first fill on; `qty` 0 once closed."""

    position_id: str
    account_id: str
    symbol: str
    side: Side
    qty: Decimal
    average_price: Decimal
    opened_ns: int
    visible_ns: int
    strategy_id: str | None = None
    stop_loss_id: str | None = None
    take_profit_id: str | None = None
    closed_ns: int | None = None
    realised: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill."""

    execution_id: str
    account_id: str
    order_id: str
    position_id: str
    symbol: str
    side: Side
    opens: bool
    """Whether it enlarged its position; otherwise it reduced it."""
    qty: Decimal
    price: Decimal
    ts_ns: int
    realised: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One thing that happened, in the order in which it did."""

    ts_ns: int
    account_id: str
    event: str
    """`accepted`, `changed`, `filled`, `cancelled`, `rejected`, `opened`, `reduced`, `closed`."""
    order_id: str | None
    position_id: str | None
    strategy_id: str | None
    text: str
    balance: Decimal
    """Of the account, afterwards."""

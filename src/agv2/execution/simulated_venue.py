"""What a simulated venue remembers, as values, and the faults that can be ordered from it."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import TypeAdapter

from agv2.core.account import Account
from agv2.core.orders import NO_ORDER, Order
from agv2.execution.broker_messages import BrokerFill, BrokerOrder
from agv2.execution.journal_records import plain_json

__all__ = ["SimulatedBook", "SimulatedFault", "SimulatedState"]


class SimulatedFault(Enum):
    """What a real venue does now and then, and a simulated one only when told to; each strikes once."""

    REFUSED = "the next write is refused"
    REJECTED_LATE = "the next order is accepted, and rejected at the next bar"
    REPLY_LOST = "the next write is carried out, and nobody learns of it"
    REQUEST_LOST = "the next write is not carried out, and nobody knows"
    DUPLICATED = "the next order is entered twice"
    BRACKET_DROPPED = "the next order that fills leaves a position without stop and target"
    PARTLY_FILLED = "the next order that fills does so by half, and its rest ends"
    HIDDEN = "the next order, and what it opens, cannot be seen for 30 s"
    TOKEN_EXPIRED = "the next write is turned away at the door, provably"
    TOO_FAST = "the next write is turned away at the door, with a time to wait"
    AWAY = "reads fail and writes are turned away until this fault is withdrawn"


@dataclass(frozen=True, slots=True)
class SimulatedBook:
    """One symbol: its account as the kernel keeps it, and what waits for the next bar."""

    account: Account
    waiting: Order = NO_ORDER
    """For the next call of the kernel."""
    last_ts_ns: int = -1
    """Open time of the last bar; an older one, or the same again, is passed over."""
    position_id: str = ""
    opened_ns: int = 0
    visible_ns: int = 0
    """From when on the position can be seen."""
    opened_by: str | None = None
    """Strategy id of the order that opened it."""
    n_positions: int = 0


@dataclass(frozen=True, slots=True)
class SimulatedState:
    """Everything that a simulated venue remembers: given back to it, it goes on as if nothing had happened."""

    books: dict[str, SimulatedBook]
    orders: tuple[BrokerOrder, ...]
    """Oldest first, the last few hundred; positions' stops and targets are made when listed."""
    order_ids: dict[str, int]
    """Number by which the kernel knows an order, by the venue's id of it."""
    hidden_until_ns: dict[str, int]
    """By the venue's order id."""
    fills: tuple[BrokerFill, ...]
    n_orders: int
    n_fills: int

    def to_json(self) -> dict[str, Any]:
        """Plain values that `of_json` reads back exactly."""
        plain = plain_json(self)
        assert isinstance(plain, dict)
        return plain

    @classmethod
    def of_json(cls, plain: dict[str, Any]) -> "SimulatedState":
        """What `to_json` wrote."""
        return _ADAPTER.validate_python(plain)


_ADAPTER: TypeAdapter[SimulatedState] = TypeAdapter(SimulatedState)

"""What is said between the executor and a broker: values in base units and plain prices, moments in nanoseconds UTC.

Lots, ticks of a band, route ids and whatever else a venue counts in stay behind the broker. Prices and units are the
floats that kernels use; a broker writes them with the venue's exact digits.
"""

from dataclasses import dataclass
from enum import StrEnum

from agv2.core.errors import InvariantError
from agv2.core.instruments import Market
from agv2.core.orders import FillReason, Order

__all__ = [
    "AccountSnapshot",
    "BracketChange",
    "BrokerFill",
    "BrokerOrder",
    "BrokerOrderStatus",
    "BrokerPosition",
    "BrokerState",
    "Close",
    "PriceQuote",
    "Sighting",
    "Submission",
    "TradingTerms",
    "WriteOutcome",
    "WriteReply",
]

_LONGEST_STRATEGY_ID = 31  # TradeLocker's limit, by its documentation


class WriteOutcome(StrEnum):
    """How a write ended, as far as its sender can know."""

    ACCEPTED = "accepted"
    """The venue took it. Of an order that is no fill yet, and it may still be rejected."""
    REFUSED = "refused"
    """The venue said no; nothing was or will be carried out."""
    NOT_SENT = "not_sent"
    """It provably never reached the venue's order handling; nothing was or will be carried out."""
    UNKNOWN = "unknown"
    """It may have been carried out, or may still be: look before anything is sent on its behalf."""


@dataclass(frozen=True, slots=True)
class WriteReply:
    """Answer to one write. A broker sends a write at most once and never repeats it by itself."""

    outcome: WriteOutcome
    venue_order_id: str | None = None
    """Of an accepted order; None for other writes, and where the broker names orders only once they are listed."""
    reason: str = ""
    """The venue's or the broker's words where the outcome is not `ACCEPTED`; one line, without secrets."""
    retry_after_s: float = 0.0
    """Seconds that the venue wants to be left alone."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A market order under an identity of its own.

    Raises:
        InvariantError: the identity is none, or the order is for nothing.
    """

    strategy_id: str
    """1 to 31 printable ASCII characters, never used before: what a lost order is looked for by."""
    symbol: str
    order: Order
    """Signed units, not 0; `stop_loss` and `take_profit` protect the position that results, 0 for none.

    Prices lie on the tick grid and units on the lot grid of `TradingTerms`: a broker sends nothing else."""

    def __post_init__(self) -> None:
        name = self.strategy_id
        if not 1 <= len(name) <= _LONGEST_STRATEGY_ID or not name.isascii() or not name.isprintable():
            raise InvariantError(
                f"a strategy id has 1 to {_LONGEST_STRATEGY_ID} printable ASCII characters, found {name!r}"
            )
        if self.order.units == 0.0 or self.order.order_id == 0:
            raise InvariantError(f"{name}: an order for nothing, or without a number, is not sent")


@dataclass(frozen=True, slots=True)
class BracketChange:
    """Stop and target that a position shall have from now on: both, as they shall be."""

    symbol: str
    position_id: str
    stop_loss: float
    """Price; 0 removes the stop."""
    take_profit: float
    """Price; 0 removes the target."""
    decided_ns: int
    """Open time of the bar at whose close the change was decided."""
    trailed: bool
    """Whether the stop was moved since the entry: what a fill of it is called."""


@dataclass(frozen=True, slots=True)
class Close:
    """Reduce one position at the market, or end it."""

    symbol: str
    position_id: str
    units: float
    """Base units to take off, > 0 and at most what the position holds; 0 takes off everything that is there."""
    order_id: int
    """Rising number, as of an `Order`."""
    reason: int
    """`FillReason` of its fills."""
    decided_ns: int
    """Open time of the bar at whose close it was decided."""


class BrokerOrderStatus(StrEnum):
    """What became of an order at the venue; only `WORKING` is not final."""

    WORKING = "working"
    FILLED = "filled"
    """Filled whole."""
    CANCELLED = "cancelled"
    """Ended with less than was wanted: `filled_units` may be anything below `units`, also 0."""
    REJECTED = "rejected"
    """Accepted first and thrown out later; nothing was filled."""


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the venue lists it, working or final; stops and targets of positions are orders too."""

    venue_order_id: str
    symbol: str
    units: float
    """Signed base units wanted."""
    filled_units: float
    """Signed base units filled so far."""
    average_price: float | None
    """Of what was filled; None where nothing was or the venue does not say."""
    status: BrokerOrderStatus
    kind: str
    """`market`, `limit` or `stop`."""
    price: float | None
    """At which a resting order is touched; None of a market order."""
    strategy_id: str | None
    """As submitted; None of foreign orders, of closes, and of stops and targets at most venues."""
    position_id: str | None
    """Position that it opened, reduces or protects; None while there is none, or not known."""
    created_ns: int | None

    @property
    def is_working(self) -> bool:
        """Whether it can still be filled."""
        return self.status is BrokerOrderStatus.WORKING


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """An open position, ours or foreign, with the levels that protect it."""

    position_id: str
    symbol: str
    units: float
    """Signed base units held, not 0."""
    entry_price: float
    stop_loss: float
    """Price of the stop that rests at the venue; 0 where there is none."""
    take_profit: float
    """Price of the target that rests at the venue; 0 where there is none."""
    strategy_id: str | None
    """Of the order that opened it; None or another's where it is foreign."""
    opened_ns: int | None
    open_pnl: float | None
    """Account currency; None where the venue does not say."""


@dataclass(frozen=True, slots=True)
class BrokerState:
    """Everything that is open in the account at one moment, foreign orders and positions included."""

    positions: tuple[BrokerPosition, ...]
    orders: tuple[BrokerOrder, ...]
    """Working orders, stops and targets of positions among them."""
    read_ns: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the venue shows under one strategy id: nothing, an order, or (against all intent) several."""

    orders: tuple[BrokerOrder, ...]
    """Working and final ones that carry the id, oldest first."""
    positions: tuple[BrokerPosition, ...]
    """Open ones that carry the id."""
    read_ns: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing was seen; so far, for a venue shows things late."""
        return not self.orders and not self.positions


@dataclass(frozen=True, slots=True)
class BrokerFill:
    """One execution."""

    fill_id: str
    """The venue's, unique in the account."""
    symbol: str
    side: int
    """+1 bought, -1 sold."""
    units: float
    """Base units, > 0."""
    price: float
    filled_ns: int
    """Moment of the fill; of a simulated one the open time of its bar."""
    venue_order_id: str | None
    position_id: str | None
    strategy_id: str | None
    """Of the order, or of the order that opened the position; None of foreign fills, or where it is not known."""
    commission: float | None
    """Money; None where the venue does not say."""
    mid: float | None
    """Price before half spread and slippage; None where nobody knows."""
    reason: int
    """`FillReason`; `NONE` where only the journal can say."""
    decided_ns: int
    """Open time of the bar at whose close the order, stop or target was set; 0 where only the journal can say."""

    @property
    def reason_name(self) -> str:
        """Lower-case name of `reason`."""
        return FillReason(self.reason).name.lower()


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """Money of the account, account currency."""

    balance: float
    """Settled."""
    equity: float
    """Balance and open profit."""
    free_margin: float
    currency: str | None
    read_ns: int


@dataclass(frozen=True, slots=True)
class PriceQuote:
    """Best prices now."""

    bid: float
    ask: float
    read_ns: int
    """When they were received: venues need not say when they were made, so a dead feed looks alive."""

    def to_take(self, side: int) -> float:
        """Price at which an order of this side trades at once."""
        return self.ask if side > 0 else self.bid


@dataclass(frozen=True, slots=True)
class TradingTerms:
    """What the venue allows of a symbol at this moment."""

    symbol: str
    market: Market
    """Lot grid and contract size as the venue tells them; `tick_size` is that of the present price."""
    is_open: bool
    """Whether the venue lists it as open; a moving quote is the other half of that question."""
    status: str
    """The venue's word for it."""

"""What the venue says, as values: ids are text, money and prices exact, moments nanoseconds UTC, null is None."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.orders import Side
from agv2.tradelocker.rate_limiter import RateLimit

__all__ = [
    "AccountRules",
    "AccountState",
    "DailyBar",
    "Depth",
    "Execution",
    "InstrumentDetails",
    "PriceBand",
    "PriceHistory",
    "Quote",
    "SessionStatus",
    "VenueAccount",
    "VenueConfig",
    "VenueInstrument",
    "VenueOrder",
    "VenuePosition",
    "VenueTable",
]

_DEFAULT_MAX_BARS = 20_000
_DEFAULT_MAX_ORDERS = 10_000


class VenueTable(StrEnum):
    """Tables that come as rows without keys, by the name under which `/trade/config` lists their columns."""

    ORDERS = "ordersConfig"
    ORDERS_HISTORY = "ordersHistoryConfig"
    POSITIONS = "positionsConfig"
    EXECUTIONS = "filledOrdersConfig"
    ACCOUNT_STATE = "accountDetailsConfig"


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """Columns, rate limits and sizes of this venue."""

    columns: Mapping[VenueTable, tuple[str, ...]]
    """Column names in order; a table that the venue does not describe is absent."""
    rate_limits: tuple[RateLimit, ...]
    limits: Mapping[str, int]
    """By `limitType`."""

    @property
    def max_bars(self) -> int:
        """Most bars that one history request may span."""
        return self.limits.get("QUOTES_HISTORY_BARS", _DEFAULT_MAX_BARS)

    @property
    def max_orders(self) -> int:
        """Most rows that one answer of the order history holds."""
        return self.limits.get("MAX_ORDERS_COUNT_IN_HISTORY", _DEFAULT_MAX_ORDERS)


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """One account of a login."""

    account_id: str
    """Unique in its environment; stands in paths."""
    acc_num: int
    """1, 2, 3 … within the login; stands in the header and alone decides which account a write is for."""
    name: str | None
    currency: str | None
    status: str | None
    """`ACTIVE`, or what the broker calls an account that is closed but still listed."""
    balance: Decimal | None

    @property
    def is_active(self) -> bool:
        """Whether the broker lists it as active; one without a status is."""
        return self.status is None or self.status.upper() == "ACTIVE"


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What the broker allows in an account; which keys there are differs by broker."""

    trading: Mapping[str, object]
    risk: Mapping[str, object]
    """For example a daily loss limit."""


@dataclass(frozen=True, slots=True)
class VenueInstrument:
    """A symbol as one account sees it. Routes are per user: never use those of another login."""

    account_id: str
    instrument_id: str
    """`tradableInstrumentId`: the id for every call."""
    name: str
    description: str | None
    kind: str | None
    """Broker's type, such as FOREX or EQUITY_CFD; metals may be either."""
    bar_source: str | None
    """BID, ASK or TRADE: which price the bars are made of."""
    info_routes: tuple[str, ...]
    """For market data; some of several may be dead."""
    trade_routes: tuple[str, ...]
    """For orders."""


@dataclass(frozen=True, slots=True)
class PriceBand:
    """A value that holds for prices from `from_price` up to the next band."""

    from_price: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class InstrumentDetails:
    """Sizes and state of an instrument; what the broker leaves open is None."""

    instrument_id: str
    lot_size: Decimal | None
    """Units per lot."""
    min_lot: Decimal | None
    lot_step: Decimal | None
    max_lot: Decimal | None
    tick_sizes: tuple[PriceBand, ...]
    """Rising by `from_price`."""
    tick_costs: tuple[PriceBand, ...]
    base_currency: str | None
    quote_currency: str | None
    leverage: Decimal | None
    bar_source: str | None
    symbol_status: str | None
    session_id: str | None
    session_status_id: str | None
    last_trade_date: str | None
    """Of a future, as the broker writes it: orders are cancelled at the end of that day."""

    @property
    def is_fully_open(self) -> bool:
        """Whether the broker lists it as open; a moving quote is the other half of that question."""
        return self.symbol_status == "FULLY_OPEN"

    def tick_size_at(self, price: Decimal) -> Decimal | None:
        """Smallest price step at `price`; None when the broker names none."""
        reached = [band.value for band in self.tick_sizes if band.from_price <= price]
        return reached[-1] if reached else (self.tick_sizes[0].value if self.tick_sizes else None)


@dataclass(frozen=True, slots=True)
class Quote:
    """Best prices. The venue gives no time with them: `received_ns` is ours, and a dead feed looks alive."""

    bid: Decimal
    ask: Decimal
    bid_lots: Decimal | None
    ask_lots: Decimal | None
    received_ns: int


@dataclass(frozen=True, slots=True)
class Depth:
    """Offers by price, best first as the venue sends them: (price, lots)."""

    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class DailyBar:
    """The current day so far."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """Bars of one request, oldest first. The last one may still be forming, and stamps may repeat.

    Arrays are (n_bars,); an unknown volume is NaN.
    """

    ts_ns: IntArray
    """Open times, nanoseconds UTC."""
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    earlier_ns: int | None
    """With no bars: open of the newest bar before the span asked for, None when there is none or it is not told."""

    def __len__(self) -> int:
        return int(self.ts_ns.size)


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as listed, open or final. Trust `filled_lots` and the position, never the status alone."""

    order_id: str
    instrument_id: str
    route_id: str | None
    lots: Decimal
    side: Side
    kind: str
    """`market`, `limit` or `stop`."""
    status: str | None
    filled_lots: Decimal
    average_price: Decimal | None
    price: Decimal | None
    stop_price: Decimal | None
    validity: str | None
    created_ns: int | None
    modified_ns: int | None
    is_open: bool
    position_id: str | None
    stop_loss: Decimal | None
    stop_loss_kind: str | None
    take_profit: Decimal | None
    take_profit_kind: str | None
    strategy_id: str | None


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """An open position. The levels of its stop and target are those of the orders that it names."""

    position_id: str
    instrument_id: str
    route_id: str | None
    side: Side
    lots: Decimal
    average_price: Decimal
    stop_loss_id: str | None
    take_profit_id: str | None
    opened_ns: int | None
    unrealized_pnl: Decimal | None
    """Account currency."""
    strategy_id: str | None


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of the current session; it carries no commission and no profit."""

    execution_id: str
    order_id: str | None
    position_id: str | None
    instrument_id: str
    side: Side
    lots: Decimal
    price: Decimal
    filled_ns: int


@dataclass(frozen=True, slots=True)
class AccountState:
    """Money of an account now, account currency."""

    balance: Decimal
    equity: Decimal
    """The venue calls it `projectedBalance`."""
    available_funds: Decimal
    """Free margin."""
    values: Mapping[str, Decimal | None]
    """Every column, by the venue's name."""


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """What a session's phase allows; what each place stands for is not documented."""

    allowed_operations: tuple[bool, ...]
    allowed_order_types: tuple[bool, ...]

"""One TradeLocker account behind the `Broker` port."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from agv2.core.bars import Bar
from agv2.core.errors import (
    ConfigError,
    FinalVenueError,
    InvariantError,
    RefusedError,
    RetryableVenueError,
    UnknownOutcomeError,
)
from agv2.core.instruments import Market
from agv2.core.orders import Side
from agv2.execution.broker_messages import (
    AccountSnapshot,
    BracketChange,
    BrokerFill,
    BrokerOrder,
    BrokerState,
    Close,
    PriceQuote,
    Sighting,
    Submission,
    TradingTerms,
    WriteOutcome,
    WriteReply,
)
from agv2.execution.tradelocker_views import InstrumentView, fills_of, order_view, position_view
from agv2.execution.venue_units import VenueSizes
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.messages import InstrumentDetails, VenueAccount, VenueInstrument, VenueOrder, VenuePosition
from agv2.tradelocker.payloads import OrderRequest
from agv2.utils.clock import Clock

__all__ = ["SymbolAtVenue", "TradeLockerBroker"]

_READS_FOR_ONE_PICTURE = 4
_NS_PER_HOUR = 3_600_000_000_000
_CLOCK_DOUBT_NS = _NS_PER_HOUR  # our clock and the venue's may differ; ids are unique, so a wide span costs nothing
_REACH_NS = 30 * 24 * _NS_PER_HOUR  # history goes by creation: a stop may fill a month after it was made
_SIZE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class SymbolAtVenue:
    """What a symbol is called there, and what we believe of its sizes."""

    venue_name: str
    market: Market


class TradeLockerBroker:
    """Orders, positions and money of one account; every read asks the venue.

    Use `open`. Positions hedge: each order opens its own, and `close` alone reduces one.
    """

    def __init__(
        self,
        client: TradeLockerClient,
        account: VenueAccount,
        traded: Mapping[str, tuple[VenueInstrument, Market]],
        listed: Mapping[str, VenueInstrument],
        clock: Clock,
        name: str,
    ) -> None:
        self._client = client
        self._account = account
        self._traded = traded
        self._listed = listed
        self._symbols = {instrument.instrument_id: symbol for symbol, (instrument, _) in traded.items()}
        self._clock = clock
        self._name = name
        self._details: dict[str, InstrumentDetails] = {}

    @classmethod
    async def open(
        cls, client: TradeLockerClient, symbols: Mapping[str, SymbolAtVenue], clock: Clock, *, server: str = ""
    ) -> Self:
        """The account that the client's login names.

        Args:
            client: entered; it stays the caller's to leave.
            symbols: what will be traded.
            clock: tells when something was read.
            server: for the broker's name.

        Raises:
            ConfigError: no such account, a symbol that the venue does not list, or a contract size that differs from
                ours: every order would be too large or too small.
            VenueError: the venue cannot be read.
        """
        account = await client.account()
        listed = {each.name: each for each in await client.instruments(account.account_id)}
        traded: dict[str, tuple[VenueInstrument, Market]] = {}
        for symbol, known in symbols.items():
            instrument = listed.get(known.venue_name)
            if instrument is None:
                raise ConfigError(
                    f"{symbol}: account {account.account_id} has no instrument {known.venue_name!r}; set venue_names "
                    f"in markets.yaml to one of {', '.join(sorted(listed)[:20])}"
                )
            if not instrument.trade_routes:
                raise ConfigError(f"{symbol}: the venue takes no orders for {known.venue_name} in this account")
            traded[symbol] = (instrument, known.market)
        by_id = {each.instrument_id: each for each in listed.values()}
        broker = cls(
            client, account, traded, by_id, clock, f"TradeLocker {server} {account.account_id}".replace("  ", " ")
        )
        for symbol in symbols:
            await broker._require_our_contract(symbol)
        return broker

    @property
    def name(self) -> str:
        """Server and account."""
        return self._name

    @property
    def nets(self) -> bool:
        """False: the venue hedges."""
        return False

    async def observe(self, symbol: str, bar: Bar) -> None:
        """Nothing: what happened at the venue happened without us."""

    # ------------------------------------------------------------------------------------------------ reads

    async def terms(self, symbol: str) -> TradingTerms:
        """Grids, sizes and state of a symbol now."""
        instrument, market = self._known(symbol)
        details = self._details[instrument.instrument_id] = await self._client.instrument_details(instrument)
        quote = await self._client.quote(instrument)
        sizes = VenueSizes(details, market)
        return TradingTerms(
            symbol=symbol,
            market=sizes.market_at(float(quote.bid)),
            is_open=details.is_fully_open,
            status=details.symbol_status or "",
        )

    async def quote(self, symbol: str) -> PriceQuote:
        """Best prices now."""
        quote = await self._client.quote(self._known(symbol)[0])
        return PriceQuote(float(quote.bid), float(quote.ask), quote.received_ns)

    async def account(self) -> AccountSnapshot:
        """Money now."""
        state = await self._client.account_state(self._account.account_id)
        return AccountSnapshot(
            balance=float(state.balance),
            equity=float(state.equity),
            free_margin=float(state.available_funds),
            currency=self._account.currency,
            read_ns=self._clock.now_ns(),
        )

    async def state(self) -> BrokerState:
        """Everything that is open.

        Raises:
            RetryableVenueError: also where a position in a traded symbol names a stop that is not among the orders,
                several times over.
        """
        missing = ""
        for _ in range(_READS_FOR_ONE_PICTURE):
            # Positions first: the stop of a position that is listed was there before we ask for orders, and is gone
            # only if the position is.
            positions = await self._client.positions(self._account.account_id)
            orders = {order.order_id: order for order in await self._client.orders(self._account.account_id)}
            # What somebody else holds in another symbol is none of our business, and may not keep us from protecting.
            missing = _leg_not_listed([each for each in positions if each.instrument_id in self._symbols], orders)
            if not missing:
                return BrokerState(
                    positions=tuple([position_view(each, orders, await self._view(each)) for each in positions]),
                    orders=tuple([order_view(each, await self._view(each)) for each in orders.values()]),
                    read_ns=self._clock.now_ns(),
                )
        raise RetryableVenueError(f"{self._name}: {missing}; positions and orders do not fit together yet")

    async def find(self, strategy_id: str, since_ns: int) -> Sighting:
        """Look for `strategy_id` in working orders, positions and the history of orders."""
        account_id = self._account.account_id
        # In this order nothing slips through: an order leaves the first list only by entering one of the others.
        orders = await self._client.orders(account_id)
        positions = await self._client.positions(account_id)
        final = await self._client.orders_history(account_id, *self._span(since_ns))
        legs = {each for position in positions for each in (position.stop_loss_id, position.take_profit_id)}
        found = {
            order.order_id: order
            for order in [*orders, *final]  # what is final counts, should an order be in both
            if order.strategy_id == strategy_id and order.order_id not in legs and order.kind == "market"
        }
        working = {order.order_id: order for order in orders}
        return Sighting(
            orders=tuple([order_view(each, await self._view(each)) for each in _oldest_first(list(found.values()))]),
            positions=tuple(
                [
                    position_view(each, working, await self._view(each))
                    for each in positions
                    if each.strategy_id == strategy_id
                ]
            ),
            read_ns=self._clock.now_ns(),
        )

    async def history(self, from_ns: int, to_ns: int) -> tuple[BrokerOrder, ...]:
        """Final orders created in a span, oldest first."""
        found = await self._client.orders_history(self._account.account_id, max(from_ns, 0), to_ns)
        return tuple([order_view(each, await self._view(each)) for each in _oldest_first(found)])

    async def fills(self, since_ns: int) -> tuple[BrokerFill, ...]:
        """One for each order that ended with something filled, at its average price."""
        account_id = self._account.account_id
        final = await self._client.orders_history(account_id, *self._span(since_ns - _REACH_NS))
        views = {order.instrument_id: await self._view(order) for order in final}
        return tuple(fill for fill in fills_of(_oldest_first(final), views) if fill.filled_ns >= since_ns)

    # ----------------------------------------------------------------------------------------------- writes

    async def submit(self, submission: Submission) -> WriteReply:
        """Send a market order, once."""
        order = submission.order
        instrument, _ = self._known(submission.symbol)
        sizes = await self._sizes(submission.symbol)
        request = OrderRequest(
            instrument=instrument,
            side=Side.LONG if order.units > 0.0 else Side.SHORT,
            lots=sizes.lots(abs(order.units)),
            strategy_id=submission.strategy_id,
            stop_loss=sizes.price(order.stop_loss),
            take_profit=sizes.price(order.take_profit),
        )

        async def place() -> str | None:
            return await self._client.place_order(request)

        return await _written(place)

    async def amend(self, change: BracketChange) -> WriteReply:
        """Set stop and target of a position, once."""
        sizes = await self._sizes(change.symbol)

        async def set_levels() -> str | None:
            await self._client.modify_position(
                self._account.account_id,
                change.position_id,
                stop_loss=sizes.price(change.stop_loss),
                take_profit=sizes.price(change.take_profit),
            )
            return None

        return await _written(set_levels)

    async def close(self, close: Close) -> WriteReply:
        """Order that a position be reduced or ended, once."""
        sizes = await self._sizes(close.symbol)
        lots = sizes.closing_lots(close.units)

        async def reduce() -> str | None:
            await self._client.close_position(self._account.account_id, close.position_id, lots)
            return None

        return await _written(reduce)

    async def cancel(self, symbol: str, venue_order_id: str) -> WriteReply:
        """Withdraw a working order, once."""
        self._known(symbol)

        async def withdraw() -> str | None:
            await self._client.cancel_order(self._account.account_id, venue_order_id)
            return None

        return await _written(withdraw)

    # ---------------------------------------------------------------------------------------------- details

    def _known(self, symbol: str) -> tuple[VenueInstrument, Market]:
        if symbol not in self._traded:
            raise InvariantError(f"{symbol} is none of the symbols that this broker was opened for")
        return self._traded[symbol]

    def _span(self, since_ns: int) -> tuple[int, int]:
        return max(since_ns - _CLOCK_DOUBT_NS, 0), self._clock.now_ns() + _CLOCK_DOUBT_NS

    async def _sizes(self, symbol: str) -> VenueSizes:
        instrument, market = self._known(symbol)
        return VenueSizes(await self._details_of(instrument), market)

    async def _details_of(self, instrument: VenueInstrument) -> InstrumentDetails:
        if instrument.instrument_id not in self._details:
            self._details[instrument.instrument_id] = await self._client.instrument_details(instrument)
        return self._details[instrument.instrument_id]

    async def _view(self, row: VenueOrder | VenuePosition) -> InstrumentView:
        """Name and units per lot of a row's instrument, foreign ones included."""
        instrument = self._listed.get(row.instrument_id)
        if instrument is None:
            return InstrumentView(f"instrument {row.instrument_id}", Decimal(1))
        symbol = self._symbols.get(row.instrument_id)
        if symbol is not None:
            return InstrumentView(symbol, (await self._sizes(symbol)).contract_size)
        try:
            lot = (await self._details_of(instrument)).lot_size
        except (RetryableVenueError, FinalVenueError):
            lot = None  # units of a symbol that we do not trade are shown, and count nowhere
        return InstrumentView(instrument.name, lot or Decimal(1))

    async def _require_our_contract(self, symbol: str) -> None:
        sizes = await self._sizes(symbol)
        ours, theirs = sizes.market.contract_size, sizes.details.lot_size
        if theirs is not None and abs(float(theirs) - ours) > _SIZE_TOLERANCE * ours:
            raise ConfigError(
                f"{symbol}: markets.yaml says contract_size {ours:g}, the venue says that a lot is {theirs:f} units; "
                "correct markets.yaml"
            )


async def _written(write: Callable[[], Awaitable[str | None]]) -> WriteReply:
    """What became of one write. It is called once, whatever happens."""
    try:
        order_id = await write()
    except RefusedError as error:
        return WriteReply(WriteOutcome.REFUSED, reason=str(error))
    except UnknownOutcomeError as error:
        return WriteReply(WriteOutcome.UNKNOWN, reason=str(error))
    except RetryableVenueError as error:
        return WriteReply(WriteOutcome.NOT_SENT, reason=str(error), retry_after_s=error.retry_after_s)
    except FinalVenueError as error:  # nobody is signed in
        return WriteReply(WriteOutcome.NOT_SENT, reason=str(error))
    return WriteReply(WriteOutcome.ACCEPTED, order_id)


def _leg_not_listed(positions: list[VenuePosition], orders: Mapping[str, VenueOrder]) -> str:
    for position in positions:
        for leg in (position.stop_loss_id, position.take_profit_id):
            if leg is not None and leg not in orders:
                return f"position {position.position_id} names order {leg}, which is not listed"
    return ""


def _oldest_first(orders: list[VenueOrder]) -> list[VenueOrder]:
    return sorted(orders, key=lambda order: (order.created_ns or 0, len(order.order_id), order.order_id))

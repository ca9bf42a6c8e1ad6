"""A venue of our own behind the `Broker` port: one net book a symbol, filled by the one kernel there is."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from agv2.core.account import Account, equity, open_account
from agv2.core.bars import Bar
from agv2.core.errors import InvariantError, RetryableVenueError
from agv2.core.instruments import Market
from agv2.core.orders import NO_ORDER, FillReason, Order
from agv2.execution.broker_messages import (
    AccountSnapshot,
    BracketChange,
    BrokerFill,
    BrokerOrder,
    BrokerOrderStatus,
    BrokerState,
    Close,
    PriceQuote,
    Sighting,
    Submission,
    TradingTerms,
    WriteOutcome,
    WriteReply,
)
from agv2.execution.simulated_ledger import SimulatedLedger, legs
from agv2.execution.simulated_venue import SimulatedBook, SimulatedFault, SimulatedState
from agv2.sim.costs import Costs
from agv2.sim.kernel import advance
from agv2.utils.clock import Clock

__all__ = ["SimulatedBroker", "SimulatedSymbol"]

_GRID_TOLERANCE = 1e-6  # of a lot step
_WHOLE = 1e-9
_DOORS = (SimulatedFault.TOKEN_EXPIRED, SimulatedFault.TOO_FAST, SimulatedFault.AWAY)


class SimulatedSymbol(NamedTuple):
    """What one symbol trades like."""

    market: Market
    costs: Costs
    initial_equity: float
    """Money in its book at the start."""
    first_price: float
    """At which a flat book is marked until the first bar."""


class SimulatedBroker:
    """Orders wait for the next bar and fill by `sim.kernel.advance`, as in a backtest.

    Not for several threads. Where a state is given it goes on from there; give `save`, and the state is handed out
    before the answer to each write and after each bar: a restart is a load.

    Args:
        symbols: what is traded.
        clock: stamps reads.
        state: of an earlier run; None: books are flat.
        save: told of each new state.
    """

    def __init__(
        self,
        symbols: Mapping[str, SimulatedSymbol],
        clock: Clock,
        *,
        state: SimulatedState | None = None,
        save: Callable[[SimulatedState], None] | None = None,
    ) -> None:
        self._symbols = symbols
        self._clock = clock
        self._save = save
        self._faults: list[SimulatedFault] = []
        if state is None:
            books = {
                symbol: SimulatedBook(open_account(each.initial_equity, each.first_price))
                for symbol, each in symbols.items()
            }
            state = SimulatedState(books, (), {}, {}, (), 0, 0)
        if set(state.books) != set(symbols):
            raise InvariantError(f"the saved books are of {sorted(state.books)}, this run trades {sorted(symbols)}")
        self._ledger = SimulatedLedger(state, clock)

    @property
    def name(self) -> str:
        """Always `simulated`."""
        return "simulated"

    @property
    def nets(self) -> bool:
        """True: one book a symbol."""
        return True

    @property
    def venue_state(self) -> SimulatedState:
        """Everything that it remembers."""
        return self._ledger.state

    def book(self, symbol: str) -> Account:
        """The symbol's book as the kernel keeps it, the waiting order not yet in it."""
        return self._ledger.state.books[symbol].account

    def order_fault(self, *faults: SimulatedFault) -> None:
        """Faults for the next calls that they fit."""
        self._faults += faults

    def withdraw_faults(self) -> None:
        """All is well again."""
        self._faults.clear()

    # ------------------------------------------------------------------------------------------------- time

    async def observe(self, symbol: str, bar: Bar) -> None:
        """Carry the symbol's book through `bar`; a bar that was seen before changes nothing."""
        book = self._ledger.state.books[symbol]
        if bar.ts_ns <= book.last_ts_ns:
            return
        known = self._symbols[symbol]
        if self._takes(SimulatedFault.REJECTED_LATE, if_waiting=symbol):
            self._ledger.end_working(symbol, BrokerOrderStatus.REJECTED)
            book = self._ledger.put(symbol, waiting=NO_ORDER, account=book.account._replace(pending=NO_ORDER))
        costs = known.costs
        if self._takes(SimulatedFault.PARTLY_FILLED, if_waiting=symbol):
            costs = costs._replace(fill_frac=0.5, carry_partial=False)
        before = book.account
        result = advance(before, book.waiting, bar, costs, known.market)
        account = result.account
        if result.market_fill.units > 0.0:
            self._ledger.book_market_fill(symbol, before, account, result.market_fill)
            if account.units and self._takes(SimulatedFault.BRACKET_DROPPED):
                account = account._replace(stop_loss=0.0, take_profit=0.0)
        if result.bracket_fill.units > 0.0:
            self._ledger.book_bracket_fill(symbol, result.bracket_fill)
        if account.pending.order_id == 0:
            self._ledger.end_working(symbol, BrokerOrderStatus.CANCELLED)
        self._ledger.put(symbol, account=account, waiting=NO_ORDER, last_ts_ns=bar.ts_ns)
        self._saved()

    # ------------------------------------------------------------------------------------------------ reads

    async def terms(self, symbol: str) -> TradingTerms:
        """The configured grids; always open, since a bar closed."""
        self._require_there()
        return TradingTerms(symbol, self._symbols[symbol].market, True, "SIMULATED")

    async def quote(self, symbol: str) -> PriceQuote:
        """Half the usual spread around the last close."""
        self._require_there()
        price, half = self.book(symbol).close_price, self._symbols[symbol].costs.half_spread_frac
        return PriceQuote(price * (1.0 - half), price * (1.0 + half), self._clock.now_ns())

    async def account(self) -> AccountSnapshot:
        """Money over all books, marked at the last closes."""
        self._require_there()
        books = {symbol: book.account for symbol, book in self._ledger.state.books.items()}
        margin = sum(
            abs(book.units) * book.close_price / self._symbols[symbol].market.leverage for symbol, book in books.items()
        )
        total = float(sum(equity(book) for book in books.values()))
        return AccountSnapshot(
            balance=float(sum(book.cash + book.units * book.entry_price for book in books.values())),
            equity=total,
            free_margin=total - margin,
            currency=None,
            read_ns=self._clock.now_ns(),
        )

    async def state(self) -> BrokerState:
        """Everything that is open and can be seen."""
        self._require_there()
        positions = [self._ledger.position(symbol) for symbol in self._ledger.state.books]
        seen = tuple(position for position in positions if position is not None)
        working = [order for order in self._ledger.seen_orders() if order.is_working]
        brackets = [leg for position in seen for leg in legs(position)]
        return BrokerState(seen, (*working, *brackets), self._clock.now_ns())

    async def find(self, strategy_id: str, since_ns: int) -> Sighting:
        """What carries `strategy_id` and can be seen."""
        self._require_there()
        positions = [self._ledger.position(symbol) for symbol in self._ledger.state.books]
        return Sighting(
            orders=tuple(order for order in self._ledger.seen_orders() if order.strategy_id == strategy_id),
            positions=tuple(each for each in positions if each is not None and each.strategy_id == strategy_id),
            read_ns=self._clock.now_ns(),
        )

    async def history(self, from_ns: int, to_ns: int) -> tuple[BrokerOrder, ...]:
        """Final orders of a span, oldest first."""
        self._require_there()
        return tuple(
            order
            for order in self._ledger.seen_orders()
            if not order.is_working and from_ns <= (order.created_ns or 0) <= to_ns
        )

    async def fills(self, since_ns: int) -> tuple[BrokerFill, ...]:
        """Fills of bars that opened at `since_ns` or later, oldest first."""
        self._require_there()
        return tuple(fill for fill in self._ledger.state.fills if fill.filled_ns >= since_ns)

    # ----------------------------------------------------------------------------------------------- writes

    async def submit(self, submission: Submission) -> WriteReply:
        """Let a market order wait for the next bar, in the place of whatever waits."""
        order = submission.order
        self._require_on_grid(submission.symbol, order.units)
        refusal = self._bracket_refusal(submission.symbol, order.units, order.stop_loss, order.take_profit)
        times = 2 if self._takes(SimulatedFault.DUPLICATED) else 1

        def enter() -> str:
            hidden = self._takes(SimulatedFault.HIDDEN)
            return self._ledger.enter(submission.symbol, order, submission.strategy_id, None, times, hidden=hidden)

        return self._written(refusal, enter)

    async def amend(self, change: BracketChange) -> WriteReply:
        """Set stop and target of a position."""
        book = self._ledger.state.books[change.symbol].account
        refusal = self._position_refusal(change.symbol, change.position_id)
        refusal = refusal or self._bracket_refusal(change.symbol, book.units, change.stop_loss, change.take_profit)

        def set_levels() -> str | None:
            account = book._replace(
                stop_loss=change.stop_loss,
                take_profit=change.take_profit,
                trailed=change.trailed,
                bracket_decided_ns=(
                    book.bracket_decided_ns if change.stop_loss == book.stop_loss else change.decided_ns
                ),
                target_decided_ns=(
                    book.target_decided_ns if change.take_profit == book.take_profit else change.decided_ns
                ),
            )
            self._ledger.put(change.symbol, account=account)
            return None

        return self._written(refusal, set_levels)

    async def close(self, close: Close) -> WriteReply:
        """Let an order that reduces or ends the position wait for the next bar."""
        held = self._ledger.state.books[close.symbol].account.units
        refusal = self._position_refusal(close.symbol, close.position_id)
        if not refusal and close.units > abs(held) * (1.0 + _WHOLE):
            refusal = f"{close.units:g} units exceed the position's {abs(held):g}"
        if close.units:
            self._require_on_grid(close.symbol, close.units)
        units = close.units or abs(held)
        order = Order(close.order_id, -units if held > 0.0 else units, 0.0, 0.0, close.reason, close.decided_ns)

        def enter() -> None:
            self._ledger.enter(close.symbol, order, None, close.position_id, 1)

        return self._written(refusal, enter)

    async def cancel(self, symbol: str, venue_order_id: str) -> WriteReply:
        """Withdraw the order that waits."""
        found = [
            each for each in self._ledger.state.orders if each.venue_order_id == venue_order_id and each.is_working
        ]
        refusal = "" if found else f"order {venue_order_id} is not working"

        def withdraw() -> None:
            self._ledger.end_working(symbol, BrokerOrderStatus.CANCELLED)
            order_id = self._ledger.state.order_ids[venue_order_id]
            self._ledger.put(symbol, waiting=Order(order_id, 0.0, 0.0, 0.0, FillReason.NONE.value, 0))

        return self._written(refusal, withdraw)

    # ---------------------------------------------------------------------------------------------- details

    def _written(self, refusal: str, carry_out: Callable[[], str | None]) -> WriteReply:
        """One write, as the faults that were ordered would have it."""
        for door in _DOORS:
            if door in self._faults:
                if door is not SimulatedFault.AWAY:
                    self._faults.remove(door)
                wait_s = 5.0 if door is SimulatedFault.TOO_FAST else 0.0
                return WriteReply(WriteOutcome.NOT_SENT, reason=door.value, retry_after_s=wait_s)
        if self._takes(SimulatedFault.REQUEST_LOST):
            return WriteReply(WriteOutcome.UNKNOWN, reason=SimulatedFault.REQUEST_LOST.value)
        if refusal or self._takes(SimulatedFault.REFUSED):
            return WriteReply(WriteOutcome.REFUSED, reason=refusal or SimulatedFault.REFUSED.value)
        order_id = carry_out()
        self._saved()
        if self._takes(SimulatedFault.REPLY_LOST):
            return WriteReply(WriteOutcome.UNKNOWN, reason=SimulatedFault.REPLY_LOST.value)
        return WriteReply(WriteOutcome.ACCEPTED, order_id)

    def _saved(self) -> None:
        if self._save is not None:
            self._save(self._ledger.state)

    def _takes(self, fault: SimulatedFault, *, if_waiting: str | None = None) -> bool:
        """Whether the fault was ordered; it is used up."""
        if fault not in self._faults:
            return False
        if if_waiting is not None:
            book = self._ledger.state.books[if_waiting]
            if book.waiting.units == 0.0 and book.account.pending.order_id == 0:
                return False
        self._faults.remove(fault)
        return True

    def _require_there(self) -> None:
        if SimulatedFault.AWAY in self._faults:
            raise RetryableVenueError("the simulated venue is away for maintenance")

    def _require_on_grid(self, symbol: str, units: float) -> None:
        """Refuse a change that leads off the lot grid; how large a position may be is the planner's business."""
        market = self._symbols[symbol].market
        steps = abs(units) / (market.contract_size * market.lot_step)
        if round(steps) < 1 or abs(steps - round(steps)) > _GRID_TOLERANCE:
            raise InvariantError(
                f"{units!r} units are {steps:g} steps of {market.lot_step:g} lots, expected a whole number"
            )

    def _bracket_refusal(self, symbol: str, units: float, stop_loss: float, take_profit: float) -> str:
        """Of a stop or target beyond the last close; at it, a kernel lets it stand, and so do we."""
        price, side = self.book(symbol).close_price, 1.0 if units > 0.0 else -1.0
        if stop_loss and side * (stop_loss - price) > 0.0:
            return f"stop {stop_loss:g} is on the wrong side of {price:g}"
        if take_profit and side * (take_profit - price) < 0.0:
            return f"target {take_profit:g} is on the wrong side of {price:g}"
        return ""

    def _position_refusal(self, symbol: str, position_id: str) -> str:
        book = self._ledger.state.books[symbol]
        if book.account.units == 0.0 or book.position_id != position_id:
            return f"position {position_id} is not there"
        return ""

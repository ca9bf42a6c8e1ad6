"""A venue of our own behind the `Broker` port: one net book a symbol, filled by the one kernel there is."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

from agv2.core.account import Account, equity, open_account
from agv2.core.bars import Bar
from agv2.core.errors import InvariantError, RetryableVenueError
from agv2.core.instruments import Market
from agv2.core.orders import NO_ORDER, Fill, FillReason, Order
from agv2.execution.broker_messages import (
    AccountSnapshot,
    BracketChange,
    BrokerFill,
    BrokerOrder,
    BrokerOrderStatus,
    BrokerPosition,
    BrokerState,
    Close,
    PriceQuote,
    Sighting,
    Submission,
    TradingTerms,
    WriteOutcome,
    WriteReply,
)
from agv2.execution.simulated_venue import SimulatedBook, SimulatedFault, SimulatedState
from agv2.sim.costs import Costs
from agv2.sim.kernel import advance
from agv2.utils.clock import Clock

__all__ = ["SimulatedBroker", "SimulatedSymbol"]

_KEPT = 400
_HIDDEN_NS = 30_000_000_000
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
        self._state = state

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
        return self._state

    def book(self, symbol: str) -> Account:
        """The symbol's book as the kernel keeps it, the waiting order not yet in it."""
        return self._state.books[symbol].account

    def order_fault(self, *faults: SimulatedFault) -> None:
        """Faults for the next calls that they fit."""
        self._faults += faults

    def withdraw_faults(self) -> None:
        """All is well again."""
        self._faults.clear()

    # ------------------------------------------------------------------------------------------------- time

    async def observe(self, symbol: str, bar: Bar) -> None:
        """Carry the symbol's book through `bar`; a bar that was seen before changes nothing."""
        book = self._state.books[symbol]
        if bar.ts_ns <= book.last_ts_ns:
            return
        known = self._symbols[symbol]
        if self._takes(SimulatedFault.REJECTED_LATE, if_waiting=symbol):
            self._end_working(symbol, BrokerOrderStatus.REJECTED)
            book = self._put(symbol, waiting=NO_ORDER, account=book.account._replace(pending=NO_ORDER))
        costs = known.costs
        if self._takes(SimulatedFault.PARTLY_FILLED, if_waiting=symbol):
            costs = costs._replace(fill_frac=0.5, carry_partial=False)
        before = book.account
        result = advance(before, book.waiting, bar, costs, known.market)
        account = result.account
        if result.market_fill.units > 0.0:
            self._book_market_fill(symbol, before, account, result.market_fill)
            if account.units and self._takes(SimulatedFault.BRACKET_DROPPED):
                account = account._replace(stop_loss=0.0, take_profit=0.0)
        if result.bracket_fill.units > 0.0:
            self._book_bracket_fill(symbol, result.bracket_fill)
        if account.pending.order_id == 0:
            self._end_working(symbol, BrokerOrderStatus.CANCELLED)
        self._put(symbol, account=account, waiting=NO_ORDER, last_ts_ns=bar.ts_ns)
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
        books = {symbol: book.account for symbol, book in self._state.books.items()}
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
        positions = [self._position(symbol) for symbol in self._state.books]
        seen = tuple(position for position in positions if position is not None)
        working = [order for order in self._seen_orders() if order.is_working]
        legs = [leg for position in seen for leg in _legs(position)]
        return BrokerState(seen, (*working, *legs), self._clock.now_ns())

    async def find(self, strategy_id: str, since_ns: int) -> Sighting:
        """What carries `strategy_id` and can be seen."""
        self._require_there()
        positions = [self._position(symbol) for symbol in self._state.books]
        return Sighting(
            orders=tuple(order for order in self._seen_orders() if order.strategy_id == strategy_id),
            positions=tuple(each for each in positions if each is not None and each.strategy_id == strategy_id),
            read_ns=self._clock.now_ns(),
        )

    async def history(self, from_ns: int, to_ns: int) -> tuple[BrokerOrder, ...]:
        """Final orders of a span, oldest first."""
        self._require_there()
        return tuple(
            order
            for order in self._seen_orders()
            if not order.is_working and from_ns <= (order.created_ns or 0) <= to_ns
        )

    async def fills(self, since_ns: int) -> tuple[BrokerFill, ...]:
        """Fills of bars that opened at `since_ns` or later, oldest first."""
        self._require_there()
        return tuple(fill for fill in self._state.fills if fill.filled_ns >= since_ns)

    # ----------------------------------------------------------------------------------------------- writes

    async def submit(self, submission: Submission) -> WriteReply:
        """Let a market order wait for the next bar, in the place of whatever waits."""
        order = submission.order
        self._require_on_grid(submission.symbol, order.units)
        refusal = self._bracket_refusal(submission.symbol, order.units, order.stop_loss, order.take_profit)
        times = 2 if self._takes(SimulatedFault.DUPLICATED) else 1

        def enter() -> str:
            hidden = self._takes(SimulatedFault.HIDDEN)
            return self._enter(submission.symbol, order, submission.strategy_id, None, times, hidden=hidden)

        return self._written(refusal, enter)

    async def amend(self, change: BracketChange) -> WriteReply:
        """Set stop and target of a position."""
        book = self._state.books[change.symbol].account
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
            self._put(change.symbol, account=account)
            return None

        return self._written(refusal, set_levels)

    async def close(self, close: Close) -> WriteReply:
        """Let an order that reduces or ends the position wait for the next bar."""
        held = self._state.books[close.symbol].account.units
        refusal = self._position_refusal(close.symbol, close.position_id)
        if not refusal and close.units > abs(held) * (1.0 + _WHOLE):
            refusal = f"{close.units:g} units exceed the position's {abs(held):g}"
        if close.units:
            self._require_on_grid(close.symbol, close.units)
        units = close.units or abs(held)
        order = Order(close.order_id, -units if held > 0.0 else units, 0.0, 0.0, close.reason, close.decided_ns)
        return self._written(refusal, lambda: self._enter(close.symbol, order, None, close.position_id, 1) and None)

    async def cancel(self, symbol: str, venue_order_id: str) -> WriteReply:
        """Withdraw the order that waits."""
        found = [each for each in self._state.orders if each.venue_order_id == venue_order_id and each.is_working]
        refusal = "" if found else f"order {venue_order_id} is not working"

        def withdraw() -> None:
            self._end_working(symbol, BrokerOrderStatus.CANCELLED)
            order_id = self._state.order_ids[venue_order_id]
            self._put(symbol, waiting=Order(order_id, 0.0, 0.0, 0.0, FillReason.NONE.value, 0))

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

    def _enter(
        self,
        symbol: str,
        order: Order,
        strategy_id: str | None,
        position_id: str | None,
        times: int,
        *,
        hidden: bool = False,
    ) -> str:
        """Note the order, `times` over, and let it wait; what waited before has ended."""
        self._end_working(symbol, BrokerOrderStatus.CANCELLED)
        now_ns, venue_order_id = self._clock.now_ns(), ""
        for _ in range(times):
            state = self._state
            venue_order_id = f"S{state.n_orders + 1}"
            entered = BrokerOrder(
                venue_order_id=venue_order_id,
                symbol=symbol,
                units=order.units,
                filled_units=0.0,
                average_price=None,
                status=BrokerOrderStatus.WORKING,
                kind="market",
                price=None,
                strategy_id=strategy_id,
                position_id=position_id,
                created_ns=now_ns,
            )
            ids = state.order_ids | {venue_order_id: order.order_id}
            hide = state.hidden_until_ns | ({venue_order_id: now_ns + _HIDDEN_NS} if hidden else {})
            self._state = dataclasses.replace(
                state,
                orders=(*state.orders, entered)[-_KEPT:],
                order_ids={each: ids[each] for each in list(ids)[-_KEPT:]},
                hidden_until_ns={each: until for each, until in hide.items() if until > now_ns},
                n_orders=state.n_orders + 1,
            )
        self._put(symbol, waiting=order._replace(units=times * order.units))
        return venue_order_id

    def _book_market_fill(self, symbol: str, before: Account, after: Account, fill: Fill) -> None:
        """Give the fill to the orders that waited, oldest first, and the position its name."""
        left, by = fill.units, None
        names: list[str] = []
        for order in self._state.orders:
            if order.symbol == symbol and order.is_working and left > 0.0:
                part = min(left, abs(order.units) - abs(order.filled_units))
                left -= part
                by = order
                names.append(order.venue_order_id)
                self._change(order.venue_order_id, part, fill)
        turned = after.units != 0.0 and (before.units > 0.0) != (after.units > 0.0)
        if after.units != 0.0 and (before.units == 0.0 or turned):
            book, hidden = self._state.books[symbol], self._state.hidden_until_ns
            self._put(
                symbol,
                position_id=f"{symbol}-{book.n_positions + 1}",
                n_positions=book.n_positions + 1,
                opened_ns=fill.ts_ns,
                visible_ns=max((hidden.get(name, 0) for name in names), default=0),
                opened_by=None if by is None else by.strategy_id,
            )
        position_id = self._state.books[symbol].position_id
        for name in names:
            self._change(name, 0.0, fill, position_id)
        self._add_fill(symbol, fill, names[-1] if names else None, None if by is None else by.strategy_id)

    def _change(self, venue_order_id: str, part: float, fill: Fill, position_id: str | None = None) -> None:
        def filled(order: BrokerOrder) -> BrokerOrder:
            units = abs(order.filled_units) + part
            whole = units >= abs(order.units) * (1.0 - _WHOLE)
            before = (order.average_price or 0.0) * abs(order.filled_units)
            return dataclasses.replace(
                order,
                filled_units=(order.units if whole else fill.side * units),
                average_price=(before + part * fill.price) / units if part else order.average_price,
                status=BrokerOrderStatus.FILLED if whole else order.status,
                position_id=position_id or order.position_id,
            )

        self._each_order(lambda order: filled(order) if order.venue_order_id == venue_order_id else order)

    def _book_bracket_fill(self, symbol: str, fill: Fill) -> None:
        book = self._state.books[symbol]
        kind = "limit" if fill.reason == FillReason.TAKE_PROFIT.value else "stop"
        units = fill.side * fill.units
        state = self._state
        leg = BrokerOrder(
            venue_order_id=f"{book.position_id}-{'target' if kind == 'limit' else 'stop'}",
            symbol=symbol,
            units=units,
            filled_units=units,
            average_price=fill.price,
            status=BrokerOrderStatus.FILLED,
            kind=kind,
            price=fill.price,
            strategy_id=None,
            position_id=book.position_id,
            created_ns=fill.ts_ns,
        )
        self._state = dataclasses.replace(state, orders=(*state.orders, leg)[-_KEPT:])
        self._add_fill(symbol, fill, leg.venue_order_id, book.opened_by)

    def _add_fill(self, symbol: str, fill: Fill, venue_order_id: str | None, strategy_id: str | None) -> None:
        state = self._state
        told = BrokerFill(
            fill_id=f"F{state.n_fills + 1}",
            symbol=symbol,
            side=fill.side,
            units=fill.units,
            price=fill.price,
            filled_ns=fill.ts_ns,
            venue_order_id=venue_order_id,
            position_id=state.books[symbol].position_id,
            strategy_id=strategy_id,
            commission=fill.commission,
            mid=fill.mid,
            reason=fill.reason,
            decided_ns=fill.decided_ns,
        )
        self._state = dataclasses.replace(state, fills=(*state.fills, told)[-_KEPT:], n_fills=state.n_fills + 1)

    def _end_working(self, symbol: str, status: BrokerOrderStatus) -> None:
        self._each_order(
            lambda order: (
                dataclasses.replace(order, status=status) if order.symbol == symbol and order.is_working else order
            )
        )

    def _each_order(self, change: Callable[[BrokerOrder], BrokerOrder]) -> None:
        self._state = dataclasses.replace(self._state, orders=tuple(change(order) for order in self._state.orders))

    def _seen_orders(self) -> list[BrokerOrder]:
        now_ns, hidden = self._clock.now_ns(), self._state.hidden_until_ns
        return [order for order in self._state.orders if hidden.get(order.venue_order_id, 0) <= now_ns]

    def _position(self, symbol: str) -> BrokerPosition | None:
        book = self._state.books[symbol]
        if book.account.units == 0.0 or book.visible_ns > self._clock.now_ns():
            return None
        held = book.account
        return BrokerPosition(
            position_id=book.position_id,
            symbol=symbol,
            units=held.units,
            entry_price=held.entry_price,
            stop_loss=held.stop_loss,
            take_profit=held.take_profit,
            strategy_id=book.opened_by,
            opened_ns=book.opened_ns,
            open_pnl=held.units * (held.close_price - held.entry_price),
        )

    def _put(self, symbol: str, **changes: object) -> SimulatedBook:
        book = dataclasses.replace(self._state.books[symbol], **changes)  # type: ignore[arg-type]  # its own fields
        self._state = dataclasses.replace(self._state, books=self._state.books | {symbol: book})
        return book

    def _saved(self) -> None:
        if self._save is not None:
            self._save(self._state)

    def _takes(self, fault: SimulatedFault, *, if_waiting: str | None = None) -> bool:
        """Whether the fault was ordered; it is used up."""
        if fault not in self._faults:
            return False
        if if_waiting is not None:
            book = self._state.books[if_waiting]
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
        book = self._state.books[symbol]
        if book.account.units == 0.0 or book.position_id != position_id:
            return f"position {position_id} is not there"
        return ""


def _legs(position: BrokerPosition) -> list[BrokerOrder]:
    """The stop and the target of a position, as the orders that they are elsewhere."""
    levels = (("stop", position.stop_loss), ("limit", position.take_profit))
    return [
        BrokerOrder(
            venue_order_id=f"{position.position_id}-{'target' if kind == 'limit' else 'stop'}",
            symbol=position.symbol,
            units=-position.units,
            filled_units=0.0,
            average_price=None,
            status=BrokerOrderStatus.WORKING,
            kind=kind,
            price=level,
            strategy_id=None,
            position_id=position.position_id,
            created_ns=position.opened_ns,
        )
        for kind, level in levels
        if level
    ]

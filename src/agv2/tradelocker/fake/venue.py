"""What an account may do at the fake venue, and what it is refused."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from agv2.core.orders import Side
from agv2.tradelocker.fake.books import Books
from agv2.tradelocker.fake.faults import Treatment
from agv2.tradelocker.fake.listings import FakeAccount, Listing
from agv2.tradelocker.fake.market import PriceTape, Quote
from agv2.tradelocker.fake.matching import Matching
from agv2.tradelocker.fake.order_checks import (
    gridded,
    leg_level,
    order_changes,
    require_qty,
    require_side,
    require_stop_beyond,
)
from agv2.tradelocker.fake.order_form import OrderForm, number_in
from agv2.tradelocker.fake.records import OrderRecord, OrderRole, OrderStatus, PositionRecord
from agv2.tradelocker.fake.refusals import HttpError, RefusalError
from agv2.tradelocker.fake.rules import VenueRules

__all__ = ["Venue"]

_PLAIN = Treatment()


class Venue:
    """Accounts, orders and positions over time; every change of them goes through here.

    Args:
        listings: what is traded, names distinct.
        accounts: of all logins.
        rules: behaviour.
        now_ns: venue time at the start.
    """

    def __init__(
        self, listings: Iterable[Listing], accounts: Iterable[FakeAccount], rules: VenueRules, now_ns: int
    ) -> None:
        self.rules = rules
        self.tapes = {listing.name: PriceTape(listing) for listing in listings}
        self.books = Books({name: tape.listing for name, tape in self.tapes.items()}, accounts, rules)
        self.matching = Matching(self.books, self.tapes, now_ns)
        self.closed_by_hand: dict[str, str] = {}

    @property
    def now_ns(self) -> int:
        """Venue time."""
        return self.matching.now_ns

    def advance(self, now_ns: int) -> None:
        """Let time pass."""
        self.matching.advance(now_ns)

    def quote(self, symbol: str) -> Quote | None:
        """Best prices now; None before the first."""
        tape = self.tapes[symbol]
        tick = tape.tick_at(self.now_ns)
        return tape.quote(tick) if tick >= 0 else None

    def symbol_status(self, symbol: str) -> str:
        """`FULLY_OPEN`, `CLOSED` or `TRADING_HALT`."""
        if symbol in self.closed_by_hand:
            return self.closed_by_hand[symbol]
        is_open = self.tapes[symbol].is_open(self.now_ns, self.rules.closed_after_ns)
        return "FULLY_OPEN" if is_open else "CLOSED"

    def open_profit(self, position: PositionRecord) -> Decimal:
        """Money that closing the position now would realise."""
        quote = self.quote(position.symbol)
        assert quote is not None, "there was a price when it was opened"
        return self.books.open_profit(position, quote.to_take(Side(-position.side)))

    def equity(self, account_id: str) -> Decimal:
        """Balance and open profit."""
        profits = (self.open_profit(position) for position in self.books.open_positions(account_id))
        return self.books.balances[account_id] + sum(profits, Decimal(0))

    def margin(self, account_id: str) -> Decimal:
        """Collateral of the open positions, account currency."""
        by_side: dict[tuple[str, Side], Decimal] = {}
        for position in self.books.open_positions(account_id):
            key = (position.symbol, position.side)
            held = self._notional_margin(position.symbol, position.qty, position.average_price)
            by_side[key] = by_side.get(key, Decimal(0)) + held
        if self.rules.hedged_margin == "sum":
            return sum(by_side.values(), Decimal(0))
        largest: dict[str, Decimal] = {}
        for (symbol, _), held in by_side.items():
            largest[symbol] = max(largest.get(symbol, Decimal(0)), held)
        return sum(largest.values(), Decimal(0))

    def _notional_margin(self, symbol: str, qty: Decimal, price: Decimal) -> Decimal:
        listing = self.tapes[symbol].listing
        return qty * listing.lot_size * price * listing.quote_rate / listing.leverage

    def place(self, account_id: str, symbol: str, form: OrderForm, treatment: Treatment = _PLAIN) -> str:
        """Accept a new order.

        Returns:
            Its id; whether it is or will be filled is another matter.

        Raises:
            RefusalError: closed market, quantity, price, bracket side or margin; nothing was recorded.
        """
        if treatment.refusal is not None:
            raise RefusalError(treatment.refusal)
        quote = self._require_open(account_id, symbol)
        listing = self.tapes[symbol].listing
        require_qty(form.qty, listing)
        form = gridded(form, listing, self.rules)
        reference = form.price or form.stop_price or quote.to_take(form.side)
        if form.kind == "stop":
            require_stop_beyond(form.side, reference, quote)
        exit_price = reference if form.kind != "market" else quote.to_take(Side(-form.side))
        if form.stop_loss_type == "absolute":
            require_side(form.side, form.stop_loss, exit_price, OrderRole.STOP_LOSS)
        if form.take_profit_type == "absolute":
            require_side(form.side, form.take_profit, exit_price, OrderRole.TAKE_PROFIT)
        needed = self._notional_margin(symbol, form.qty, reference)
        free = self.equity(account_id) - self.margin(account_id)
        if needed > free:
            raise RefusalError(f"Not enough margin: {needed:.2f} needed, {free:.2f} available")
        now_ns, hidden_ns = self.now_ns, treatment.visible_after_ns
        order = OrderRecord(
            order_id=self.books.new_order_id(),
            account_id=account_id,
            symbol=symbol,
            role=OrderRole.ENTRY,
            side=form.side,
            kind=form.kind,
            qty=form.qty,
            created_ns=now_ns,
            modified_ns=now_ns,
            visible_ns=now_ns + (self.rules.visible_after_ns if hidden_ns is None else hidden_ns),
            validity=form.validity,
            price=form.price,
            stop_price=form.stop_price,
            stop_loss=form.stop_loss,
            stop_loss_type=form.stop_loss_type,
            take_profit=form.take_profit,
            take_profit_type=form.take_profit_type,
            strategy_id=form.strategy_id,
            trail=None if form.trail_pips is None else form.trail_pips * listing.pip_size,
            due_ns=now_ns + self.rules.fill_delay_ns if form.kind == "market" else None,
            fill_fraction=treatment.fill_fraction,
            rejected_late=treatment.reject_late,
            bracket_dropped=treatment.drop_bracket,
        )
        self.books.accept(order)
        self.matching.start(order.order_id)
        return order.order_id

    def change_order(self, order: OrderRecord, body: Mapping[str, Any]) -> OrderRecord:
        """Alter a working order, a leg of a position included; its id stays.

        Raises:
            RefusalError: it is final, or the new values are not possible.
        """
        if not order.is_open or order.kind == "market":
            raise RefusalError(f"Order {order.order_id} can not be modified: it is {order.status.value}")
        quote, listing = self._require_open(order.account_id, order.symbol), self.tapes[order.symbol].listing
        changes = order_changes(order, body, quote, listing, self.rules)
        self.books.change(order.order_id, self.now_ns, **changes)
        self.matching.start(order.order_id)
        return self.books.orders[order.order_id]

    def cancel(self, order: OrderRecord) -> None:
        """Withdraw a working order.

        Raises:
            RefusalError: it is final.
        """
        if not order.is_open:
            raise RefusalError(f"Order {order.order_id} can not be cancelled: it is {order.status.value}")
        self.books.finish(order.order_id, self.now_ns, OrderStatus.CANCELLED, "cancelled by the client")

    def cancel_all(self, account_id: str, symbol: str | None) -> None:
        """Withdraw every working order of the account, with `symbol` only that symbol's."""
        for order in self.books.working():
            if order.account_id == account_id and symbol in (None, order.symbol):
                if order.is_leg and not self.rules.cancel_all_kills_legs:
                    continue
                self.cancel(self.books.orders[order.order_id])

    def protect(self, position: PositionRecord, body: Mapping[str, Any]) -> None:
        """Set, move or (null) remove the legs that `body` names.

        Raises:
            RefusalError: a level is on the wrong side of the market or off the grid.
        """
        quote, listing = self._require_open(position.account_id, position.symbol), self.tapes[position.symbol].listing
        exit_price, side = quote.to_take(Side(-position.side)), int(position.side)
        planned: list[tuple[OrderRole, Decimal | None, Decimal | None]] = []
        if "stopLoss" in body:
            level = leg_level(body, "stopLoss", exit_price, -side, listing, self.rules)
            planned.append((OrderRole.STOP_LOSS, level, None))
        if "takeProfit" in body:
            level = leg_level(body, "takeProfit", exit_price, side, listing, self.rules)
            planned.append((OrderRole.TAKE_PROFIT, level, None))
        if (pips := number_in(body, "trailingOffset")) is not None:
            if pips <= 0:
                raise RefusalError("trailingOffset must be above zero")
            trail = pips * listing.pip_size
            planned.append((OrderRole.STOP_LOSS, listing.rounded(exit_price - side * trail), trail))
        for role, level, _ in planned:
            require_side(position.side, level, exit_price, role)
        for role, level, distance in planned:
            leg_id = self.books.set_leg(position.position_id, role, level, self.now_ns, distance)
            if leg_id is not None:
                self.matching.start(leg_id)

    def close(self, position: PositionRecord, qty: Decimal, treatment: Treatment = _PLAIN) -> None:
        """Place the order that closes `qty` lots, 0 for all.

        Raises:
            RefusalError: closed market, quantity off the step or more than there is.
        """
        self._require_open(position.account_id, position.symbol)
        listing = self.tapes[position.symbol].listing
        if qty < 0 or qty % listing.lot_step:
            raise RefusalError(f"Invalid quantity {qty}: the step is {listing.lot_step}")
        if qty > position.qty and self.rules.close_excess == "refuse":
            raise RefusalError(f"Quantity {qty} exceeds the position's {position.qty}")
        now_ns = self.now_ns
        order = OrderRecord(
            order_id=self.books.new_order_id(),
            account_id=position.account_id,
            symbol=position.symbol,
            role=OrderRole.CLOSE,
            side=Side(-position.side),
            kind="market",
            qty=min(qty, position.qty) or position.qty,
            created_ns=now_ns,
            modified_ns=now_ns,
            visible_ns=now_ns,
            validity="IOC",
            position_id=position.position_id,
            due_ns=now_ns + self.rules.fill_delay_ns,
            fill_fraction=treatment.fill_fraction,
        )
        self.books.accept(order)
        self.matching.start(order.order_id)

    def _require_open(self, account_id: str, symbol: str) -> Quote:
        account = self.books.accounts[account_id]
        if account.status != "ACTIVE":
            raise RefusalError(f"Account {account_id} is {account.status}")
        quote = self.quote(symbol)
        if quote is None or self.symbol_status(symbol) != "FULLY_OPEN":
            raise RefusalError(f"Market closed: {symbol}")
        return quote

    def own_order(self, account_id: str, order_id: str) -> OrderRecord:
        """The account's order as far as it can be seen.

        Raises:
            HttpError, RefusalError: there is none.
        """
        order = self.books.orders.get(order_id)
        if order is None or order.account_id != account_id or order.visible_ns > self.now_ns:
            raise self._unknown("Order", order_id)
        return order

    def own_position(self, account_id: str, position_id: str) -> PositionRecord:
        """The account's open position as far as it can be seen.

        Raises:
            HttpError, RefusalError: there is none.
        """
        position = self.books.positions.get(position_id)
        if (
            position is None
            or position.account_id != account_id
            or not position.qty
            or position.visible_ns > self.now_ns
        ):
            raise self._unknown("Position", position_id)
        return position

    def _unknown(self, what: str, number: str) -> Exception:
        text = f"{what} {number} not found"
        return HttpError(404, text) if self.rules.unknown_id == "404" else RefusalError(text)

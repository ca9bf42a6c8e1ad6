"""The books of a simulated venue: orders entered, filled and ended, positions opened and named."""

import dataclasses
from collections.abc import Callable

from agv2.core.account import Account
from agv2.core.orders import Fill, FillReason, Order
from agv2.execution.broker_messages import BrokerFill, BrokerOrder, BrokerOrderStatus, BrokerPosition
from agv2.execution.simulated_venue import SimulatedBook, SimulatedState
from agv2.utils.clock import Clock

__all__ = ["SimulatedLedger", "legs"]

_KEPT = 400
_HIDDEN_NS = 30_000_000_000
_WHOLE = 1e-9


class SimulatedLedger:
    """What a simulated venue wrote down, and how it writes down more; it decides nothing.

    Args:
        state: to go on from.
        clock: stamps orders, and says what can be seen by now.
    """

    def __init__(self, state: SimulatedState, clock: Clock) -> None:
        self.state = state
        """Everything; another value after each change."""
        self._clock = clock

    def enter(
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
        self.end_working(symbol, BrokerOrderStatus.CANCELLED)
        now_ns, venue_order_id = self._clock.now_ns(), ""
        for _ in range(times):
            state = self.state
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
            self.state = dataclasses.replace(
                state,
                orders=(*state.orders, entered)[-_KEPT:],
                order_ids={each: ids[each] for each in list(ids)[-_KEPT:]},
                hidden_until_ns={each: until for each, until in hide.items() if until > now_ns},
                n_orders=state.n_orders + 1,
            )
        self.put(symbol, waiting=order._replace(units=times * order.units))
        return venue_order_id

    def book_market_fill(self, symbol: str, before: Account, after: Account, fill: Fill) -> None:
        """Give the fill to the orders that waited, oldest first, and the position its name."""
        left, by = fill.units, None
        names: list[str] = []
        for order in self.state.orders:
            if order.symbol == symbol and order.is_working and left > 0.0:
                part = min(left, abs(order.units) - abs(order.filled_units))
                left -= part
                by = order
                names.append(order.venue_order_id)
                self._change(order.venue_order_id, part, fill)
        turned = after.units != 0.0 and (before.units > 0.0) != (after.units > 0.0)
        if after.units != 0.0 and (before.units == 0.0 or turned):
            book, hidden = self.state.books[symbol], self.state.hidden_until_ns
            self.put(
                symbol,
                position_id=f"{symbol}-{book.n_positions + 1}",
                n_positions=book.n_positions + 1,
                opened_ns=fill.ts_ns,
                visible_ns=max((hidden.get(name, 0) for name in names), default=0),
                opened_by=None if by is None else by.strategy_id,
            )
        position_id = self.state.books[symbol].position_id
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

    def book_bracket_fill(self, symbol: str, fill: Fill) -> None:
        """Note the stop or target that filled as the order that it is elsewhere."""
        book = self.state.books[symbol]
        kind = "limit" if fill.reason == FillReason.TAKE_PROFIT.value else "stop"
        units = fill.side * fill.units
        state = self.state
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
        self.state = dataclasses.replace(state, orders=(*state.orders, leg)[-_KEPT:])
        self._add_fill(symbol, fill, leg.venue_order_id, book.opened_by)

    def _add_fill(self, symbol: str, fill: Fill, venue_order_id: str | None, strategy_id: str | None) -> None:
        state = self.state
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
        self.state = dataclasses.replace(state, fills=(*state.fills, told)[-_KEPT:], n_fills=state.n_fills + 1)

    def end_working(self, symbol: str, status: BrokerOrderStatus) -> None:
        """Whatever still works in `symbol` has ended so."""
        self._each_order(
            lambda order: (
                dataclasses.replace(order, status=status) if order.symbol == symbol and order.is_working else order
            )
        )

    def _each_order(self, change: Callable[[BrokerOrder], BrokerOrder]) -> None:
        self.state = dataclasses.replace(self.state, orders=tuple(change(order) for order in self.state.orders))

    def seen_orders(self) -> list[BrokerOrder]:
        """Orders that can be seen by now, oldest first."""
        now_ns, hidden = self._clock.now_ns(), self.state.hidden_until_ns
        return [order for order in self.state.orders if hidden.get(order.venue_order_id, 0) <= now_ns]

    def position(self, symbol: str) -> BrokerPosition | None:
        """The symbol's position, if there is one and it can be seen by now."""
        book = self.state.books[symbol]
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

    def put(self, symbol: str, **changes: object) -> SimulatedBook:
        """The symbol's book with `changes` of its fields."""
        book = dataclasses.replace(self.state.books[symbol], **changes)  # type: ignore[arg-type]  # its own fields
        self.state = dataclasses.replace(self.state, books=self.state.books | {symbol: book})
        return book


def legs(position: BrokerPosition) -> list[BrokerOrder]:
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

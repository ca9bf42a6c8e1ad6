"""The truth: every order, position and fill, and the money that they moved."""

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

from agv2.core.errors import InvariantError
from agv2.core.orders import Side
from agv2.tradelocker.fake.listings import FakeAccount, Listing
from agv2.tradelocker.fake.records import (
    Execution,
    LedgerEntry,
    OrderRecord,
    OrderRole,
    OrderStatus,
    PositionRecord,
)
from agv2.tradelocker.fake.rules import VenueRules

__all__ = ["Books"]

# Neighbours of these share one float, so an id that passes through a float is found out.
_FIRST_ORDER, _FIRST_POSITION, _FIRST_EXECUTION = 7277816997907785466, 7277816997846856994, 7277816997123456780


class Books:
    """Keeps the records; judges nothing. Quantities in lots, money in the account's currency, exact.

    Args:
        listings: by symbol.
        accounts: with their initial balances.
        rules: commission and leg columns.
    """

    def __init__(self, listings: Mapping[str, Listing], accounts: Iterable[FakeAccount], rules: VenueRules) -> None:
        self.listings = listings
        self.rules = rules
        self.accounts = {account.account_id: account for account in accounts}
        self.balances = {account.account_id: account.balance for account in self.accounts.values()}
        self.orders: dict[str, OrderRecord] = {}
        self._open_ids: dict[str, None] = {}  # a set that keeps its order
        self.positions: dict[str, PositionRecord] = {}
        self.executions: list[Execution] = []
        self.ledger: list[LedgerEntry] = []
        self._order_ids, self._position_ids = count(_FIRST_ORDER, 5), count(_FIRST_POSITION, 4)
        self._execution_ids = count(_FIRST_EXECUTION, 3)

    def new_order_id(self) -> str:
        """The next one, 19 digits."""
        return str(next(self._order_ids))

    def working(self) -> list[OrderRecord]:
        """Orders that can still be filled, oldest first."""
        return [self.orders[order_id] for order_id in self._open_ids]

    def open_positions(self, account_id: str | None = None) -> list[PositionRecord]:
        """Positions with something left in them, oldest first."""
        return [
            position
            for position in self.positions.values()
            if position.qty and account_id in (None, position.account_id)
        ]

    def open_profit(self, position: PositionRecord, price: Decimal, qty: Decimal | None = None) -> Decimal:
        """Money that closing `qty` lots of `position` (None: all) at `price` would realise."""
        listing = self.listings[position.symbol]
        lots = position.qty if qty is None else qty
        return (price - position.average_price) * lots * listing.lot_size * int(position.side) * listing.quote_rate

    def accept(self, order: OrderRecord) -> None:
        """Take in a new order."""
        self._open_ids[order.order_id] = None
        self.orders[order.order_id] = order
        self._note(order.created_ns, "accepted", order, f"{order.kind} {order.side.name} {order.qty} {order.symbol}")

    def change(self, order_id: str, now_ns: int, **changes: Any) -> None:
        """Alter fields of a working order."""
        self.orders[order_id] = dataclasses.replace(self.orders[order_id], modified_ns=now_ns, **changes)
        self._note(now_ns, "changed", self.orders[order_id], ", ".join(f"{key}={changes[key]}" for key in changes))

    def follow(self, order_id: str, level: Decimal) -> None:
        """Move a trailing stop; no event, since it happens at every tick."""
        self.orders[order_id] = dataclasses.replace(self.orders[order_id], stop_price=level)

    def finish(self, order_id: str, now_ns: int, status: OrderStatus, reason: str) -> None:
        """End a working order without another fill; a leg is taken off its position."""
        order = dataclasses.replace(self.orders[order_id], status=status, modified_ns=now_ns)
        self.orders[order_id] = order
        self._open_ids.pop(order_id, None)
        if order.is_leg and order.position_id is not None:
            self._unlink(order, order.position_id)
        self._note(now_ns, "rejected" if status is OrderStatus.REJECTED else "cancelled", order, reason)

    def fill(self, order_id: str, qty: Decimal, price: Decimal, now_ns: int) -> Execution:
        """Fill `qty` lots of a working order at `price`; opens, enlarges or reduces its position.

        Raises:
            InvariantError: the order is final, or has less left than `qty`.
        """
        order = self.orders[order_id]
        filled = order.filled_qty + qty
        if not order.is_open or qty <= 0 or filled > order.qty:
            raise InvariantError(f"order {order_id} ({order.status.value}) cannot fill {qty} of {order.qty}")
        before = (order.average_price or Decimal(0)) * order.filled_qty
        opens = order.role is OrderRole.ENTRY
        position = self._enlarged(order, qty, price, now_ns) if opens else self.positions[order.position_id or ""]
        realised = Decimal(0) if opens else self.open_profit(position, price, qty)
        fee = self.rules.commission_per_lot * qty
        self.balances[order.account_id] += realised - fee
        order = dataclasses.replace(
            order,
            status=OrderStatus.FILLED if filled == order.qty else OrderStatus.NEW,
            filled_qty=filled,
            average_price=(before + qty * price) / filled,
            position_id=position.position_id,
            modified_ns=now_ns,
        )
        self.orders[order_id] = order
        if not order.is_open:
            self._open_ids.pop(order_id)
        execution = Execution(
            execution_id=str(next(self._execution_ids)),
            account_id=order.account_id,
            order_id=order_id,
            position_id=position.position_id,
            symbol=order.symbol,
            side=order.side,
            opens=opens,
            qty=qty,
            price=price,
            ts_ns=now_ns,
            realised=realised,
            fee=fee,
        )
        self.executions.append(execution)
        self._note(now_ns, "filled", order, f"{qty} at {price}, realised {realised}, fee {fee}")
        if not opens:
            self._reduce(position, qty, realised, now_ns)
        return execution

    def set_leg(
        self, position_id: str, role: OrderRole, level: Decimal | None, now_ns: int, trail: Decimal | None = None
    ) -> str | None:
        """Give a position a stop loss or take profit at `level`, move the one it has, or with None remove it.

        Returns:
            The leg's order id, the same as before where there was one; None where removed.
        """
        position = self.positions[position_id]
        stop = role is OrderRole.STOP_LOSS
        held = position.stop_loss_id if stop else position.take_profit_id
        if level is None:
            if held is not None:
                self.finish(held, now_ns, OrderStatus.CANCELLED, "leg removed")
            return None
        prices = {"stop_price": level, "trail": trail} if stop else {"price": level}
        if held is not None:
            self.change(held, now_ns, **prices)
            return held
        leg = OrderRecord(
            order_id=self.new_order_id(),
            account_id=position.account_id,
            symbol=position.symbol,
            role=role,
            side=Side(-position.side),
            kind="stop" if stop else "limit",
            qty=position.qty,
            created_ns=now_ns,
            modified_ns=now_ns,
            visible_ns=max(position.visible_ns, now_ns),
            position_id=position_id,
            strategy_id=position.strategy_id if self.rules.legs_echo_strategy_id else None,
            **prices,
        )
        self.accept(leg)
        linked: dict[str, Any] = {"stop_loss_id" if stop else "take_profit_id": leg.order_id}
        self.positions[position_id] = dataclasses.replace(position, **linked)
        return leg.order_id

    def _enlarged(self, order: OrderRecord, qty: Decimal, price: Decimal, now_ns: int) -> PositionRecord:
        if order.position_id is None:
            position = PositionRecord(
                position_id=str(next(self._position_ids)),
                account_id=order.account_id,
                symbol=order.symbol,
                side=order.side,
                qty=qty,
                average_price=price,
                opened_ns=now_ns,
                visible_ns=max(order.visible_ns, now_ns),
                strategy_id=order.strategy_id,
            )
            self.positions[position.position_id] = position
            self._note(now_ns, "opened", order, f"position {position.position_id}", position.position_id)
            return position
        held = self.positions[order.position_id]
        total = held.qty + qty
        average = (held.qty * held.average_price + qty * price) / total
        self.positions[held.position_id] = dataclasses.replace(held, qty=total, average_price=average)
        self._resize_legs(self.positions[held.position_id])
        return self.positions[held.position_id]

    def _reduce(self, position: PositionRecord, qty: Decimal, realised: Decimal, now_ns: int) -> None:
        left = position.qty - qty
        if left < 0:
            raise InvariantError(f"position {position.position_id} holds {position.qty}, {qty} cannot leave it")
        reduced = dataclasses.replace(
            position, qty=left, realised=position.realised + realised, closed_ns=None if left else now_ns
        )
        self.positions[position.position_id] = reduced
        self.ledger.append(
            LedgerEntry(
                now_ns,
                position.account_id,
                "reduced" if left else "closed",
                None,
                position.position_id,
                position.strategy_id,
                f"{left} left",
                self.balances[position.account_id],
            )
        )
        if left:
            self._resize_legs(reduced)
            return
        for order in self.working():
            if order.position_id == position.position_id:
                self.finish(order.order_id, now_ns, OrderStatus.CANCELLED, "position closed")

    def _resize_legs(self, position: PositionRecord) -> None:
        for order_id in (position.stop_loss_id, position.take_profit_id):
            if order_id is not None and self.orders[order_id].is_open:
                self.orders[order_id] = dataclasses.replace(self.orders[order_id], qty=position.qty)

    def _unlink(self, order: OrderRecord, position_id: str) -> None:
        empty: dict[str, Any] = {"stop_loss_id" if order.role is OrderRole.STOP_LOSS else "take_profit_id": None}
        if self.positions[position_id].qty:
            self.positions[position_id] = dataclasses.replace(self.positions[position_id], **empty)

    def _note(self, ts_ns: int, event: str, order: OrderRecord, text: str, position_id: str | None = None) -> None:
        self.ledger.append(
            LedgerEntry(
                ts_ns,
                order.account_id,
                event,
                order.order_id,
                position_id or order.position_id,
                order.strategy_id,
                text,
                self.balances[order.account_id],
            )
        )

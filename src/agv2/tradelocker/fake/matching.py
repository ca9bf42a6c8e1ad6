"""What happens to working orders while venue time passes, also when nobody asks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from agv2.core.orders import Side
from agv2.tradelocker.fake.books import Books
from agv2.tradelocker.fake.listings import Listing
from agv2.tradelocker.fake.market import PriceTape
from agv2.tradelocker.fake.records import OrderRecord, OrderRole, OrderStatus, PositionRecord

__all__ = ["Matching"]


class _Touch(NamedTuple):
    """When, at which tick and at which level an order is next reached; `ts_ns` None: not in this stretch."""

    order: OrderRecord
    ts_ns: int | None
    tick: int
    level: Decimal


class Matching:
    """Fills the orders of `books` at the prices of `tapes`.

    Touches are found in the order of venue time over all symbols. Within maintenance windows nothing is touched; what
    lies beyond its level afterwards is filled at the first price then.

    Args:
        books: the truth, altered in place.
        tapes: by symbol.
        now_ns: venue time at the start.
    """

    def __init__(self, books: Books, tapes: Mapping[str, PriceTape], now_ns: int) -> None:
        self._books, self._tapes, self.now_ns = books, tapes, now_ns
        self._cursor: dict[str, int] = {}
        self._maintenance: list[tuple[int, int]] = []

    def add_maintenance(self, start_ns: int, stop_ns: int) -> None:
        """From `start_ns` up to `stop_ns` resting orders sleep."""
        self._maintenance.append((start_ns, stop_ns))

    def maintenance_end(self, ts_ns: int) -> int | None:
        """End of the window that holds `ts_ns`, or None."""
        return max((stop for start, stop in self._maintenance if start <= ts_ns < stop), default=None)

    def advance(self, now_ns: int) -> None:
        """Let venue time pass up to `now_ns`; an earlier moment changes nothing."""
        if now_ns <= self.now_ns:
            return
        known: dict[str, _Touch] = {}
        while True:
            touches = []
            for order in self._books.working():
                found = known.get(order.order_id)
                if found is None or found.order is not order:
                    found = known[order.order_id] = self._next_touch(order, now_ns)
                if found.ts_ns is not None:
                    touches.append((found.ts_ns, found))
            if not touches:
                break
            ts_ns, touch = min(touches, key=lambda each: (each[0], int(each[1].order.order_id)))
            self.now_ns = max(self.now_ns, ts_ns)
            self._execute(touch)
        for order in self._books.working():
            self._follow(order, now_ns)
        self.now_ns = now_ns

    def start(self, order_id: str) -> None:
        """Begin to watch a new or altered order; one that can trade at the present price does so at once."""
        order = self._books.orders[order_id]
        if not order.is_open:
            return
        tape = self._tapes[order.symbol]
        tick = tape.tick_at(self.now_ns)
        self._cursor[order_id] = tick
        if order.kind == "market":
            if order.due_ns is None or order.due_ns <= self.now_ns:
                self._trade_market(order)
        elif self.maintenance_end(self.now_ns) is None and self._touches(order, tape, tick):
            self._trade(order, tape.quote(tick).to_take(order.side))

    @staticmethod
    def _touches(order: OrderRecord, tape: PriceTape, tick: int) -> bool:
        return tape.first_touch(tick - 1, tick, order.side, order.kind, order.level) is not None

    def _next_touch(self, order: OrderRecord, until_ns: int) -> _Touch:
        if order.kind == "market":
            due_ns = order.due_ns if order.due_ns is not None else self.now_ns
            return _Touch(order, due_ns if due_ns <= until_ns else None, -1, Decimal(0))
        tape = self._tapes[order.symbol]
        until = tape.tick_at(until_ns)
        after = self._cursor.setdefault(order.order_id, tape.tick_at(self.now_ns))
        while True:
            tick, level = self._first_touch(order, tape, after, until)
            if tick is None:
                return _Touch(order, None, until, level)
            ts_ns = int(tape.ts_ns[tick])
            end_ns = self.maintenance_end(ts_ns)
            if end_ns is None:
                return _Touch(order, ts_ns, tick, level)
            after = int(np.searchsorted(tape.ts_ns, end_ns, side="left")) - 1

    @staticmethod
    def _first_touch(order: OrderRecord, tape: PriceTape, after: int, until: int) -> tuple[int | None, Decimal]:
        if not order.trails or order.trail is None or after >= until:
            return tape.first_touch(after, until, order.side, order.kind, order.level), order.level
        # A trailing stop keeps its distance from the best price that came before each tick.
        sign = -1.0 if order.side is Side.LONG else 1.0
        prices = sign * (tape.ask if order.side is Side.LONG else tape.bid)[after + 1 : until + 1]
        distance, start = float(order.trail), sign * float(order.level)
        levels = np.maximum.accumulate(np.concatenate([[start], prices - distance]))
        touched = np.flatnonzero(prices <= levels[:-1])
        at = int(touched[0]) if touched.size else prices.size
        level = tape.listing.rounded(Decimal(repr(float(sign * levels[at]))))
        return (after + 1 + at if touched.size else None), level

    def _execute(self, touch: _Touch) -> None:
        order = touch.order
        if order.kind == "market":
            self._trade_market(order)
            return
        tape = self._tapes[order.symbol]
        self._cursor[order.order_id] = touch.tick
        if order.trails:
            self._books.follow(order.order_id, touch.level)
        if order.kind == "stop" and self._books.rules.stop_through_gap == "level":
            price = touch.level
        else:
            price = tape.fill_price(touch.tick, order.side, order.kind, touch.level)
        self._trade(order, price)

    def _follow(self, order: OrderRecord, now_ns: int) -> None:
        """Remember how far an untouched order was watched."""
        tape = self._tapes[order.symbol]
        tick = tape.tick_at(now_ns)
        if order.trails and self.maintenance_end(now_ns) is None:
            _, level = self._first_touch(order, tape, self._cursor[order.order_id], tick)
            if level != order.level:
                self._books.follow(order.order_id, level)
        self._cursor[order.order_id] = tick

    def _trade_market(self, order: OrderRecord) -> None:
        tape = self._tapes[order.symbol]
        if order.rejected_late or not tape.is_open(self.now_ns, self._books.rules.closed_after_ns):
            self._books.finish(order.order_id, self.now_ns, OrderStatus.REJECTED, "rejected after acceptance")
            return
        self._trade(order, tape.quote(tape.tick_at(self.now_ns)).to_take(order.side))

    def _trade(self, order: OrderRecord, price: Decimal) -> None:
        """Fill what can be filled now; the rest of an IOC order ends, of a resting one it goes on."""
        books, listing = self._books, self._tapes[order.symbol].listing
        if order.rejected_late:
            books.finish(order.order_id, self.now_ns, OrderStatus.REJECTED, "rejected after acceptance")
            return
        if order.kind != "limit" and books.rules.slippage_ticks:
            price += int(order.side) * books.rules.slippage_ticks * listing.tick_size(price)
        left = order.qty - order.filled_qty
        if order.role is not OrderRole.ENTRY:
            left = min(left, books.positions[order.position_id or ""].qty)
        qty = left * order.fill_fraction // listing.lot_step * listing.lot_step if order.fill_fraction < 1 else left
        if order.fill_fraction < 1 and order.kind != "market":
            books.change(order.order_id, self.now_ns, fill_fraction=Decimal(1))
        if qty > 0:
            fill = books.fill(order.order_id, qty, price, self.now_ns)
            if order.role is OrderRole.ENTRY:
                self._protect(order, books.positions[fill.position_id], listing)
        after = books.orders[order.order_id]
        if after.is_open and after.kind == "market":
            status = OrderStatus(books.rules.partly_filled_status) if qty > 0 else OrderStatus.CANCELLED
            books.finish(order.order_id, self.now_ns, status, "remainder not filled")

    def _protect(self, order: OrderRecord, position: PositionRecord, listing: Listing) -> None:
        """Rest the stop loss and take profit of a position that was just opened."""
        if order.bracket_dropped or order.filled_qty:
            return
        side, entry = int(position.side), position.average_price
        stop, target, trail = order.stop_loss, order.take_profit, order.trail
        if trail is not None:
            stop = entry - side * trail
        elif stop is not None and order.stop_loss_type == "offset":
            stop = entry - side * stop * listing.pip_size
        if target is not None and order.take_profit_type == "offset":
            target = entry + side * target * listing.pip_size
        levels = ((OrderRole.STOP_LOSS, stop, trail), (OrderRole.TAKE_PROFIT, target, None))
        for role, level, distance in levels:
            if level is not None:
                leg_id = self._books.set_leg(position.position_id, role, listing.rounded(level), self.now_ns, distance)
                # Watched from the tick before: a price may run through the entry and its bracket at once.
                self._cursor[leg_id or ""] = self._tapes[order.symbol].tick_at(self.now_ns) - 1

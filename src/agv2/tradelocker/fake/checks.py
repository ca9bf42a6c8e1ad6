"""Compares the fake venue's books with themselves."""

from collections import Counter
from decimal import Decimal

from agv2.core.orders import Side
from agv2.tradelocker.fake.books import Books
from agv2.tradelocker.fake.records import Execution, OrderRecord, OrderStatus, PositionRecord

__all__ = ["check_books"]

_CLOSE_ENOUGH = Decimal("1e-12")  # an average price may have endless digits


def check_books(books: Books) -> list[str]:
    """What contradicts itself, one line each; empty where all is well.

    Money: each balance is the initial one plus what the fills realised less fees, and each realisation follows from
    the fills before it. Orders: filled quantity equals their fills. Positions: quantity and average price follow from
    their fills. Legs: every working one protects an open position in full, and every position names only working legs.
    """
    wrong = [f"id {each} is used twice" for each, times in _ids(books).items() if times > 1]
    by_position: dict[str, list[Execution]] = {}
    by_order: dict[str, Decimal] = {}
    for fill in books.executions:
        by_position.setdefault(fill.position_id, []).append(fill)
        by_order[fill.order_id] = by_order.get(fill.order_id, Decimal(0)) + fill.qty
    for account in books.accounts.values():
        fills = [fill for fill in books.executions if fill.account_id == account.account_id]
        expected = account.balance + sum((fill.realised - fill.fee for fill in fills), Decimal(0))
        if books.balances[account.account_id] != expected:
            wrong.append(f"account {account.account_id}: {books.balances[account.account_id]}, fills say {expected}")
    for order in books.orders.values():
        wrong += _order(order, by_order.get(order.order_id, Decimal(0)), books)
    for position in books.positions.values():
        wrong += _position(position, by_position.get(position.position_id, []), books)
    if [order.order_id for order in books.orders.values() if order.is_open] != [o.order_id for o in books.working()]:
        wrong.append("the working orders are not those that are open")
    return wrong


def _ids(books: Books) -> Counter[str]:
    return Counter([*books.orders, *books.positions, *(fill.execution_id for fill in books.executions)])


def _order(order: OrderRecord, filled: Decimal, books: Books) -> list[str]:
    name, wrong = f"order {order.order_id}", []
    if order.filled_qty != filled or filled > order.qty:
        wrong.append(f"{name}: says {order.filled_qty} of {order.qty}, fills say {filled}")
    if order.status is OrderStatus.FILLED and books.rules.partly_filled_status != "Filled" and filled != order.qty:
        wrong.append(f"{name}: Filled with {filled} of {order.qty}")
    if order.status is OrderStatus.NEW and filled == order.qty:
        wrong.append(f"{name}: filled, and still working")
    if order.is_leg and order.is_open:
        position = books.positions.get(order.position_id or "")
        if position is None or not position.qty:
            wrong.append(f"{name}: an orphan leg")
        elif order.order_id not in (position.stop_loss_id, position.take_profit_id):
            wrong.append(f"{name}: its position does not name it")
        elif order.qty != position.qty or order.side is not Side(-position.side):
            wrong.append(f"{name}: {order.side.name} {order.qty} against {position.side.name} {position.qty}")
    return wrong


def _position(position: PositionRecord, fills: list[Execution], books: Books) -> list[str]:
    name, wrong = f"position {position.position_id}", []
    qty, average = Decimal(0), Decimal(0)
    for fill in fills:
        if fill.opens:
            average = (average * qty + fill.price * fill.qty) / (qty + fill.qty)
            qty += fill.qty
            continue
        listing = books.listings[position.symbol]
        gain = (fill.price - average) * fill.qty * listing.lot_size * int(position.side) * listing.quote_rate
        if abs(gain - fill.realised) > _CLOSE_ENOUGH * max(Decimal(1), abs(gain)):
            wrong.append(f"{name}: realised {fill.realised}, the prices say {gain}")
        qty -= fill.qty
        if qty < 0:
            wrong.append(f"{name}: more left it than was in it")
    if qty != position.qty or (qty == 0) != (position.closed_ns is not None):
        wrong.append(f"{name}: holds {position.qty}, fills say {qty}")
    if abs(average - position.average_price) > _CLOSE_ENOUGH * average:
        wrong.append(f"{name}: average {position.average_price}, fills say {average}")
    if qty:
        for leg_id in (position.stop_loss_id, position.take_profit_id):
            if leg_id is not None and not books.orders[leg_id].is_open:
                wrong.append(f"{name}: its leg {leg_id} is {books.orders[leg_id].status.value}")
    return wrong

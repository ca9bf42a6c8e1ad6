"""What a venue does to a book during one bar.

The order of events within a bar, which decides every disputed cent:

    open            financing of the nights since the last bar
                    the pending market order, at the open
                    a bracket that the open has already passed
    within the bar  the stop, if the range reaches it; else the target
    close           the position is marked
"""

from typing import NamedTuple

from agv2.core.account import NEVER_HELD, Account
from agv2.core.barriers import STOP, UNTOUCHED, first_touch
from agv2.core.bars import Bar
from agv2.core.instruments import Market, round_lots
from agv2.core.jit import kernel
from agv2.core.orders import NO_FILL, NO_ORDER, Fill, FillReason, Order
from agv2.sim.costs import Costs, commission, fill_price, half_spread_frac

__all__ = ["BarResult", "advance", "close_out"]

_DUST_LOT_STEPS = 1e-3


class BarResult(NamedTuple):
    """A book after a bar, and what happened to it."""

    account: Account
    market_fill: Fill
    """Fill of the pending order at the open."""
    bracket_fill: Fill
    """Fill of the stop or the target."""
    financing: float
    """Money paid for holding overnight; negative when received."""


@kernel
def advance(book: Account, order: Order, bar: Bar, costs: Costs, market: Market) -> BarResult:
    """The book after `bar`, given the order decided at the close of the bar before.

    Args:
        book: the account after the bar before.
        order: a new order, which replaces what is pending; `NO_ORDER` leaves it.
        bar: the next bar.
        costs: what fills and nights cost.
        market: lot grid and contract size.

    Returns:
        The new account, at most one market and one bracket fill, and the financing paid.

    Known at: the close of `bar`.
    """
    financing = _financing(book, bar, costs)
    book = _with_order(book, order, financing, costs)
    half_spread = half_spread_frac(bar, costs)
    book, market_fill = _fill_pending(book, bar, half_spread, costs, market)
    book, bracket_fill = _fill_bracket(book, bar, half_spread, costs, market)
    return BarResult(_marked(book, bar), market_fill, bracket_fill, financing)


@kernel
def close_out(book: Account, bar: Bar, order_id: int, decided_ns: int, costs: Costs, market: Market) -> BarResult:
    """The book after its position is closed at the close of `bar`, which `advance` has already seen.

    Args:
        book: the account after `bar`.
        bar: the last bar of a fold.
        order_id: identity of the closing order.
        decided_ns: open time of the bar before.
        costs: what fills cost.
        market: contract size.

    Returns:
        A flat account with nothing pending, and the closing fill (units 0 if it was flat) as the market fill.
    """
    if book.units == 0.0:
        return BarResult(_flat(book, book.cash), NO_FILL, NO_FILL, 0.0)
    side = -1 if book.units > 0.0 else 1
    price = fill_price(bar.close, side, half_spread_frac(bar, costs), costs.slippage_frac)
    book, fill = _closed(book, bar, side, price, bar.close, order_id, FillReason.END.value, decided_ns, costs, market)
    return BarResult(book, fill, NO_FILL, 0.0)


@kernel
def _financing(book: Account, bar: Bar, costs: Costs) -> float:
    if book.units == 0.0 or bar.nights == 0.0:
        return 0.0
    rate = costs.financing_long_frac_per_night if book.units > 0.0 else costs.financing_short_frac_per_night
    return abs(book.units) * bar.open * rate * bar.nights


@kernel
def _with_order(book: Account, order: Order, financing: float, costs: Costs) -> Account:
    """The book with financing paid and `order`, if there is one, in place of what was pending."""
    pending, wait_bars = book.pending, book.wait_bars
    if order.order_id != 0:
        pending = order if order.units != 0.0 else NO_ORDER
        wait_bars = costs.latency_bars
    return Account(
        book.cash - financing, book.units, book.close_price, book.entry_price, book.initial_risk, book.stop_loss,
        book.take_profit, book.bracket_order_id, book.bracket_decided_ns, book.target_decided_ns, book.trailed,
        book.bars_held, book.bars_flat, pending, wait_bars,
    )  # fmt: skip


@kernel
def _fill_pending(book: Account, bar: Bar, half_spread: float, costs: Costs, market: Market) -> tuple[Account, Fill]:
    """Fill the pending order at the open, as far as latency and partial fills allow."""
    order = book.pending
    if order.order_id == 0:
        return book, NO_FILL
    if book.wait_bars > 0:
        return _replace_pending(book, order, book.wait_bars - 1), NO_FILL

    wanted = abs(order.units)
    units = _fillable(wanted, bar, costs, market)
    left = wanted - units
    side = 1 if order.units > 0.0 else -1
    rest = NO_ORDER
    if left > 0.0 and costs.carry_partial:
        rest = Order(order.order_id, side * left, order.stop_loss, order.take_profit, order.reason, order.decided_ns)
    if units == 0.0:
        return _replace_pending(book, rest, 0), NO_FILL

    price = fill_price(bar.open, side, half_spread, costs.slippage_frac)
    fee = commission(price, units, costs, market)
    fill = Fill(order.order_id, bar.ts_ns, side, units, price, bar.open, fee, order.reason, order.decided_ns)
    return _after_market_fill(book, fill, order, rest, market), fill


@kernel
def _fillable(wanted: float, bar: Bar, costs: Costs, market: Market) -> float:
    """Units (>= 0) of an order for `wanted` (> 0) that fill at the open of `bar`."""
    units = wanted
    if costs.fill_frac < 1.0:
        part = round_lots(costs.fill_frac * wanted, market)
        units = part if part > 0.0 else wanted
    if costs.participation_cap > 0.0 and bar.volume >= 0.0:  # false for an unknown volume
        units = min(units, round_lots(costs.participation_cap * bar.volume, market))
    return wanted if _is_dust(wanted - units, market) else units


@kernel
def _is_dust(units: float, market: Market) -> bool:
    """Whether `units` are only what sums of lots are off by: 0.3 - 0.1 - 0.1 - 0.1 is -2.8e-17."""
    return abs(units) < _DUST_LOT_STEPS * market.lot_step * market.contract_size


@kernel
def _after_market_fill(book: Account, fill: Fill, order: Order, rest: Order, market: Market) -> Account:
    """Book the fill. The bracket of `order` takes force with the first fill that puts the position on its side."""
    before = book.units
    after = before + fill.side * fill.units
    cash = book.cash - fill.side * fill.units * fill.price - fill.commission
    if _is_dust(after, market):
        return _flat(book, cash)  # whatever closes a position withdraws the rest of its order
    if before == 0.0 or (before > 0.0) != (after > 0.0):
        risk = abs(fill.price - order.stop_loss) if order.stop_loss > 0.0 else 0.0
        return Account(
            cash, after, book.close_price, fill.price, risk, order.stop_loss, order.take_profit,
            order.order_id, order.decided_ns, order.decided_ns, False, 0, NEVER_HELD, rest, 0,
        )  # fmt: skip
    # What remains of a position keeps its bracket until it is gone: it is never unprotected.
    entry_price = book.entry_price
    if abs(after) > abs(before):
        entry_price = (abs(before) * book.entry_price + fill.units * fill.price) / abs(after)
    return Account(
        cash, after, book.close_price, entry_price, book.initial_risk, book.stop_loss, book.take_profit,
        book.bracket_order_id, book.bracket_decided_ns, book.target_decided_ns, book.trailed, book.bars_held,
        book.bars_flat, rest, 0,
    )  # fmt: skip


@kernel
def _fill_bracket(book: Account, bar: Bar, half_spread: float, costs: Costs, market: Market) -> tuple[Account, Fill]:
    """Close the position at its stop or target if the open or the range of the bar reaches one."""
    if book.units == 0.0:
        return book, NO_FILL
    held = 1 if book.units > 0.0 else -1
    touch = first_touch(held, book.stop_loss, book.take_profit, bar.open, bar.open, half_spread)
    if touch == UNTOUCHED:
        touch = first_touch(held, book.stop_loss, book.take_profit, bar.high, bar.low, half_spread)
    if touch == UNTOUCHED:
        return book, NO_FILL
    if touch == STOP:
        mid = min(book.stop_loss, bar.open) if held > 0 else max(book.stop_loss, bar.open)
        price = fill_price(mid, -held, half_spread, costs.slippage_frac)
        reason = FillReason.TRAILING.value if book.trailed else FillReason.STOP_LOSS.value
        decided_ns = book.bracket_decided_ns
    else:
        price = book.take_profit
        mid = min(max(price / (1.0 - held * half_spread), bar.low), bar.high)
        reason = FillReason.TAKE_PROFIT.value
        decided_ns = book.target_decided_ns
    return _closed(book, bar, -held, price, mid, book.bracket_order_id, reason, decided_ns, costs, market)


@kernel
def _closed(
    book: Account,
    bar: Bar,
    side: int,
    price: float,
    mid: float,
    order_id: int,
    reason: int,
    decided_ns: int,
    costs: Costs,
    market: Market,
) -> tuple[Account, Fill]:
    """The flat book after its whole position is closed at `price`; whatever was pending is withdrawn."""
    units = abs(book.units)
    fee = commission(price, units, costs, market)
    fill = Fill(order_id, bar.ts_ns, side, units, price, mid, fee, reason, decided_ns)
    return _flat(book, book.cash - side * units * price - fee), fill


@kernel
def _flat(book: Account, cash: float) -> Account:
    return Account(cash, 0.0, book.close_price, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, False, 0, 0, NO_ORDER, 0)


@kernel
def _replace_pending(book: Account, pending: Order, wait_bars: int) -> Account:
    return Account(
        book.cash, book.units, book.close_price, book.entry_price, book.initial_risk, book.stop_loss,
        book.take_profit, book.bracket_order_id, book.bracket_decided_ns, book.target_decided_ns, book.trailed,
        book.bars_held, book.bars_flat, pending, wait_bars,
    )  # fmt: skip


@kernel
def _marked(book: Account, bar: Bar) -> Account:
    """The book marked at the close, its bar counters one further."""
    held = book.bars_held + 1 if book.units != 0.0 else 0
    flat = book.bars_flat
    if book.units == 0.0 and flat < NEVER_HELD:
        flat += 1
    return Account(
        book.cash, book.units, bar.close, book.entry_price, book.initial_risk, book.stop_loss, book.take_profit,
        book.bracket_order_id, book.bracket_decided_ns, book.target_decided_ns, book.trailed, held, flat,
        book.pending, book.wait_bars,
    )  # fmt: skip

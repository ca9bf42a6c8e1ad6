"""What doing something simpler would have earned, under the same costs and the same kernel."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from agv2.backtest.replay import EquityRow
from agv2.backtest.tape import MarketTape
from agv2.core.account import Account, equity, open_account
from agv2.core.bars import Bar
from agv2.core.instruments import round_lots
from agv2.core.orders import NO_ORDER, Fill, FillReason, Order
from agv2.risk.position_sizer import AccountView, permitted_units, target_units
from agv2.sim.kernel import advance, close_out

__all__ = ["BASELINES", "BaselineRows", "run_baseline"]

_REBALANCE_FRAC = 0.1
"""A volatility-targeted holding is adjusted once a day, and only when it is off by more than this share."""

Holding = Callable[[Account, Bar, float, MarketTape, bool], float]
"""Units wanted after a bar: book, bar, volatility, market, whether the bar began a trading day."""


class BaselineRows(NamedTuple):
    """Fills and equity rows of one baseline on one market."""

    fills: list[tuple[str, Fill]]
    equity: list[EquityRow]


def _flat(book: Account, bar: Bar, volatility: float, tape: MarketTape, new_day: bool) -> float:
    return 0.0


def _buy_and_hold(book: Account, bar: Bar, volatility: float, tape: MarketTape, new_day: bool) -> float:
    """As many units as the equity pays for, bought once."""
    if book.units != 0.0:
        return book.units
    value = equity(book)
    units = permitted_units(value / bar.close, value, bar.close, AccountView(value, 0.0, 0), tape.params, tape.market)
    return round_lots(units, tape.market)


def _volatility_targeted(book: Account, bar: Bar, volatility: float, tape: MarketTape, new_day: bool) -> float:
    """Long the units that the sizer permits, looked at once a trading day."""
    if book.units != 0.0 and not new_day:
        return book.units
    value = equity(book)
    wanted = target_units(value, bar.close, volatility, tape.params)
    permitted = permitted_units(wanted, value, bar.close, AccountView(value, 0.0, 0), tape.params, tape.market)
    units = round_lots(permitted, tape.market)
    return units if abs(units - book.units) > _REBALANCE_FRAC * abs(units) else book.units


BASELINES: dict[str, Holding] = {
    "flat": _flat,
    "buy_and_hold": _buy_and_hold,
    "volatility_targeted_buy_and_hold": _volatility_targeted,
}
"""Name in `summary.json` → rule."""


def run_baseline(name: str, tape: MarketTape, initial_equity: float) -> BaselineRows:
    """Trade a baseline over all test folds as one: flat before the first fill, closed at the last bar's close.

    Args:
        name: key of `BASELINES`.
        tape: the market from the first test bar to the last.
        initial_equity: money at the first bar.

    Returns:
        Its fills and one equity row per bar.

    Known at: each order is decided at the close of the bar before its fill.
    """
    holding = BASELINES[name]
    days = np.append(True, tape.bars["day"][1:] != tape.bars["day"][:-1])
    book = open_account(initial_equity, float(tape.bars["close"][0]))
    fills: list[tuple[str, Fill]] = []
    rows: list[EquityRow] = []
    order, order_id, financing = NO_ORDER, 0, 0.0
    last = tape.bars.size - 1
    for index in range(tape.bars.size):
        bar = tape.bar(index)
        if index > 0:
            step = advance(book, order, bar, tape.costs, tape.market)
            book, order, financing = step.account, NO_ORDER, step.financing
            done: Sequence[Fill] = (step.market_fill,)
            if index == last:
                decided_ns = int(tape.bars["ts_ns"][index - 1])
                closing = close_out(book, bar, order_id + 1, decided_ns, tape.costs, tape.market)
                book, done = closing.account, (*done, closing.market_fill)
            fills.extend((tape.symbol, fill) for fill in done if fill.units > 0.0)
        if index < last and book.pending.order_id == 0:
            wanted = holding(book, bar, float(tape.volatility[index]), tape, bool(days[index]))
            if wanted != book.units:
                order_id += 1
                reason = FillReason.ENTRY if abs(wanted) > abs(book.units) else FillReason.EXIT
                order = Order(order_id, wanted - book.units, 0.0, 0.0, reason.value, bar.ts_ns)
        rows.append(EquityRow(tape.symbol, bar.ts_ns, equity(book), book.cash, book.units, financing, False))
    return BaselineRows(fills, rows)

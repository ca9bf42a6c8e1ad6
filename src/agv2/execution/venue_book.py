"""The book that a decision reads, as far as a real venue tells it and the last one remembers the rest."""

from collections.abc import Sequence

from agv2.core.account import NEVER_HELD, Account
from agv2.core.bars import Bar
from agv2.core.orders import NO_ORDER, Order
from agv2.execution.broker_messages import BrokerPosition

__all__ = ["observed_book"]


def observed_book(
    before: Account, positions: Sequence[BrokerPosition], equity: float, bar: Bar, opening: Order
) -> Account:
    """The book after `bar`: money, units and levels are the venue's, counters and origins go on from `before`.

    Args:
        before: the book after the bar before.
        positions: our own in this symbol, as the venue shows them now.
        equity: of the account, money.
        bar: that has just closed.
        opening: the last order that was to open or turn the position; `NO_ORDER` where none is known.

    Returns:
        A book that is marked at the close of `bar` and worth `equity`; nothing is pending.
    """
    units = float(sum(each.units for each in positions))
    if units == 0.0:
        flat = before.bars_flat if before.units == 0.0 else 0
        cash_only = before._replace(bars_flat=min(flat + 1, NEVER_HELD))
        return Account(
            equity, 0.0, bar.close, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, False, 0, cash_only.bars_flat, NO_ORDER, 0
        )  # fmt: skip
    entry = sum(each.units * each.entry_price for each in positions) / units
    stop_loss, take_profit = _nearest(positions, "stop_loss"), _nearest(positions, "take_profit")
    goes_on = before.units != 0.0 and (before.units > 0.0) == (units > 0.0)
    if goes_on:
        first = before._replace(bars_held=before.bars_held + 1)
    else:
        risk = abs(entry - opening.stop_loss) if opening.stop_loss > 0.0 else 0.0
        first = before._replace(
            initial_risk=risk, bracket_order_id=opening.order_id, bracket_decided_ns=opening.decided_ns,
            target_decided_ns=opening.decided_ns, trailed=False, bars_held=1,
        )  # fmt: skip
    return first._replace(
        cash=equity - units * bar.close,
        units=units,
        close_price=bar.close,
        entry_price=entry,
        stop_loss=stop_loss,
        take_profit=take_profit,
        bars_flat=NEVER_HELD if not goes_on else first.bars_flat,
        pending=NO_ORDER,
        wait_bars=0,
    )


def _nearest(positions: Sequence[BrokerPosition], level: str) -> float:
    """The level that price meets first, of those that are set; 0 where one position has none: it is unprotected."""
    prices = [getattr(each, level) for each in positions]
    if not all(prices):
        return 0.0
    is_below = (positions[0].units > 0.0) == (level == "stop_loss")
    return float(max(prices) if is_below else min(prices))

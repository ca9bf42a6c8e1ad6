"""One simulated account of one symbol: a book."""

from typing import NamedTuple

from agv2.core.jit import kernel
from agv2.core.orders import NO_ORDER, Order

__all__ = ["NEVER_HELD", "Account", "equity", "open_account"]

NEVER_HELD = 1 << 40
"""More bars than any cool-down lasts."""


class Account(NamedTuple):
    """State of a book after a bar; every field is known at that bar's close."""

    cash: float
    """Settled money."""
    units: float
    """Signed base units held."""
    close_price: float
    """Price at which open units are marked."""
    entry_price: float
    """Average price paid for the open units; 0 when flat."""
    initial_risk: float
    """Distance from the first entry to its stop, price units; 0 when flat or without stop."""
    stop_loss: float
    """Protective price in force; 0 for none."""
    take_profit: float
    """Target price in force; 0 for none."""
    bracket_order_id: int
    """Order that set the bracket."""
    bracket_decided_ns: int
    """Open time of the bar at whose close the stop in force was set."""
    target_decided_ns: int
    """Open time of the bar at whose close the target in force was set."""
    trailed: bool
    """Whether the stop was moved since the entry."""
    bars_held: int
    """Bars since the position was opened or turned."""
    bars_flat: int
    """Bars since the last position was closed; `NEVER_HELD` before the first."""
    pending: Order
    """What is still to be filled; `NO_ORDER` when nothing is."""
    wait_bars: int
    """Opens that the pending order still has to wait for."""


@kernel
def open_account(cash: float, close_price: float) -> Account:
    """A flat book with `cash` and nothing pending."""
    return Account(cash, 0.0, close_price, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, False, 0, NEVER_HELD, NO_ORDER, 0)


@kernel
def equity(account: Account) -> float:
    """Cash plus the open position at the last close, money."""
    return account.cash + account.units * account.close_price

"""What is wrong with a stop or a target, as pure questions."""

from agv2.core.instruments import Market, round_price
from agv2.core.orders import Order
from agv2.execution.broker_messages import BracketChange, BrokerPosition, PriceQuote

__all__ = ["bracket_on_grid", "bracket_problem", "entry_problem"]

UNPROTECTED = "cannot be protected: closing it"
"""How the journal's alarm about such a position ends."""
_RELATIVE = 1e-9  # of a price: what it may lose as text
_HALF_TICK = 0.5 + 1e-6


def bracket_problem(position: BrokerPosition, wanted: BracketChange, tick_size: float) -> str:
    """How the bracket of `position` differs from the one it shall have; empty where it does not."""
    for name, has, shall in (
        ("stop", position.stop_loss, wanted.stop_loss),
        ("target", position.take_profit, wanted.take_profit),
    ):
        if abs(has - shall) > tick_size * _HALF_TICK + _RELATIVE * shall:
            return f"{name} is {has:g}, shall be {shall:g}" if has else f"{name} is missing, shall be {shall:g}"
    return ""


def bracket_on_grid(order: Order, market: Market) -> Order:
    """`order` with stop and target on the tick grid."""
    return order._replace(
        stop_loss=round_price(order.stop_loss, market.tick_size),
        take_profit=round_price(order.take_profit, market.tick_size),
    )


def entry_problem(order: Order, quote: PriceQuote, *, require_stop: bool) -> str:
    """Why `order` must not be sent at this quote; empty where it may.

    The price at which the position could be left again must lie between stop and target: otherwise the venue refuses,
    or worse, takes the order without its stop.
    """
    side = 1 if order.units > 0.0 else -1
    leave_at = quote.to_take(-side)
    if order.stop_loss <= 0.0:
        return "it has no stop" if require_stop else ""
    if side * (leave_at - order.stop_loss) <= 0.0:
        return f"the price {leave_at:g} has run past its stop {order.stop_loss:g}"
    if order.take_profit > 0.0 and side * (order.take_profit - leave_at) <= 0.0:
        return f"the price {leave_at:g} has run past its target {order.take_profit:g}"
    return ""

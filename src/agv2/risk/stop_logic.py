"""Where a position's protective prices go."""

from agv2.core.instruments import round_price
from agv2.core.jit import kernel

__all__ = ["initial_stop", "initial_target"]

_LOWEST_FRAC = 0.01  # of the close: a price may not be zero or less, however wide the bands


@kernel
def initial_stop(side: int, close: float, volatility: float, multiple: float, tick_size: float) -> float:
    """Stop `multiple` volatility units on the losing side of `close`, at least one tick away.

    Args:
        side: +1 long, -1 short.
        close: price at the decision.
        volatility: causal per-bar volatility, log return; a volatility unit is `volatility * close`.
        multiple: distance in volatility units, > 0.
        tick_size: price grid, 0 for none.

    Known at: the close of the decision's bar.
    """
    return _away(-side, close, multiple * volatility * close, tick_size)


@kernel
def initial_target(side: int, close: float, volatility: float, multiple: float, tick_size: float) -> float:
    """Target `multiple` volatility units on the winning side of `close`, at least one tick away.

    Arguments as for `initial_stop`.
    """
    return _away(side, close, multiple * volatility * close, tick_size)


@kernel
def _away(direction: int, close: float, distance: float, tick_size: float) -> float:
    price = round_price(close + direction * max(distance, tick_size), tick_size)
    return max(price, _LOWEST_FRAC * close)

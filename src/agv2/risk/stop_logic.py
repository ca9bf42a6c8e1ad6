"""Where a position's protective prices go, and how a stop follows the price."""

from agv2.core.instruments import round_price
from agv2.core.jit import kernel

__all__ = ["initial_stop", "initial_target", "trailed_stop"]

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
def trailed_stop(
    side: int, current: float, close: float, volatility: float, multiple: float, tick_size: float
) -> float:
    """The stop after a close: `multiple` volatility units behind it, or where it was if that protects more.

    This is the chandelier exit on closes, each band as wide as its own bar was volatile: the best band since the
    entry is in force. So the stop itself is all that must be remembered, calm alone does not pull it nearer, and a
    wick, which may be one bad quote, does not move it.

    Args:
        side: +1 long, -1 short.
        current: stop in force, > 0.
        close: price at the bar's close.
        volatility: causal per-bar volatility at the bar, log return; a volatility unit is `volatility * close`.
        multiple: width of the band in volatility units, > 0.
        tick_size: price grid, 0 for none.

    Returns:
        Never on the losing side of `current`, always on that of `close` unless `current` is not.

    Known at: the bar's close; in force from the next bar on.
    Source: the exit is Le Beau's, described by Elder (2002), Come Into My Trading Room, chapter 6, where the band
    hangs from the extreme price since the entry.
    """
    band = _away(-side, close, multiple * volatility * close, tick_size)
    return max(current, band) if side > 0 else min(current, band)


@kernel
def _away(direction: int, close: float, distance: float, tick_size: float) -> float:
    price = round_price(close + direction * max(distance, tick_size), tick_size)
    return max(price, _LOWEST_FRAC * close)

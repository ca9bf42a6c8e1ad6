"""Which of two protective prices a bar touches first."""

from agv2.core.jit import kernel

__all__ = ["STOP", "TARGET", "UNTOUCHED", "first_touch"]

UNTOUCHED, STOP, TARGET = 0, 1, 2


@kernel
def first_touch(side: int, stop: float, target: float, high: float, low: float, half_spread_frac: float) -> int:
    """First barrier that a bar touches, the stop when both are within its range.

    Args:
        side: +1 long, -1 short.
        stop: price that the bar's low (long) or high (short) must reach; 0 for none.
        target: price that the opposite quote must reach: a long's bid, a short's ask; 0 for none.
        high: bar high.
        low: bar low.
        half_spread_frac: half the spread as a fraction of the reference price.

    Returns:
        `STOP`, `TARGET` or `UNTOUCHED`.

    Known at: the close of the bar.
    """
    if side > 0:
        if stop > 0.0 and low <= stop:
            return STOP
        if target > 0.0 and high * (1.0 - half_spread_frac) >= target:
            return TARGET
    else:
        if stop > 0.0 and high >= stop:
            return STOP
        if target > 0.0 and low * (1.0 + half_spread_frac) <= target:
            return TARGET
    return UNTOUCHED

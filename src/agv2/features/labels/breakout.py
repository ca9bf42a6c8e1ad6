"""What followed when price touched a level: breakout, reversal or neither."""

import math
from enum import IntEnum

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import ShapeError
from agv2.core.jit import kernel
from agv2.features.natural_log import natural_log
from agv2.features.support_resistance import Levels

__all__ = ["HORIZON", "Pattern", "breakout_labels"]

HORIZON = 12
"""Bars ahead."""

_TOUCH_SIGMAS = 0.5
_LEAVE_SIGMAS = 3.0


class Pattern(IntEnum):
    """What followed a touch; from 0 on, the values are the class numbers of the pattern head."""

    UNKNOWN = -1
    NEITHER = 0
    BREAKOUT = 1
    REVERSAL = 2


def breakout_labels(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    sigma: FloatArray,
    levels: Levels,
    horizon: int = HORIZON,
) -> IntArray:
    """Breakout, reversal or neither within `horizon` bars, for each bar that touches its nearest level.

    A bar touches a level when its range comes within half a volatility of it; of a level above and one below, both
    touched, the one nearer to the close counts, the upper one at equal distance. From then on price breaks out when
    its range goes three volatilities beyond the level, seen from the close, and reverses when it comes back three
    from the level to the close's side. The breakout counts first when one bar does both.

    Args:
        high: (n_bars,) highs, > 0; training bars only, since the last labels look to their end.
        low: (n_bars,) lows, > 0.
        close: (n_bars,) closes, > 0.
        sigma: (n_bars,) volatility of one bar's log return as known at its close; NaN where unknown.
        levels: `nearest_levels` of the same bars.
        horizon: bars ahead, >= 1.

    Returns:
        (n_bars,) `Pattern` values; UNKNOWN for bars that touch no level, for the last `horizon` bars and where
        `sigma` or the levels are NaN.

    Raises:
        ShapeError: the arrays differ in length.

    Known at: the close of bar t + horizon. A label: nothing on the decision path may read it.
    """
    if len({array.size for array in (high, low, close, sigma, *levels)}) != 1:
        raise ShapeError(f"expected one length, found {close.size} closes and {levels.above.size} levels")
    return _patterns(natural_log(high), natural_log(low), natural_log(close), sigma, levels, horizon)


@kernel
def _patterns(
    high: FloatArray, low: FloatArray, close: FloatArray, sigma: FloatArray, levels: Levels, horizon: int
) -> IntArray:
    """Prices are logarithms."""
    patterns = np.full(close.size, -1, dtype=np.int64)
    for t in range(close.size - horizon):
        if math.isnan(sigma[t]) or math.isnan(levels.above[t]):
            continue
        above = levels.above[t] * sigma[t]
        below = levels.below[t] * sigma[t]
        reach = _TOUCH_SIGMAS * sigma[t]
        touches_above = levels.above_strength[t] > 0.0 and high[t] - close[t] >= above - reach
        touches_below = levels.below_strength[t] > 0.0 and close[t] - low[t] >= below - reach
        if touches_above and (above <= below or not touches_below):
            level, direction = close[t] + above, 1.0
        elif touches_below:
            level, direction = close[t] - below, -1.0
        else:
            continue
        patterns[t] = 0
        leave = _LEAVE_SIGMAS * sigma[t]
        for s in range(t + 1, t + horizon + 1):
            beyond = high[s] - level if direction > 0.0 else level - low[s]
            back = level - low[s] if direction > 0.0 else high[s] - level
            if beyond >= leave:
                patterns[t] = 1
                break
            if back >= leave:
                patterns[t] = 2
                break
    return patterns

"""What price did at each distance from the close: the target of the support and resistance head."""

import math
from enum import IntEnum

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import ShapeError
from agv2.core.jit import kernel
from agv2.features.natural_log import natural_log

__all__ = ["HORIZON", "REACTION_BINS", "Reaction", "level_reactions"]

HORIZON = 48
"""Bars ahead."""

REACTION_BINS = 16
"""Half of them below the close, lowest first; each is one volatility of one bar high, as two bins of the heat map."""

_BIN_SIGMAS = 1.0
_BREAK_SIGMAS = 1.0
_REACT_SIGMAS = 2.0


class Reaction(IntEnum):
    """What price did at a band; from 0 on, the values are class numbers."""

    UNKNOWN = -1
    NONE = 0
    BROKE_THROUGH = 1
    REACTED = 2


def level_reactions(
    high: FloatArray, low: FloatArray, close: FloatArray, sigma: FloatArray, horizon: int = HORIZON
) -> IntArray:
    """Whether price turns at, or breaks through, each band around the close within `horizon` bars.

    Bin j is the band from `j - 8` to `j - 7` volatilities (log) above the close. It is reached by the first bar whose
    range touches it or lies beyond it. Price has broken through once its range goes one volatility beyond the band's
    far edge, and has reacted once it comes back two volatilities from the near edge; as the band is one high, both are
    two volatilities from where it was reached, and on a random walk equally likely. The break counts first when one
    bar does both. In the bar that reaches the band only its close can show that price came back, since its low may
    lie before the touch.

    NONE is what remains: a band not reached, or reached and not decided when the horizon ends.

    Args:
        high: (n_bars,) highs, > 0; training bars only, since the last labels look to their end.
        low: (n_bars,) lows, > 0.
        close: (n_bars,) closes, > 0.
        sigma: (n_bars,) volatility of one bar's log return as known at its close; NaN where unknown.
        horizon: bars ahead, >= 1.

    Returns:
        (n_bars, 16) `Reaction` values; UNKNOWN for the last `horizon` bars and where `sigma` is NaN.

    Raises:
        ShapeError: the arrays differ in length.

    Known at: the close of bar t + horizon. A label: nothing on the decision path may read it.
    """
    if not high.size == low.size == close.size == sigma.size:
        raise ShapeError(f"expected one length, found {high.size}, {low.size}, {close.size} and {sigma.size}")
    up, down, now = natural_log(high), natural_log(low), natural_log(close)
    reactions = np.full((close.size, REACTION_BINS), int(Reaction.UNKNOWN), dtype=np.int64)
    half = REACTION_BINS // 2
    _reactions_above(up, down, now, sigma, horizon, reactions[:, half:])
    # Below is above in the mirror: the nearest band comes first there too.
    _reactions_above(-down, -up, -now, sigma, horizon, reactions[:, half - 1 :: -1])
    return reactions


@kernel
def _reactions_above(
    high: FloatArray, low: FloatArray, close: FloatArray, sigma: FloatArray, horizon: int, reactions: IntArray
) -> None:
    """Fill `reactions` for the bands above; prices are logarithms."""
    for t in range(close.size - horizon):
        if math.isnan(sigma[t]):
            continue
        for j in range(reactions.shape[1]):
            near = close[t] + j * _BIN_SIGMAS * sigma[t]
            broken = near + (_BIN_SIGMAS + _BREAK_SIGMAS) * sigma[t]
            back = near - _REACT_SIGMAS * sigma[t]
            is_reached = False
            reactions[t, j] = 0
            for s in range(t + 1, t + horizon + 1):
                if high[s] >= broken:
                    reactions[t, j] = 1
                    break
                # Of the bar that reaches the band only the close is surely later than the touch.
                if (is_reached and low[s] <= back) or (high[s] >= near and close[s] <= back):
                    reactions[t, j] = 2
                    break
                is_reached = is_reached or high[s] >= near
            if not is_reached and reactions[t, j] == 0:
                reactions[t, j + 1 :] = 0  # bands further out were not reached either
                break

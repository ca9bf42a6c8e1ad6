"""What price did after each bar: the target of the return quantiles."""

import math

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.errors import ShapeError
from agv2.features.natural_log import natural_log

__all__ = ["HORIZONS", "forward_returns"]

HORIZONS = (1, 3, 12)
"""Bars ahead."""


def forward_returns(close: FloatArray, sigma: FloatArray, horizons: tuple[int, ...] = HORIZONS) -> FloatArray:
    """Log return over the next bars, in volatilities that such a return would have in a random walk.

    Args:
        close: (n_bars,) closes, all > 0; training bars only, since the last labels look to its end.
        sigma: (n_bars,) volatility of one bar's log return as known at its close; NaN where unknown.
        horizons: bars ahead, each >= 1.

    Returns:
        (n_bars, n_horizons) `log(close[t + h] / close[t]) / (sigma[t] * sqrt(h))`; NaN for the last h bars and
        where `sigma` is.

    Raises:
        ShapeError: `close` and `sigma` differ in length.

    Known at: the close of bar t + h. A label: nothing on the decision path may read it.
    """
    if close.shape != sigma.shape:
        raise ShapeError(f"close has {close.size} values, sigma {sigma.size}")
    log_close = natural_log(close)
    returns = np.full((close.size, len(horizons)), np.nan)
    for j, horizon in enumerate(horizons):
        ahead = log_close[horizon:] - log_close[:-horizon]
        returns[: ahead.size, j] = ahead / (sigma[: ahead.size] * math.sqrt(horizon))
    return returns

"""Shapes and moves of single bars: returns, ranges, wicks and gaps."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.jit import kernel

__all__ = ["WickFractions", "log_return", "opening_gap", "wick_fractions"]


class WickFractions(NamedTuple):
    """Parts of each bar's range that lie outside its body."""

    upper: FloatArray
    """(n_bars,) high to the body's top over high to low, in [0, 1]."""
    lower: FloatArray
    """(n_bars,) the body's bottom to low over high to low, in [0, 1]."""


@kernel
def log_return(log_close: FloatArray, horizon: int) -> FloatArray:
    """Log return over the last `horizon` bars.

    Args:
        log_close: (n_bars,) natural logs of closes.
        horizon: bars back, >= 1.

    Returns:
        (n_bars,) natural log; NaN for the first `horizon` bars.

    Known at: the close of bar t, from the closes of bars t - horizon and t.
    """
    returns = np.empty(log_close.size)
    returns[:horizon] = np.nan
    for t in range(horizon, log_close.size):
        returns[t] = log_close[t] - log_close[t - horizon]
    return returns


@kernel
def wick_fractions(open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> WickFractions:
    """Upper and lower wick of each bar as fractions of its range; both 0 when the bar has no range.

    Args:
        open_: (n_bars,) opens, within low .. high.
        high: (n_bars,) highs.
        low: (n_bars,) lows.
        close: (n_bars,) closes, within low .. high.

    Known at: the close of bar t, from that bar alone.
    """
    upper = np.zeros(high.size)
    lower = np.zeros(high.size)
    for t in range(high.size):
        span = high[t] - low[t]
        if span > 0.0:
            upper[t] = (high[t] - max(open_[t], close[t])) / span
            lower[t] = (min(open_[t], close[t]) - low[t]) / span
    return WickFractions(upper, lower)


@kernel
def opening_gap(log_open: FloatArray, log_close: FloatArray) -> FloatArray:
    """Log of each open over the close before it, from their natural logs; NaN for the first bar.

    Known at: the open of bar t, from that open and the close of bar t - 1.
    """
    gaps = np.empty(log_open.size)
    gaps[:1] = np.nan
    for t in range(1, log_open.size):
        gaps[t] = log_open[t] - log_close[t - 1]
    return gaps

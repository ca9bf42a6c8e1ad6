"""The yardstick: one causal volatility per bar, in which sizes, stops, features and labels are measured."""

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.features.natural_log import natural_log
from agv2.features.row_blocks import row_blocks
from agv2.features.volatility import realized_volatilities

__all__ = ["LOOKBACK", "VOLATILITY_FLOOR", "bar_volatility"]

VOLATILITY_FLOOR = 1e-5
"""Log return per bar below which price counts as standing still: 0.1 basis points."""

_FAST_RETURNS = 64
_SLOW_RETURNS = 256
_SLOW_SHARE = 0.5

LOOKBACK = _SLOW_RETURNS + 1
"""Bars that `bar_volatility` reads, the present one included."""


def bar_volatility(close: FloatArray) -> FloatArray:
    """Volatility of one bar's log return, sigma, as known at its close.

    The realised volatility of the last 64 bars, but never less than half of that of the last 256: a stale feed or
    a holiday would otherwise shrink the yardstick, and whatever is sized by it would grow without bound. Never
    less than `VOLATILITY_FLOOR` either.

    Args:
        close: (n_bars,) closes, all > 0.

    Returns:
        (n_bars,) log return per bar, > 0; NaN for the first 256 bars.

    Known at: the close of bar t, from the closes of bars t - 256 .. t.
    """
    sigma = np.full(close.size, np.nan)
    for block in row_blocks(close.size, LOOKBACK):
        log_close = natural_log(close[block.first : block.stop])
        fast, slow = realized_volatilities(log_close, (_FAST_RETURNS, _SLOW_RETURNS))
        floored = np.maximum(np.maximum(fast, _SLOW_SHARE * slow), VOLATILITY_FLOOR)
        sigma[block.start : block.stop] = floored[block.start - block.first :]
    return sigma

"""Moves and estimates measured in the volatility of their time, within limits."""

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.jit import kernel
from agv2.features.bar_volatility import VOLATILITY_FLOOR
from agv2.features.natural_log import natural_log

__all__ = ["LOG_RATIO_LIMIT", "SCALED_LIMIT", "in_sigmas", "log_ratio"]

SCALED_LIMIT = 20.0
"""Volatilities beyond which lie weekend gaps and stale feeds that jump: how far is of no use."""
LOG_RATIO_LIMIT = 6.0


@kernel
def in_sigmas(moves: FloatArray, sigma: FloatArray, root_bars: float, low: float) -> FloatArray:
    """Moves over `root_bars` times `sigma`, from `low` to `SCALED_LIMIT`; NaN stays.

    Args:
        moves: (n_bars,) log returns.
        sigma: (n_bars,) volatility of one bar, log return, > 0.
        root_bars: square root of the bars in a move.
        low: smallest value.
    """
    found = np.empty(moves.size)
    for t in range(moves.size):
        move = np.divide(moves[t], root_bars * sigma[t])  # Python's division asks each time whether it is by zero
        found[t] = low if move < low else (SCALED_LIMIT if move > SCALED_LIMIT else move)
    return found


@kernel
def log_ratio(estimate: FloatArray, sigma: FloatArray) -> FloatArray:
    """Log of a volatility over `sigma`, within `LOG_RATIO_LIMIT` both ways and where price stood still; NaN stays.

    Args:
        estimate: (n_bars,) volatility of one bar, log return, >= 0.
        sigma: (n_bars,) likewise, > 0.
    """
    ratios = np.empty(estimate.size)
    for t in range(estimate.size):
        floored = VOLATILITY_FLOOR if estimate[t] < VOLATILITY_FLOOR else estimate[t]
        ratios[t] = np.divide(floored, sigma[t])
    logs = natural_log(ratios)
    for t in range(logs.size):
        low_cut = -LOG_RATIO_LIMIT if logs[t] < -LOG_RATIO_LIMIT else logs[t]
        logs[t] = LOG_RATIO_LIMIT if low_cut > LOG_RATIO_LIMIT else low_cut
    return logs

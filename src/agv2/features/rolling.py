"""Means over the last bars, computed the same way wherever a series happens to start."""

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.jit import kernel

__all__ = ["windowed_mean"]

_BLOCK_BARS = 2048  # a block of sums stays in the nearest cache


@kernel
def windowed_mean(values: FloatArray, lookback: int) -> FloatArray:
    """Mean of the last `lookback` values.

    No running sum: every window is added up by itself, oldest value first, so the result for a bar does not
    depend on how much history lies before its window. The inner loop runs over bars, which lets the compiler use
    vector instructions without touching the order of any one sum.

    Args:
        values: (n_bars,) any series; NaN spreads to the windows that hold it.
        lookback: values per mean, >= 1.

    Returns:
        (n_bars,) means; NaN for the first `lookback - 1` bars.

    Known at: when `values[t]` is, from values t - lookback + 1 .. t.
    """
    n_bars = values.size
    means = np.full(n_bars, np.nan)
    for start in range(lookback - 1, n_bars, _BLOCK_BARS):
        stop = min(start + _BLOCK_BARS, n_bars)
        sums = np.zeros(stop - start)
        for offset in range(lookback - 1, -1, -1):
            first = start - offset
            for i in range(stop - start):
                sums[i] += values[first + i]
        for i in range(stop - start):
            means[start + i] = sums[i] / lookback
    return means

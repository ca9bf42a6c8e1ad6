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
        size = min(_BLOCK_BARS, n_bars - start)
        sums = np.zeros(size)
        reached = values[start - lookback + 1 : start + size]
        # Eight values a pass, still one after the other: the sums are fetched and stored an eighth as often.
        for k in range(0, lookback - 7, 8):
            part = reached[k : k + size + 7]
            for i in range(size):
                sums[i] = (
                    sums[i] + part[i] + part[i + 1] + part[i + 2] + part[i + 3]
                    + part[i + 4] + part[i + 5] + part[i + 6] + part[i + 7]
                )  # fmt: skip
        for k in range(lookback - lookback % 8, lookback):
            part = reached[k : k + size]
            for i in range(size):
                sums[i] += part[i]
        for i in range(size):
            means[start + i] = sums[i] / lookback
    return means

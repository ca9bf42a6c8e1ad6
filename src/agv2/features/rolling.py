"""Means over the last bars, computed the same way wherever a series happens to start."""

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.jit import kernel

__all__ = ["windowed_mean"]

_BLOCK_BARS = 1024  # a block of sums stays in the nearest cache


@kernel
def windowed_mean(values: FloatArray, lookback: int) -> FloatArray:
    """Mean of the last `lookback` values.

    No running sum: every window is added up from its own values, always in the same pairs, so the result for a bar
    does not depend on how much history lies before its window. Sums of one value give those of two, these give those
    of four, and so on: the windows of all bars share them, and a longer window costs hardly more than a short one.

    Args:
        values: (n_bars,) any series; NaN spreads to the windows that hold it.
        lookback: values per mean, >= 1.

    Returns:
        (n_bars,) means; NaN for the first `lookback - 1` bars.

    Known at: when `values[t]` is, from values t - lookback + 1 .. t.
    """
    n_bars = values.size
    means = np.empty(n_bars)
    means[: lookback - 1] = np.nan
    reach = _BLOCK_BARS + lookback - 1
    sums = np.empty(reach)
    wider_sums = np.empty(reach)
    totals = np.empty(_BLOCK_BARS)
    for start in range(lookback - 1, n_bars, _BLOCK_BARS):
        size = min(_BLOCK_BARS, n_bars - start)
        n_sums = size + lookback - 1
        sums[:n_sums] = values[start - lookback + 1 : start + size]
        totals[:size] = 0.0
        width = 1  # values in each of the sums
        taken = 0  # oldest values of each window that its total already holds
        while True:
            if lookback & width:
                part = sums[taken : taken + size]
                for i in range(size):
                    totals[i] += part[i]
                taken += width
            if taken == lookback:
                break
            n_sums -= width
            later = sums[width : width + n_sums]
            for i in range(n_sums):
                wider_sums[i] = sums[i] + later[i]
            sums, wider_sums = wider_sums, sums
            width *= 2
        found = means[start : start + size]
        for i in range(size):
            found[i] = np.divide(totals[i], lookback)  # Python's division asks each time whether it is by zero
    return means

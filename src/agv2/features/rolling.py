"""Means over the last bars, computed the same way wherever a series happens to start."""

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.jit import kernel

__all__ = ["windowed_mean", "windowed_means"]

_BLOCK_BARS = 1024  # a block of sums stays in the nearest cache


def windowed_mean(values: FloatArray, lookback: int) -> FloatArray:
    """Mean of the last `lookback` values, as `windowed_means` has it."""
    means: FloatArray = windowed_means(values, (lookback,))[0]
    return means


@kernel
def windowed_means(values: FloatArray, lookbacks: tuple[int, ...]) -> FloatArray:
    """Mean of the last values, for each of some lookbacks.

    No running sum: every window is added up from its own values, always in the same pairs, so the result for a bar
    does not depend on how much history lies before its window, nor on the other lookbacks. Sums of one value give
    those of two, these give those of four, and so on: all windows share them, and a long one costs hardly more than
    a short one.

    Args:
        values: (n_bars,) any series; NaN spreads to the windows that hold it.
        lookbacks: values per mean, each >= 1.

    Returns:
        (n_lookbacks, n_bars) means; NaN for the first `lookback - 1` bars.

    Known at: when `values[t]` is, from values t - lookback + 1 .. t.
    """
    n_bars = values.size
    longest = max(lookbacks)
    means = np.empty((len(lookbacks), n_bars))
    sums = np.empty(_BLOCK_BARS + longest)
    wider_sums = np.empty(_BLOCK_BARS + longest)
    for start in range(0, n_bars, _BLOCK_BARS):
        size = min(_BLOCK_BARS, n_bars - start)
        first = start - longest + 1
        n_sums = size + longest - 1
        n_before = max(-first, 0)
        sums[:n_before] = np.nan  # what lies before the series spoils the windows that reach there
        sums[n_before:n_sums] = values[first + n_before : start + size]
        means[:, start : start + size] = 0.0
        width = 1  # values in each of the sums
        while True:
            for row in range(len(lookbacks)):
                lookback = lookbacks[row]
                if lookback & width:
                    # The window's older values, as many as the smaller bits of its length say, are in its total.
                    begin = longest - lookback + lookback % width
                    part = sums[begin : begin + size]
                    total = means[row, start : start + size]
                    for i in range(size):
                        total[i] += part[i]
            if 2 * width > longest:
                break
            n_sums -= width
            later = sums[width : width + n_sums]
            for i in range(n_sums):
                wider_sums[i] = sums[i] + later[i]
            sums, wider_sums = wider_sums, sums
            width *= 2
        for row in range(len(lookbacks)):
            mean = means[row, start : start + size]
            for i in range(size):
                mean[i] = np.divide(mean[i], lookbacks[row])  # Python's division asks each time whether it is by zero
    return means

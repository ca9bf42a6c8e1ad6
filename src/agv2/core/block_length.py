"""How long the blocks of a bootstrap must be to keep what neighbouring values have in common."""

import math

import numpy as np

from agv2.core.arrays import FloatArray

__all__ = ["optimal_block_length"]


def optimal_block_length(values: FloatArray) -> float:
    """Mean block length of the stationary bootstrap that estimates the variance of a mean best.

    Args:
        values: (n,) a series, taken as stationary.

    Returns:
        Between 1 and min(3 √n, n / 3), rounded up to at least 1; 1 for a constant or very short series.

    Source: Politis and White (2004), Econometric Reviews 23(1), 53-70, with the correction of Patton, Politis
    and White (2009), Econometric Reviews 28(4), 372-375.
    """
    n = values.size
    centred = values - values.mean()
    if n < 8 or float(np.square(centred).sum()) <= 1e-24 * max(float(np.square(values).sum()), 1e-300):
        return 1.0
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(math.ceil(math.sqrt(n)) + run, n - 1)
    covariance = np.array([centred[lag:] @ centred[: n - lag] for lag in range(most + 1)]) / n
    negligible = np.abs(covariance / covariance[0]) < 2.0 * math.sqrt(math.log10(n) / n)
    last = next((lag for lag in range(most) if negligible[lag + 1 : lag + 1 + run].all()), most)
    bandwidth = min(2 * max(last, 1), most)
    lags = np.arange(1, bandwidth + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - lags / bandwidth))  # the flat-top kernel
    tapered = taper * covariance[1 : bandwidth + 1]
    slope = 2.0 * float((lags * tapered).sum())
    long_run = float(covariance[0] + 2.0 * tapered.sum())
    if long_run == 0.0:
        return 1.0
    length = float((n * slope * slope / (long_run * long_run)) ** (1.0 / 3.0))
    return max(1.0, min(length, math.ceil(min(3.0 * math.sqrt(n), n / 3.0))))

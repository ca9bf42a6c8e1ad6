"""What a position may be expected to earn, given what the heads predict: a price path without its luck."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray

__all__ = ["RowColumns", "expected_path", "forecasts"]

_RIDGE_ROWS = 50.0
_LARGEST_REWARD = 6.0  # targeted volatilities; what lies beyond is news, and would outvote a year of bars


class RowColumns(NamedTuple):
    """What the columns of a market row are, as far as training has to know."""

    embedding: int = 0
    """The first so many are an embedding."""
    horizons: int = 0
    """Predicted quantiles follow, horizon by horizon; 0: all other columns are forecasts as they are."""
    levels: int = 0
    """Quantiles of each horizon, an odd number, rising."""


def forecasts(rows: Float32Array, columns: RowColumns) -> FloatArray:
    """(n, k) what rows (n, market size) say of the price to come: median and mean quantile of each horizon."""
    rest = rows[:, columns.embedding :].astype(np.float64)
    if columns.horizons == 0:
        return rest
    quantiles = rest[:, : columns.horizons * columns.levels].reshape(-1, columns.horizons, columns.levels)
    return np.concatenate([quantiles[:, :, columns.levels // 2], quantiles.mean(axis=2)], axis=1)


def expected_path(paths: FloatArray, predicted: FloatArray, taught: Sequence[range]) -> FloatArray:
    """`paths` with what a long may be expected to earn in the place of what it did earn.

    Nearly all of what a bar pays is luck, and a policy that learns from it learns luck by heart. Its mean given the
    forecasts is a regression with a handful of weights, which tens of thousands of bars pin down; costs and financing
    stay what they are. What all bars have in common is left out: that a market rose is no forecast, and on bars left
    out it would look like one, for where the rest fell short of the mean they lie above it.

    Args:
        paths: (n, 5) of `price_path`.
        predicted: (n, k) forecasts; rows with NaN are not learnt from and promise nothing.
        taught: rows that the weights are fitted on.

    Returns:
        (n, 5), of which the gap is 0 and the body is expected: of mean zero over the taught rows.

    Known at: the close of each bar, given weights that know the taught bars.
    Source: Hoerl and Kennard (1970), Technometrics 12(1), 55-67.
    """
    rows = np.concatenate([np.arange(one.start, one.stop) for one in taught])
    rows = rows[np.isfinite(predicted[rows]).all(axis=1)]
    expected = paths.copy()
    expected[:, :2] = 0.0
    if rows.size == 0:
        return expected
    spread = np.maximum(predicted[rows].std(axis=0), np.finfo(np.float32).tiny)
    scaled = (predicted - predicted[rows].mean(axis=0)) / spread
    earned = np.clip(paths[rows, 0] + paths[rows, 1], -_LARGEST_REWARD, _LARGEST_REWARD)
    known = scaled[rows]
    weights = np.linalg.solve(
        known.T @ known + _RIDGE_ROWS * np.eye(known.shape[1]), known.T @ (earned - earned.mean())
    )
    expected[:, 1] = np.nan_to_num(scaled @ weights)
    return expected

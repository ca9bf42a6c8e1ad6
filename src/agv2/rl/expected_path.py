"""What a position may be expected to earn, given what the heads predict: a price path without its luck."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray, IntArray

__all__ = ["RowColumns", "Worth", "expected_path", "fit_worth", "forecasts", "known_rows", "row_weights"]

_RIDGE_ROWS = 5_000.0
"""Six forecasts that move together: what tells them apart is believed when so many bars agree."""
_LARGEST_REWARD = 6.0  # targeted volatilities; what lies beyond is news, and would outvote a year of bars


class RowColumns(NamedTuple):
    """What the columns of a market row are, as far as training has to know."""

    embedding: int = 0
    """The first so many are an embedding."""
    horizons: int = 0
    """Predicted quantiles follow, horizon by horizon; 0: all other columns are forecasts as they are."""
    levels: int = 0
    """Quantiles of each horizon, an odd number, rising."""


class Worth(NamedTuple):
    """A linear function of forecasts."""

    centre: FloatArray
    """(k,) forecasts that are worth nothing."""
    weights: FloatArray
    """(k,) per unit of what a forecast lies above that."""

    def of(self, predicted: FloatArray) -> FloatArray:
        """(n,) worth of forecasts (n, k); 0 where one is NaN."""
        return np.nan_to_num((predicted - self.centre) @ self.weights)


def forecasts(rows: Float32Array, columns: RowColumns) -> FloatArray:
    """(n, k) what rows (n, market size) say of the price to come: median and mean quantile of each horizon."""
    rest = rows[:, columns.embedding :].astype(np.float64)
    if columns.horizons == 0:
        return rest
    quantiles = rest[:, : columns.horizons * columns.levels].reshape(-1, columns.horizons, columns.levels)
    return np.concatenate([quantiles[:, :, columns.levels // 2], quantiles.mean(axis=2)], axis=1)


def row_weights(weights: FloatArray, columns: RowColumns, width: int) -> FloatArray:
    """(width,) weights of market rows that give what `weights` (k,) give of their `forecasts`."""
    found = np.zeros(width)
    if columns.horizons == 0:
        found[columns.embedding :] = weights
        return found
    medians, means = np.split(weights, 2)
    quantiles = np.repeat(means[:, np.newaxis] / columns.levels, columns.levels, axis=1)
    quantiles[:, columns.levels // 2] += medians
    found[columns.embedding : columns.embedding + quantiles.size] = quantiles.ravel()
    return found


def known_rows(predicted: FloatArray, taught: Sequence[range]) -> IntArray:
    """Rows of `taught` whose forecasts (n, k) are all known."""
    rows: IntArray = np.concatenate([np.arange(one.start, one.stop) for one in taught])
    known: IntArray = rows[np.isfinite(predicted[rows]).all(axis=1)]
    return known


def fit_worth(predicted: FloatArray, rows: IntArray, earned: FloatArray) -> Worth:
    """What forecasts say of `earned`: their direction by a strong ridge, its length by least squares.

    Args:
        predicted: (n, k) forecasts.
        rows: (m,) of them to learn from; none is NaN.
        earned: (m,) what followed each.

    Source: Hoerl and Kennard (1970), Technometrics 12(1), 55-67.
    """
    known = predicted[rows]
    centre, spread = known.mean(axis=0), np.maximum(known.std(axis=0), np.finfo(np.float32).tiny)
    scaled, target = (known - centre) / spread, earned - earned.mean()
    direction = np.linalg.solve(scaled.T @ scaled + _RIDGE_ROWS * np.eye(scaled.shape[1]), scaled.T @ target)
    along = scaled @ direction
    length = float(along @ target) / max(float(along @ along), np.finfo(np.float64).tiny)
    return Worth(centre, length * direction / spread)


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
    """
    rows = known_rows(predicted, taught)
    expected = paths.copy()
    expected[:, :2] = 0.0
    if rows.size:
        earned = np.clip(paths[rows, 0] + paths[rows, 1], -_LARGEST_REWARD, _LARGEST_REWARD)
        expected[:, 1] = fit_worth(predicted, rows, earned).of(predicted)
    return expected

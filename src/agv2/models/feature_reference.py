"""How each feature was spread over the training bars of one market: what live bars are held against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import Float32Array, FloatArray, Int8Array
from agv2.core.errors import DataError, ShapeError

__all__ = ["FeatureReference", "share_of_each_bin"]

N_QUANTILES = 10
N_EDGES = N_QUANTILES + 1
N_BINS = N_EDGES + 2
"""Up to twelve between and beyond the edges, and one for what is not a number."""

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """Quantile bins of features over training bars, and how far a recent stretch of such bars strays from them.

    Attributes:
        columns: names of the features, in order.
        edges: (n_features, 11) rising; bin k holds what exceeds exactly k edges. A feature of few values has fewer,
            and +inf after them.
        shares: (n_features, 13) share of the training bars in each bin; the last is of values that are no numbers.
        step_bars: bars that are counted together before the recent histogram moves on.
        memory_bars: bars after which a bar weighs 1/e of the newest in the recent histogram.
        scales: (2, n_features) what the stability index and the relative entropy of each feature rarely exceed on
            training bars, > 0.
        daily_worst: (n_days,) highest of both over all features, in `scales`, on each trading day of the training
            bars, held against the others.
        sample: (n_rows, n_features) rows spread evenly over the training bars, for reports.
    """

    columns: tuple[str, ...]
    edges: FloatArray
    shares: FloatArray
    step_bars: int
    memory_bars: float
    scales: FloatArray
    daily_worst: FloatArray
    sample: Float32Array

    def bins(self, rows: FloatArray | Float32Array) -> Int8Array:
        """(n, n_features) the bin of each value.

        Args:
            rows: (n, n_features) raw features, as `compute_features` gives them.

        Raises:
            ShapeError: another number of features.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.columns):
            raise ShapeError(f"expected rows of {len(self.columns)} features, found shape {rows.shape}")
        return _bins(rows, self.edges)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays, for an `.npz` file."""
        return {
            "columns": np.array(self.columns, dtype=np.str_),
            "edges": self.edges,
            "shares": self.shares,
            "step_bars": np.array(self.step_bars, dtype=np.int64),
            "memory_bars": np.array(self.memory_bars),
            "scales": self.scales,
            "daily_worst": self.daily_worst,
            "sample": self.sample,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "FeatureReference":
        """The inverse of `arrays`."""
        return cls(
            columns=tuple(str(name) for name in arrays["columns"]),
            edges=arrays["edges"],
            shares=arrays["shares"],
            step_bars=int(arrays["step_bars"]),
            memory_bars=float(arrays["memory_bars"]),
            scales=arrays["scales"],
            daily_worst=arrays["daily_worst"],
            sample=arrays["sample"],
        )

    @staticmethod
    def quantile_edges(values: FloatArray | Float32Array, columns: Sequence[str]) -> FloatArray:
        """(n_features, 11) edges at the deciles; around each value for a feature of ten values or fewer.

        Of such a feature any other value is new, and falls into a bin of its own. That is not so of the others: the
        furthest value of a slow feature is exceeded sooner or later without anything being wrong.

        Args:
            values: (n_bars, n_features) training bars; values that are not finite do not count.
            columns: names, for the message.

        Raises:
            DataError: a feature has no finite value.
        """
        edges = np.full((values.shape[1], N_EDGES), np.inf)
        for feature, column in enumerate(values.T):
            finite = column[np.isfinite(column)].astype(np.float64)
            if finite.size == 0:
                raise DataError(f"feature {columns[feature]} has no value on the training bars: give more of them")
            distinct = np.unique(finite)
            if distinct.size <= N_QUANTILES:
                own = np.concatenate([[np.nextafter(distinct[0], -np.inf)], distinct])
            else:
                own = np.unique(np.quantile(finite, np.arange(1, N_QUANTILES) / N_QUANTILES))
            edges[feature, : own.size] = own
        return edges


def share_of_each_bin(bins: Int8Array) -> FloatArray:
    """(n_features, 13) share of the rows of `bins` (n, n_features) in each bin."""
    n, n_features = bins.shape
    flat = bins + np.arange(n_features) * N_BINS
    counts = np.bincount(flat.ravel(), minlength=n_features * N_BINS)
    shares: FloatArray = counts.reshape(n_features, N_BINS) / max(n, 1)
    return shares


def _bins(rows: FloatArray | Float32Array, edges: FloatArray) -> Int8Array:
    found = np.empty(rows.shape, dtype=np.int8)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE].astype(np.float64)
        above = (part[:, :, np.newaxis] > edges).sum(axis=2)
        found[start : start + _ROWS_AT_ONCE] = np.where(np.isfinite(part), above, N_BINS - 1)
    return found

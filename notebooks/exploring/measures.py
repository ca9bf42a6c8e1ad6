"""Statistics that only the notebooks need: correlation in time, drift of a distribution, information about a label."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray

__all__ = ["autocorrelation", "information_about", "stability_index"]

_FEWEST = 1e-4


class Autocorrelation(NamedTuple):
    """Correlation of a series with its own past."""

    values: FloatArray
    """(n_lags,) at the lags 1, 2, …"""
    band: FloatArray
    """(n_lags,) half width of the interval in which 95 % of the values of an unforeseeable series lie."""


def autocorrelation(values: FloatArray, n_lags: int) -> Autocorrelation:
    """Autocorrelation at the first lags, with a band that allows for changing volatility.

    Where volatility clusters, the usual band of 1.96 over the root of n is too narrow: it finds foresight that is not
    there.

    Args:
        values: (n,) finite, not constant.
        n_lags: lags to look at, < n.

    Source: Lo and MacKinlay (1988), Review of Financial Studies 1(1), 41-66, for variances.
    """
    around = values - values.mean()
    square = around * around
    found, band = np.empty(n_lags), np.empty(n_lags)
    for lag in range(1, n_lags + 1):
        found[lag - 1] = around[lag:] @ around[:-lag] / square.sum()
        band[lag - 1] = 1.96 * np.sqrt(square[lag:] @ square[:-lag]) / square.sum()
    return Autocorrelation(found, band)


def stability_index(reference: FloatArray, sample: FloatArray, n_bins: int = 10) -> float:
    """Population stability index: how far a distribution moved, in bins that hold equal shares of the reference.

    Args:
        reference: (n,) finite values before.
        sample: (m,) finite values now.
        n_bins: shares of the reference; fewer where many of its values are equal.

    Returns:
        Sum over bins of the difference of shares times that of their logarithms, >= 0; by custom 0.1 is a shift worth
        a look and 0.25 a large one.
    """
    edges = np.unique(np.quantile(reference, np.linspace(0.0, 1.0, n_bins + 1)[1:-1]))
    before, now = (
        np.maximum(np.bincount(np.searchsorted(edges, each), minlength=edges.size + 1) / each.size, _FEWEST)
        for each in (reference, sample)
    )
    return float(((now - before) * np.log(now / before)).sum())


class Information(NamedTuple):
    """Mutual information between features and one label, bits."""

    bits: FloatArray
    """(n_features,) as measured, never below 0 even where there is none."""
    shuffled: FloatArray
    """(n_shuffles, n_features) the same with the label moved to other bars."""

    @property
    def surprise(self) -> FloatArray:
        """(n_features,) how far above its own mean by chance each lies, in standard deviations of chance."""
        return self._scaled(self.bits)

    @property
    def best_by_chance(self) -> float:
        """Surprise that the best of all features stays below in 95 % of the shuffles."""
        return float(np.quantile(self._scaled(self.shuffled).max(axis=1), 0.95))

    def _scaled(self, bits: FloatArray) -> FloatArray:
        spread = self.shuffled.std(axis=0, ddof=1)
        scaled: FloatArray = (bits - self.shuffled.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
        return scaled


def information_about(
    features: FloatArray, label: IntArray, n_shuffles: int, rng: np.random.Generator, n_bins: int = 8
) -> Information:
    """What knowing one feature says about a class, and what it would seem to say by chance.

    For chance the label is turned round in time, by at least a tenth of the rows: its runs and those of the features
    stay as long as they are, only who meets whom changes. Shuffling row by row would break the runs, and long runs
    meet by chance far more often than single rows do.

    Args:
        features: (n_rows, n_features) finite.
        label: (n_rows,) class numbers >= 0.
        n_shuffles: turns.
        rng: chance, for how far to turn.
        n_bins: equal shares into which each feature is cut.
    """
    n_rows, n_features = features.shape
    n_classes = int(label.max()) + 1
    cells = np.empty((n_features, n_rows), dtype=np.int64)
    for j in range(n_features):
        edges = np.unique(np.quantile(features[:, j], np.linspace(0.0, 1.0, n_bins + 1)[1:-1]))
        cells[j] = np.searchsorted(edges, features[:, j]) * n_classes
    turns = rng.integers(n_rows // 10, n_rows - n_rows // 10, n_shuffles)
    found = [
        [_bits(np.bincount(cell + turned, minlength=n_bins * n_classes).reshape(n_bins, n_classes)) for cell in cells]
        for turned in (label, *(np.roll(label, turn) for turn in turns))
    ]
    return Information(np.array(found[0]), np.array(found[1:]))


def _bits(counts: IntArray) -> float:
    joint = counts / counts.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    held = joint > 0.0
    return float((joint[held] * np.log2(joint[held] / apart[held])).sum())

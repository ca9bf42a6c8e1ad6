"""Features brought to one scale, by statistics of the training fold alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.errors import DataError, ShapeError

__all__ = ["Normalizer"]

CLIP = 8.0


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Shift and scale of each feature, fitted once and shipped in the bundle.

    Attributes:
        mean: (n_features,) subtracted.
        scale: (n_features,) divided by, > 0; 1 for a feature that never moved, infinite for one that is erased.
        clip: bound on the absolute result, in scales.
    """

    mean: FloatArray
    scale: FloatArray
    clip: float = CLIP

    @classmethod
    def fit(cls, values: FloatArray | Float32Array, clip: float = CLIP) -> "Normalizer":
        """Statistics of the training rows.

        Args:
            values: (n_bars, n_features); rows that are not finite throughout are left out (warm-up).
            clip: bound on the absolute normalised value, in scales, > 0.

        Returns:
            Mean and standard deviation of values winsorised at the 0.1 % tails, so that one spike does not set a scale.

        Raises:
            DataError: no complete row.
        """
        complete = values[np.isfinite(values).all(axis=1)].astype(np.float64)
        if len(complete) == 0:
            raise DataError("no bar has every feature, so nothing can be normalised: give more bars than the warm-up")
        low, high = np.quantile(complete, (0.001, 0.999), axis=0)
        tame = np.clip(complete, low, high)
        scale = tame.std(axis=0)
        moved = scale > 1e-9 * np.maximum(1.0, np.abs(tame).max(axis=0))
        # Where nothing moves, the mean of equal numbers may be off by a rounding; the number itself is exact.
        mean = np.where(moved, tame.mean(axis=0), complete[0])
        return cls(mean=mean, scale=np.where(moved, scale, 1.0), clip=clip)

    def erasing(self, columns: Sequence[int]) -> "Normalizer":
        """The same, but for features of which nothing is said: they are always at their training mean, 0.

        Args:
            columns: of these features.
        """
        scale = self.scale.copy()
        scale[list(columns)] = np.inf  # what is divided by it is 0, and stays NaN in a warm-up
        return Normalizer(self.mean, scale, self.clip)

    def transform(self, values: FloatArray | Float32Array) -> Float32Array:
        """Normalised features, NaN where they were NaN.

        Args:
            values: (..., n_features) raw features.

        Returns:
            Same shape, within ± `clip`. Element by element: a row alone equals that row in a history.

        Raises:
            ShapeError: another number of features than was fitted.

        Known at: the close of the bar each row belongs to.
        """
        if values.shape[-1] != len(self.mean):
            raise ShapeError(f"expected {len(self.mean)} features, got {values.shape[-1]}")
        return np.clip((values - self.mean) / self.scale, -self.clip, self.clip).astype(np.float32)

    def arrays(self) -> dict[str, FloatArray]:
        """The statistics as named arrays, for an `.npz` file."""
        return {"mean": self.mean, "scale": self.scale, "clip": np.array(self.clip)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Normalizer":
        """The inverse of `arrays`."""
        return cls(
            mean=np.asarray(arrays["mean"], dtype=np.float64),
            scale=np.asarray(arrays["scale"], dtype=np.float64),
            clip=float(arrays["clip"]),
        )

"""What the encoder says about a bar, whichever engine evaluated it."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import Float32Array
from agv2.models.config import EncoderConfig

__all__ = ["LEVEL_BANDS", "PATTERNS", "REGIMES", "HeadOutputs", "HeadWidths", "head_widths"]

REGIMES = PATTERNS = 3
LEVEL_BANDS = 16


class HeadWidths(NamedTuple):
    """Numbers that each field of `HeadOutputs` has a bar, in order."""

    embedding: int
    quantiles: int
    regime: int
    pattern: int
    levels: int


def head_widths(encoder: EncoderConfig) -> HeadWidths:
    """What an encoder of these settings says about a bar."""
    return HeadWidths(encoder.embedding_dim, encoder.quantile_outputs, REGIMES, PATTERNS, LEVEL_BANDS)


@dataclass(frozen=True, slots=True)
class HeadOutputs:
    """One row a bar; NaN for bars that have no whole window.

    Attributes:
        embedding: (n_bars, D) float32, scale of one.
        quantiles: (n_bars, horizons × levels) float32, forward returns in σ·√h, horizon by horizon.
        regime_probs: (n_bars, 3) float32, trend, consolidation, volatile.
        pattern_probs: (n_bars, 3) float32, neither, breakout, reversal; of a bar at a level, meaningless elsewhere.
        level_probs: (n_bars, 16) float32, that price turns at each band around the close, lowest first.

    Known at: the close of each bar.
    """

    embedding: Float32Array
    quantiles: Float32Array
    regime_probs: Float32Array
    pattern_probs: Float32Array
    level_probs: Float32Array

    def part(self, bars: slice) -> "HeadOutputs":
        """The same of some of the bars, sharing memory."""
        return HeadOutputs(*(getattr(self, one.name)[bars] for one in fields(self)))

    def after(self, n_bars: int) -> "HeadOutputs":
        """The same after so many bars of which nothing is known."""
        arrays = (getattr(self, one.name) for one in fields(self))
        return HeadOutputs(*(np.pad(one, ((n_bars, 0), (0, 0)), constant_values=np.nan) for one in arrays))

    def rows(self) -> Float32Array:
        """(n_bars, D + horizons × levels + 3 + 3 + 16) all of it, in the order of the fields."""
        return np.concatenate([getattr(self, one.name) for one in fields(self)], axis=1)

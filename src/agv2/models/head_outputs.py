"""What the encoder says about a bar, whichever engine evaluated it."""

from dataclasses import dataclass

from agv2.core.arrays import Float32Array

__all__ = ["HeadOutputs"]


@dataclass(frozen=True, slots=True)
class HeadOutputs:
    """One row a bar; NaN for bars that have no whole window.

    Attributes:
        embedding: (n_bars, D) float32, scale of one.
        quantiles: (n_bars, horizons × levels) float32, forward returns in σ·√h, horizon by horizon.
        regime_probs: (n_bars, 3) float32, trend, consolidation, volatile.

    Known at: the close of each bar.
    """

    embedding: Float32Array
    quantiles: Float32Array
    regime_probs: Float32Array

"""What a decision reads of its market: the newest bar and all that was computed from it and those before."""

from dataclasses import dataclass, field

import numpy as np

from agv2.core.arrays import Float32Array, RecordArray, record_dtype
from agv2.core.bars import Bar
from agv2.features.pipeline import FeatureMatrix
from agv2.risk.level_stop import NearLevels

__all__ = ["MarketView", "near_levels"]


@dataclass(frozen=True, slots=True)
class MarketView:
    """One market at the close of one bar, whatever the book that trades it.

    Known at: the close of `bar`.
    """

    bar: Bar
    volatility: float
    """Causal per-bar volatility, log return, > 0."""
    levels: NearLevels
    market_row: Float32Array
    """(market size,) embedding and head predictions."""
    feature_row: Float32Array = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    """(n_features,) raw, for guards: no decision reads it. Empty where the source keeps none."""


def near_levels(features: FeatureMatrix, bars: slice) -> RecordArray:
    """What the risk layer reads of levels, NaN where none is drawn.

    Args:
        features: of the market.
        bars: which of them.

    Returns:
        (n,) records of `NearLevels`.
    """
    levels = features.levels
    below, above = levels.below[bars], levels.above[bars]
    rows = np.empty(below.size, dtype=record_dtype(NearLevels))
    rows["below"] = np.where(levels.below_strength[bars] > 0.0, below, np.nan)
    rows["above"] = np.where(levels.above_strength[bars] > 0.0, above, np.nan)
    return rows

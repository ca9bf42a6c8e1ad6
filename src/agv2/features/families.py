"""What kinds of features there are, for a reader who asks which kind mattered."""

from collections.abc import Sequence

import numpy as np

from agv2.core.arrays import BoolArray
from agv2.core.errors import InvariantError
from agv2.features.feature_spec import FeatureColumn

__all__ = ["FAMILIES", "family_masks", "family_of_name"]

FAMILIES: tuple[str, ...] = ("returns", "candle shape", "volatility", "clock", "levels", "heat map")
"""Every feature belongs to one of these, whatever the timeframe."""

_FAMILY_OF_PREFIX = {
    "log_return_": "returns",
    "opening_gap": "returns",
    "range": "candle shape",
    "upper_wick": "candle shape",
    "lower_wick": "candle shape",
    "realized_volatility": "volatility",
    "parkinson_volatility": "volatility",
    "average_true_range": "volatility",
    "usual_volatility": "volatility",
    "session_": "clock",
    "time_of_day_": "clock",
    "day_of_week_": "clock",
    "level_": "levels",
    "swing_": "levels",
    "heatmap_": "heat map",
}


def family_of_name(name: str) -> str:
    """The one of `FAMILIES` that a feature or a column of one belongs to: `range` and `range@4h` are of one family.

    Raises:
        InvariantError: a feature was added and its family was not.
    """
    for prefix, family in _FAMILY_OF_PREFIX.items():
        if name.startswith(prefix):
            return family
    raise InvariantError(f"feature {name} belongs to no family; add it to features/families.py")


def family_masks(columns: Sequence[FeatureColumn]) -> dict[str, BoolArray]:
    """Of each family, in the order of `FAMILIES`, (n_features,) which columns belong to it."""
    of_column = np.array([family_of_name(column.name) for column in columns])
    return {family: of_column == family for family in FAMILIES}

"""What a feature declares about itself, and the columns that a timeframe's features become."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from agv2.core.arrays import FloatArray
from agv2.features.feature_inputs import FeatureInputs

__all__ = ["FeatureColumn", "FeatureSpec", "Reads"]


class Reads(Enum):
    """What a feature reads beside the bars of its `lookback`, which lengthens the history that decides it."""

    BARS = "bars"
    """Nothing."""
    SIGMA = "sigma"
    """The volatility that scales it, and whatever that was estimated from."""
    LEVELS = "levels"
    """All pivots in memory, and the volatility at each."""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature: how it is computed and what may be relied on."""

    name: str
    meaning: str
    """What it says, in a line."""
    function: Callable[[FeatureInputs], FloatArray]
    """Gives the same bits for bar t from any history that holds all that bar t's value depends on."""
    lookback: int
    """Base bars that it reads on the base timeframe, the present one included, those behind `reads` apart."""
    unit: str
    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    known_at: str = "the close of the bar"
    reads: Reads = Reads.SIGMA
    on_context: bool = True
    """Whether coarse bars have it too; the clock would only say the same thing again."""

    @property
    def is_heat(self) -> bool:
        """Whether it is a column of the heat map."""
        return self.name.startswith("heatmap_")


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A feature on one timeframe: one column of the matrix."""

    name: str
    spec: FeatureSpec
    timeframe: str
    """Name of the timeframe whose bars it describes."""
    own_lookback: int
    """Bars of that timeframe that it reads itself; fewer than on the base where levels are remembered for less long."""
    lookback: int
    """Base bars that decide its value: the present one and all before it that anything in it reads."""

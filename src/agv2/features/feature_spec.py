"""What a feature declares about itself, and the columns that a timeframe's features become."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from agv2.core.arrays import FloatArray, IntArray

__all__ = ["FeatureColumn", "FeatureInputs", "FeatureSpec"]


class FeatureInputs(NamedTuple):
    """Bars of one timeframe, base or coarse, with the volatilities that scale their features."""

    ts_ns: IntArray
    """(n,) bar opens; of a coarse bar, that of the last base bar inside."""
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    sigma: FloatArray
    """(n,) volatility of one bar of this timeframe, log return."""
    usual_sigma: FloatArray
    """(n,) what `sigma` is compared with: its longer past, or what the base timeframe's implies."""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature: how it is computed and what may be relied on."""

    name: str
    function: Callable[[FeatureInputs], FloatArray]
    """Gives the same bits for bar t from any history that holds all that bar t's value depends on."""
    lookback: int
    """Bars of its own timeframe that it reads, the present one included, those behind `sigma` apart."""
    unit: str
    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    known_at: str = "the close of the bar"
    uses_sigma: bool = True
    on_context: bool = True
    """Whether coarse bars have it too; the clock would only say the same thing again."""


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A feature on one timeframe: one column of the matrix."""

    name: str
    spec: FeatureSpec
    timeframe: str
    """Name of the timeframe whose bars it describes."""
    lookback: int
    """Base bars that decide its value: the present one and all before it that anything in it reads."""

"""Stops that go beyond the nearest level: where price has turned before, it may turn again."""

from typing import NamedTuple

from agv2.core.jit import kernel
from agv2.risk.config import RiskParams

__all__ = ["NearLevels", "stop_units_beyond_level"]


class NearLevels(NamedTuple):
    """The nearest support and resistance at one bar, known at its close; NaN where there is none."""

    below: float
    """Distance down, volatility units, > 0."""
    above: float
    """Distance up, likewise."""


@kernel
def stop_units_beyond_level(side: int, units: float, levels: NearLevels, params: RiskParams) -> float:
    """Distance of a stop that does not lie in front of a near level.

    A stop between the close and a level is hit by the very move that the level is expected to end; beyond the level
    it is hit once the level has failed. Many stops rest just beyond a level and set each other off, hence a margin.
    The chosen distance is the least; a level that would take the stop further than the limit changes nothing, since a
    stop at the limit would be in front of it again.

    Args:
        side: +1 long, -1 short; the level that counts is support for a long, resistance for a short.
        units: distance that the policy chose, volatility units, > 0.
        levels: nearest levels at the decision's bar.
        params: `level_stop_margin_units` beyond the level, at most `level_stop_max_units` from the close.

    Returns:
        Volatility units, >= `units`.

    Known at: the close of the decision's bar.
    Source: Osler (2000), FRBNY Economic Policy Review 6(2), 53-68, for trends being interrupted at published levels;
    Osler (2003), Journal of Finance 58(5), 1791-1819, for stop orders clustered just beyond them.
    """
    distance = (levels.below if side > 0 else levels.above) + params.level_stop_margin_units
    # Both comparisons are false for NaN.
    return distance if units < distance <= params.level_stop_max_units else units

"""Costs that differ from episode to episode, so that a policy cannot rely on one exact number."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from agv2.core.arrays import FloatArray, RecordArray
from agv2.sim.costs import SpreadSource
from agv2.utils.config import Config

__all__ = ["CostRanges", "perturb_costs"]

Multiplier = Annotated[float, Field(ge=0.0, le=10.0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]


class CostRanges(Config):
    """Ranges from which each episode draws, uniformly."""

    half_spread: tuple[Multiplier, Multiplier]
    """Multiplier of the half spread, lowest and highest."""
    slippage: tuple[Multiplier, Multiplier]
    max_latency_bars: Annotated[int, Field(ge=0, le=100)]
    """Latency is a whole number of bars up to this, beyond the market's own."""
    fill: tuple[Share, Share]
    """Multiplier of the largest share of an order that one open fills, lowest and highest."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("half_spread", "slippage", "fill"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be [lowest, highest], got [{low}, {high}]")
        return self


def perturb_costs(costs: RecordArray, ranges: CostRanges, generator: np.random.Generator) -> RecordArray:
    """Costs of one episode each, drawn around `costs`.

    Where the spread is the bar's own, it cannot be scaled here; what the drawn multiplier adds to, or takes from, the
    constant half spread is charged as slippage instead, which is never negative.

    Args:
        costs: (n,) records of `Costs`; left as they are.
        ranges: what to draw from.
        generator: chance; the same number of draws whatever the ranges are.

    Returns:
        (n,) new records of `Costs`.
    """
    n = costs.size
    for_spread, for_slippage = generator.random(n), generator.random(n)
    spread = _within(ranges.half_spread, for_spread)
    slippage = _within(ranges.slippage, for_slippage)
    latency = (_second(for_spread) * (ranges.max_latency_bars + 1)).astype(np.int64)
    drawn = costs.copy()
    own_spread = costs["spread_source"] == SpreadSource.BAR.value
    extra = np.where(own_spread, (spread - 1.0) * costs["half_spread_frac"], 0.0)
    drawn["half_spread_frac"] *= spread
    drawn["slippage_frac"] = np.maximum(costs["slippage_frac"] * slippage + extra, 0.0)
    drawn["latency_bars"] += latency
    drawn["fill_frac"] *= _within(ranges.fill, _second(for_slippage))
    return drawn


def _within(bounds: tuple[float, float], unit: FloatArray) -> FloatArray:
    low, high = bounds
    return low + (high - low) * unit


def _second(unit: FloatArray) -> FloatArray:
    """A second number in [0, 1) out of each draw: the lower 27 of its 53 random bits.

    So what a policy learns does not move when a range that is off is added to those drawn from.
    """
    return unit * 2.0**26 % 1.0

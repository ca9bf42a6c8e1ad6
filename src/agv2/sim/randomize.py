"""Costs that differ from episode to episode, so that a policy cannot rely on one exact number."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from agv2.core.arrays import RecordArray
from agv2.sim.costs import SpreadSource
from agv2.utils.config import Config

__all__ = ["CostRanges", "perturb_costs"]

Multiplier = Annotated[float, Field(ge=0.0, le=10.0)]


class CostRanges(Config):
    """Ranges from which each episode draws, uniformly."""

    half_spread: tuple[Multiplier, Multiplier]
    """Multiplier of the half spread, lowest and highest."""
    slippage: tuple[Multiplier, Multiplier]
    max_latency_bars: Annotated[int, Field(ge=0, le=100)]
    """Latency is a whole number of bars up to this, beyond the market's own."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("half_spread", "slippage"):
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
    spread = generator.uniform(*ranges.half_spread, size=n)
    slippage = generator.uniform(*ranges.slippage, size=n)
    latency = generator.integers(0, ranges.max_latency_bars, size=n, endpoint=True)
    drawn = costs.copy()
    own_spread = costs["spread_source"] == SpreadSource.BAR.value
    extra = np.where(own_spread, (spread - 1.0) * costs["half_spread_frac"], 0.0)
    drawn["half_spread_frac"] *= spread
    drawn["slippage_frac"] = np.maximum(costs["slippage_frac"] * slippage + extra, 0.0)
    drawn["latency_bars"] += latency
    return drawn

"""Spreads that a feed quotes, as far as they can be believed."""

from dataclasses import replace

import numpy as np

from agv2.core.bars import Bars
from agv2.sim.costs import Costs, SpreadSource

__all__ = ["IMPOSSIBLE_SPREAD", "believable_spreads"]

IMPOSSIBLE_SPREAD = 0.05
"""Of the price, of one bar: nobody quotes that, even in a crash."""


def believable_spreads(bars: Bars, costs: Costs) -> Bars:
    """The bars, impossible spreads made unknown where fills pay the bar's own; fills then pay the constant one.

    Args:
        bars: of one market.
        costs: say where spreads come from.
    """
    if costs.spread_source != SpreadSource.BAR:
        return bars
    impossible = bars.spread / bars.close > IMPOSSIBLE_SPREAD
    return replace(bars, spread=np.where(impossible, np.nan, bars.spread))

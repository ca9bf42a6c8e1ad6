"""What a fill costs."""

from enum import IntEnum
from typing import NamedTuple

from agv2.core.bars import Bar
from agv2.core.instruments import Market
from agv2.core.jit import kernel

__all__ = ["Costs", "SpreadSource", "commission", "fill_price", "half_spread_frac"]


class SpreadSource(IntEnum):
    """Where the spread of a bar comes from."""

    CONSTANT = 0
    BAR = 1
    HOURLY = 2


class Costs(NamedTuple):
    """What trading one symbol costs; fractions are of the mid price."""

    half_spread_frac: float
    """Half the spread where no better figure is known."""
    slippage_frac: float
    """Worse than the quote, on market orders and stops; never depends on the return that is traded."""
    commission_frac: float
    commission_per_lot: float
    """Money per lot and fill."""
    financing_long_frac_per_night: float
    """Of notional; negative when received."""
    financing_short_frac_per_night: float
    spread_source: int
    """`SpreadSource`."""
    latency_bars: int
    """Whole bars between an order and the open at which it may fill, beyond the next open."""
    participation_cap: float
    """Largest share of a bar's volume that one order may take; 0 for no cap."""
    fill_frac: float
    """Largest share of an order that one open fills, (0, 1]; a share below the smallest lot fills the order whole."""
    carry_partial: bool
    """Whether what the two left unfilled waits for the next open or is withdrawn."""


@kernel
def half_spread_frac(bar: Bar, costs: Costs) -> float:
    """Half the spread of `bar` as a fraction of its price.

    The constant one, scaled by the hour in which the bar opens where the source says so; the bar's own where the
    source says so and the bar has a usable one.
    """
    if costs.spread_source == SpreadSource.HOURLY.value:
        return costs.half_spread_frac * bar.spread_scale
    if costs.spread_source == SpreadSource.BAR.value and bar.spread > 0.0:  # false for NaN too
        return 0.5 * bar.spread / bar.open
    return costs.half_spread_frac


@kernel
def fill_price(mid: float, side: int, half_spread: float, slippage_frac: float) -> float:
    """Price paid (`side` +1) or received (-1) when the mid is `mid`."""
    return mid * (1.0 + side * (half_spread + slippage_frac))


@kernel
def commission(price: float, units: float, costs: Costs, market: Market) -> float:
    """Commission of one fill of `units` (> 0) at `price`, money."""
    return abs(units) * (price * costs.commission_frac + costs.commission_per_lot / market.contract_size)

"""What can be traded, and the grids on which its prices and quantities live."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from agv2.core.jit import kernel
from agv2.core.timeframes import SessionCalendar

__all__ = ["Instrument", "Market", "round_lots", "round_price"]

_GRID_TOLERANCE = 1e-9  # of one step: 0.3 / 0.1 is 2.9999999999999996


class Market(NamedTuple):
    """Numbers of an instrument that kernels need."""

    contract_size: float
    """Units per lot, > 0."""
    lot_step: float
    """Smallest change of a quantity in lots, > 0."""
    min_lot: float
    max_lot: float
    tick_size: float
    """Smallest price step; 0 when prices are continuous."""
    leverage: float
    """Largest notional per unit of equity that the venue's margin allows, > 0."""
    stop_out_frac: float
    """Share of a position's margin (notional / leverage) at which equity is too little to keep it; 0 for never."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A tradable symbol with its market's facts."""

    symbol: str
    asset_class: str
    price_side: str
    currency: str
    market: Market
    calendar: SessionCalendar
    volume_in_base_units: bool


@kernel
def round_price(price: float, tick_size: float) -> float:
    """Nearest price on the tick grid; `price` itself when `tick_size` is 0."""
    if tick_size <= 0.0:
        return price
    return math.floor(price / tick_size + 0.5) * tick_size


@kernel
def round_lots(units: float, market: Market) -> float:
    """Units on the lot grid, rounded towards zero; 0 below the smallest lot, cut at the largest.

    Args:
        units: signed base units.
        market: contract size and lot grid.

    Returns:
        Signed base units, never more than asked for in magnitude.
    """
    lots = math.floor(abs(units) / (market.contract_size * market.lot_step) + _GRID_TOLERANCE) * market.lot_step
    lots = min(lots, market.max_lot)
    if lots < market.min_lot - _GRID_TOLERANCE * market.lot_step:
        return 0.0
    return math.copysign(lots * market.contract_size, units)

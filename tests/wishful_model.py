"""Who sees and decides where no network shall: a constant wish, through the real planner and its limits."""

import math
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import Float32Array
from agv2.core.bars import Bar, Bars
from agv2.core.errors import DataError
from agv2.core.instruments import Market
from agv2.core.timeframes import SessionCalendar
from agv2.decision.decider import Decider, PolicyOutput
from agv2.decision.market_view import MarketView
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels
from agv2.sim.costs import Costs
from tests.tapes import costs, limits

__all__ = ["FLAT", "LONG", "MARKET", "SHORT", "UTC", "VOLATILITY", "Wish", "WishfulModel", "limits_of"]

MARKET = Market(10.0, 0.01, 0.01, 100.0, 0.01, 20.0, 0.0)
UTC = SessionCalendar(0, "UTC", 365.0, None, True)
VOLATILITY = 1e-3

Wish = tuple[int, int, int, int]
"""Choices of position, size, stop and target."""

FLAT, LONG, SHORT = 0, 1, 2


def limits_of(daily_loss_frac: float) -> RiskParams:
    """A full-size position is worth a tenth of the money; a stop follows 3 volatilities behind the price."""
    return limits(
        target_volatility=0.1 * VOLATILITY, daily_loss_frac=daily_loss_frac, drawdown_frac=0.9, trailing_units=3.0
    )


@dataclass(frozen=True, slots=True)
class _Constant:
    wish: Wish

    def act(self, observations: Float32Array) -> PolicyOutput:
        n = len(observations)
        return PolicyOutput(np.tile(np.array(self.wish, dtype=np.int64), (n, 1)), np.full(n, 0.5), np.zeros(n))


@dataclass(frozen=True, slots=True)
class WishfulModel:
    """Wants the same thing at every bar."""

    wish: Wish
    params: RiskParams
    bars_needed: int = 3

    @property
    def decider(self) -> Decider:
        return Decider(_Constant(self.wish), self.params, MARKET)

    @property
    def costs(self) -> Costs:
        return costs(half_spread_frac=1e-4)

    def read(self, bars: Bars) -> list[Bar]:
        return [Bar(*record.item()) for record in bars.records(UTC)]

    def view(self, bars: Bars) -> MarketView:
        if len(bars) < self.bars_needed:
            raise DataError(f"{len(bars)} bars, {self.bars_needed} are needed")
        row = np.log(bars.close[-2:] / bars.close[-3:-1]).astype(np.float32)
        return MarketView(self.read(bars.slice(len(bars) - 2, len(bars)))[-1], VOLATILITY, _NO_LEVELS, row, row)


_NO_LEVELS = NearLevels(math.nan, math.nan)

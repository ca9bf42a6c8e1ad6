"""Everything about one market that a simulation reads, bar by bar, prepared once."""

from dataclasses import dataclass

from agv2.core.arrays import Float32Array, FloatArray, RecordArray
from agv2.core.bars import Bar
from agv2.core.errors import ShapeError
from agv2.core.instruments import Market
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels
from agv2.sim.costs import Costs

__all__ = ["MarketTape"]


@dataclass(frozen=True, slots=True)
class MarketTape:
    """Bars of one symbol with what the policy and the kernels need at each.

    Raises:
        ShapeError: the parts differ in length.
    """

    symbol: str
    bars: RecordArray
    """(n_bars,) records of `Bar`."""
    volatility: FloatArray
    """(n_bars,) causal per-bar volatility; NaN where it is not known yet."""
    levels: RecordArray
    """(n_bars,) records of `NearLevels`."""
    market_rows: Float32Array
    """(n_bars, market size) embedding and head predictions."""
    market: Market
    params: RiskParams
    costs: Costs

    def __post_init__(self) -> None:
        if not self.bars.size == self.volatility.size == self.levels.size == len(self.market_rows):
            raise ShapeError(
                f"{self.symbol}: {self.bars.size} bars, {self.volatility.size} volatilities, "
                f"{self.levels.size} pairs of levels, {len(self.market_rows)} market rows"
            )

    def bar(self, index: int) -> Bar:
        """The bar at `index`."""
        return Bar(*self.bars[index].item())

    def levels_at(self, index: int) -> NearLevels:
        """The nearest levels at bar `index`."""
        return NearLevels(*self.levels[index].item())

    def slice(self, low: int, high: int) -> "MarketTape":
        """The same market from bar `low` up to but not including `high`, sharing memory."""
        return MarketTape(
            self.symbol,
            self.bars[low:high],
            self.volatility[low:high],
            self.levels[low:high],
            self.market_rows[low:high],
            self.market,
            self.params,
            self.costs,
        )

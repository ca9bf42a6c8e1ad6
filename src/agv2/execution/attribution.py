"""Where the money came from, counted as it is made: the market, the timing, the costs, and fills unlike the model's."""

from collections.abc import Sequence
from dataclasses import dataclass

from agv2.core.bars import Bar
from agv2.core.orders import FillReason
from agv2.execution.broker_messages import BrokerFill
from agv2.sim.costs import Costs, fill_price, half_spread_frac

__all__ = ["Attribution", "OnlineAttribution"]

_AT_STOP = (FillReason.STOP_LOSS.value, FillReason.TRAILING.value)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Parts of the change of equity since the start; they add up to it. Account currency."""

    n_bars: int
    n_fills: int
    market: float
    """What the average position, held throughout, would have earned."""
    timing: float
    """What being in more at one time and less at another added; at mid prices."""
    costs: float
    """Half spread, slippage and commission as the model has them, <= 0 but for targets."""
    beyond_model: float
    """What fills paid beyond the model's prices and commissions; negative: they were worse."""
    other: float
    """Financing, and whatever else the venue booked."""

    @property
    def total(self) -> float:
        """Change of equity."""
        return self.market + self.timing + self.costs + self.beyond_model + self.other


class OnlineAttribution:
    """Accumulates bar by bar.

    The price part of every bar is what was held through it, and what fills added between their mid price and the
    bar's close. Where a venue does not say at which mid it filled, that is the model's: the bar's open, or the level
    of the stop or target.

    Args:
        costs: the model's.
        equity: at the start.
        close: at the start; the market part counts from it.
    """

    def __init__(self, costs: Costs, equity: float, close: float) -> None:
        self._costs, self._equity, self._first_close = costs, equity, close
        self._last_equity, self._last_close = equity, close
        self._n_bars = self._n_fills = 0
        self._unit_bars = self._priced = self._spent = self._beyond = 0.0

    def observe(
        self, bar: Bar, units_before: float, stop_loss: float, take_profit: float, fills: Sequence[BrokerFill],
        equity: float,
    ) -> None:  # fmt: skip
        """Count one bar.

        Args:
            bar: that closed.
            units_before: held when it opened.
            stop_loss: in force when it opened, 0 for none.
            take_profit: likewise.
            fills: in it, in order.
            equity: at its close.
        """
        units = units_before
        self._priced += units_before * (bar.close - self._last_close)
        for fill in fills:
            mid, modelled = self._modelled(fill, bar, stop_loss, take_profit)
            signed = fill.side * fill.units
            units += signed
            fee = 0.0 if fill.commission is None else fill.commission
            own_fee = fill.units * modelled * self._costs.commission_frac if fill.mid is None else fee
            self._priced += signed * (bar.close - mid)
            self._spent -= signed * (modelled - mid) + own_fee
            self._beyond -= signed * (fill.price - modelled) + (fee - own_fee if fill.commission is not None else 0.0)
            self._n_fills += 1
        self._unit_bars += units_before
        self._n_bars += 1
        self._last_close, self._last_equity = bar.close, equity

    def _modelled(self, fill: BrokerFill, bar: Bar, stop_loss: float, take_profit: float) -> tuple[float, float]:
        """Mid price and price of a fill as the simulator would have had them."""
        if fill.mid is not None:
            return fill.mid, fill.price
        half_spread = half_spread_frac(bar, self._costs)
        if fill.reason == FillReason.TAKE_PROFIT.value and take_profit > 0.0:
            return take_profit / (1.0 + fill.side * half_spread), take_profit
        mid = bar.open
        if fill.reason in _AT_STOP and stop_loss > 0.0:
            mid = min(stop_loss, bar.open) if fill.side < 0 else max(stop_loss, bar.open)
        return mid, fill_price(mid, fill.side, half_spread, self._costs.slippage_frac)

    @property
    def so_far(self) -> Attribution:
        """The parts now."""
        mean_units = self._unit_bars / self._n_bars if self._n_bars else 0.0
        market = mean_units * (self._last_close - self._first_close)
        explained = self._priced + self._spent + self._beyond
        return Attribution(
            n_bars=self._n_bars,
            n_fills=self._n_fills,
            market=market,
            timing=self._priced - market,
            costs=self._spent,
            beyond_model=self._beyond,
            other=self._last_equity - self._equity - explained,
        )

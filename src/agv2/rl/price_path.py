"""What every position would have earned at every bar: prices do not depend on what an account does."""

import numpy as np

from agv2.backtest.records import read_bar
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray, RecordArray
from agv2.core.instruments import Market
from agv2.core.jit import kernel
from agv2.risk.config import RiskParams
from agv2.sim.costs import Costs, commission, half_spread_frac

__all__ = ["PATH_FIELDS", "price_path"]

PATH_FIELDS: tuple[str, ...] = ("gap", "body", "turn", "long_nights", "short_nights")
"""Columns of a price path, of a full-size position, in targeted per-bar volatilities of equity: what a long earns from
the close to the next open and from there to the next close, what a unit of turning costs, and each side's financing."""


def price_path(tape: MarketTape) -> FloatArray:
    """(n_bars, 5) `PATH_FIELDS` of the bar after each, for whoever decides at its close.

    The position is taken as sized anew at each bar by its volatility, within the exposure cap and the leverage, and
    as without stop and target. Zeros where volatility is unknown, and at the last bar.

    Args:
        tape: the market with its own costs.

    Known at: the close of the bar after.
    """
    path = np.zeros((tape.bars.size, len(PATH_FIELDS)))
    _fill_path(path, tape.bars, tape.volatility, tape.costs, tape.params, tape.market)
    return path


@kernel
def _fill_path(
    path: FloatArray, bars: RecordArray, volatility: FloatArray, costs: Costs, params: RiskParams, market: Market
) -> None:
    for t in range(bars.size - 1):
        if not volatility[t] > 0.0:
            continue
        exposure = min(params.target_volatility / volatility[t], params.max_exposure, market.leverage)
        size = exposure / params.target_volatility
        close, bar = bars[t]["close"], read_bar(bars, t + 1)
        path[t, 0] = size * (bar.open - close) / close
        path[t, 1] = size * (bar.close - bar.open) / close
        worse = half_spread_frac(bar, costs) + costs.slippage_frac
        path[t, 2] = size * (bar.open * worse + commission(bar.open, 1.0, costs, market)) / close
        paid = size * bar.nights * bar.open / close
        path[t, 3] = paid * costs.financing_long_frac_per_night
        path[t, 4] = paid * costs.financing_short_frac_per_night

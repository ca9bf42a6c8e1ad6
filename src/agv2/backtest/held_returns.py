"""What a replayed policy earned on the notional that it held, bar by bar."""

from collections.abc import Sequence

import numpy as np

from agv2.backtest.replay import ReplayResult
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray
from agv2.core.orders import FillReason

__all__ = ["held_returns"]

_AT_THE_OPEN = (FillReason.ENTRY, FillReason.EXIT, FillReason.REVERSE, FillReason.RISK)


def held_returns(result: ReplayResult, tapes: Sequence[MarketTape]) -> FloatArray:
    """Returns per bar on the notional, after all costs, in volatilities of one bar.

    The notional of a bar is the larger of what was held into it and what was held after its open, so that the cost of
    leaving a position belongs to that position.

    Args:
        result: of `replay` on `tapes`.
        tapes: the markets; their volatility is finite.

    Returns:
        (n_stamps, n_markets) on the merged clock; NaN where nothing was held. The volatility is that at the close
        before.

    Known at: the close of each bar.
    """
    stamps = np.unique(np.concatenate([tape.bars["ts_ns"] for tape in tapes]))
    returns = np.full((stamps.size, len(tapes)), np.nan)
    for market, tape in enumerate(tapes):
        rows = [row for row in result.equity if row.symbol == tape.symbol]
        equity, units = np.array([row.equity for row in rows]), np.array([row.units for row in rows])
        bars, before = tape.bars[1:], units[:-1]
        opened = np.zeros(bars.size)
        for symbol, fill in result.fills:
            if symbol == tape.symbol and fill.reason in _AT_THE_OPEN:
                bar = int(np.searchsorted(bars["ts_ns"], fill.ts_ns))
                opened[bar] = abs(before[bar] + fill.side * fill.units) * fill.price
        notional = np.maximum(np.abs(before) * tape.bars["close"][:-1], opened)
        held = notional > 0.0
        earned = np.diff(equity)[held] / notional[held] / tape.volatility[:-1][held]
        returns[np.searchsorted(stamps, bars["ts_ns"][held]), market] = earned
    return returns

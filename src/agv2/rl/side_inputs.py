"""What choosing a side rests on: forecasts, and what each side would have earned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray, IntArray
from agv2.rl.expected_path import RowColumns, forecasts
from agv2.rl.price_path import price_path

__all__ = ["SideInputs", "side_inputs"]


@dataclass(frozen=True, slots=True)
class SideInputs:
    """All bars of all markets, one after another."""

    paths: FloatArray
    """(n, 5) `price_path`."""
    predicted: FloatArray
    """(n, k) `forecasts`; NaN where nothing is known."""
    starts: IntArray
    """(n_tapes,) where each market begins."""


def side_inputs(tapes: Sequence[MarketTape], columns: RowColumns | None = None) -> SideInputs:
    """Prepare `tapes`.

    Args:
        tapes: the markets.
        columns: of their market rows; None: each is a forecast.
    """
    starts = np.concatenate([[0], np.cumsum([tape.bars.size for tape in tapes])[:-1]]).astype(np.int64)
    return SideInputs(
        np.concatenate([price_path(tape) for tape in tapes]),
        np.concatenate([forecasts(tape.market_rows, columns or RowColumns()) for tape in tapes]),
        starts,
    )

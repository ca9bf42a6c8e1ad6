"""What a step is worth, computed from the step ledger and from nothing else."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, RecordArray
from agv2.rl.config import RewardWeights

__all__ = ["RUIN_FLOOR", "RewardTerms", "reward"]

RUIN_FLOOR = 1e-3
"""A bar leaves at least this fraction of equity as the reward sees it: ruin costs log(1000), not infinity."""


class RewardTerms(NamedTuple):
    """The reward of each book and what it is made of; `total` is the sum of the others."""

    log_equity: FloatArray
    """log(equity after / before), net of every cost; >= log(RUIN_FLOOR)."""
    drawdown: FloatArray
    """<= 0: growth of the episode's worst drawdown, weighted."""
    trades: FloatArray
    """<= 0: whether anything was filled, weighted."""
    hold: FloatArray
    """<= 0: exposure, weighted."""
    total: FloatArray


def reward(ledger: RecordArray, weights: RewardWeights) -> RewardTerms:
    """Reward of one step of every book, in log-return units; `weights.scale` is the caller's to apply.

    log(equity' / equity) − λ_drawdown · Δ worst drawdown − λ_trades · 1{trade} − λ_hold · exposure. Equity is net of
    all costs, so each is counted once.

    Args:
        ledger: (n_books,) records of `StepLedger`.
        weights: the lambdas.

    Returns:
        (n_books,) arrays, all finite.
    """
    before, worst_before = _column(ledger, "equity_before"), _column(ledger, "worst_drawdown_before")
    kept = np.maximum(_column(ledger, "equity_after"), RUIN_FLOOR * before)
    log_equity: FloatArray = np.log(kept / before)
    drawdown = -weights.lambda_drawdown * (_column(ledger, "worst_drawdown_after") - worst_before)
    trades: FloatArray = np.where(ledger["fills"] > 0, -weights.lambda_trades, 0.0)
    hold = -weights.lambda_hold * _column(ledger, "exposure")
    return RewardTerms(log_equity, drawdown, trades, hold, log_equity + drawdown + trades + hold)


def _column(ledger: RecordArray, name: str) -> FloatArray:
    column: FloatArray = ledger[name]
    return column

"""How well a policy trades a stretch of bars, by the batch simulator."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.backtest.simulator import BatchSimulator
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray
from agv2.decision.decider import Policy
from agv2.rl.episodes import Span, require_spans
from agv2.rl.rewards import RUIN_FLOOR

__all__ = ["SpanScore", "score_policy"]


class SpanScore(NamedTuple):
    """One policy on some spans, all bars of all accounts taken together."""

    sharpe_per_bar: float
    """Mean over standard deviation of the per-bar log returns of equity; 0 for a policy that never trades."""
    log_growth: float
    """Log of final over initial equity, mean over accounts."""
    worst_drawdown: float
    """Largest of any account."""
    fills: int


def score_policy(
    tapes: Sequence[MarketTape], spans: Sequence[Span], policy: Policy, initial_equity: float
) -> SpanScore:
    """Trade every span once, each from a flat account at its market's own costs.

    Args:
        tapes: the markets.
        spans: bars to trade; an account ends with its span or its ruin.
        policy: answers without randomness.
        initial_equity: money in each account.

    Raises:
        DataError: a span cannot be traded on.
    """
    require_spans(tapes, spans)
    markets, first, last = np.array(spans, dtype=np.int64).T
    books = np.arange(len(spans))
    simulator = BatchSimulator(tapes, len(spans), initial_equity)
    simulator.reset(books, markets, first, last)
    running = np.ones(len(spans), dtype=np.bool_)
    returns: list[FloatArray] = []
    fills, drawdown = 0, 0.0
    while running.any():
        ledger = simulator.step(policy.act(simulator.observations).actions)
        lived = ledger[running]
        returns.append(np.log(np.maximum(lived["equity_after"] / lived["equity_before"], RUIN_FLOOR)))
        fills += int(lived["fills"].sum())
        drawdown = max(drawdown, float(lived["worst_drawdown_after"].max()))
        ended = ledger["truncated"] | ledger["terminated"]
        if ended.any():
            running &= ~ended
            idle = books[ended]  # stepped on with the others, so keep them where there are bars
            simulator.reset(idle, markets[idle], first[idle], last[idle])
    pooled = np.concatenate(returns)
    spread = float(pooled.std())
    sharpe = float(pooled.mean()) / spread if spread > 0.0 else 0.0
    growth = math.fsum(pooled.tolist()) / len(spans)
    return SpanScore(sharpe, growth, drawdown, fills)

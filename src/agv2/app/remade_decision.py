"""The decision to enter a trade, taken again by the models that took it, on the bars that they saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from agv2.app.entry_saliency import DecisionInputs, decision_inputs, side_odds
from agv2.app.finished_run import fold_models, reopen, sized_as_traded
from agv2.app.fold_tapes import unseen_tapes
from agv2.app.fold_training import FoldEncoder
from agv2.app.market_preparation import PreparedMarket
from agv2.app.run_plan import RunPlan
from agv2.backtest.replay import replay
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.tape import MarketTape
from agv2.backtest.trades import Trade
from agv2.core.errors import DataError
from agv2.decision.decider import Decision
from agv2.models.policy import PolicyNetwork
from agv2.models.side_odds import SideOdds
from agv2.rl.policy_adapter import TorchPolicy

__all__ = ["RemadeDecision", "remake_decision"]

_SHORTEST = 3  # bars that a replay asks for
_RELATIVE = 1e-6


@dataclass(frozen=True, slots=True)
class RemadeDecision:
    """A decision with everything that it was made from."""

    plan: RunPlan
    market: PreparedMarket
    tape: MarketTape
    """The fold's test bars up to the one after the decision."""
    bar: int
    """Index of the decision's bar among the market's."""
    decision: Decision
    equity: float
    """Of the book at the decision."""
    encoder: FoldEncoder
    policy: PolicyNetwork

    @property
    def odds(self) -> SideOdds:
        """Log-odds of the side that was wished for."""
        return side_odds(self.market, self.encoder, self.policy, self.decision.action.side)

    @property
    def inputs(self) -> DecisionInputs:
        """The window, and the state of the book."""
        return decision_inputs(self.market, self.encoder, self.bar, self.decision)


def remake_decision(run_dir: Path, record: RunRecord, trade: Trade, bars: Sequence[Path] = ()) -> RemadeDecision:
    """Replay the trade's fold up to its entry, and hold the decision against the one that was stored.

    Args:
        run_dir: of the finished run.
        record: what it wrote down.
        trade: of the run.
        bars: as for `reopen`.

    Raises:
        ConfigError, DataError: bars or models are gone or others, or this version decides otherwise.
    """
    plan = reopen(run_dir, record, bars)
    encoder, policy = fold_models(run_dir, plan, trade.fold)
    folds = [folds[trade.fold - 1] for folds in plan.folds]
    whole = sized_as_traded(run_dir, plan, trade.fold, unseen_tapes(plan, folds, encoder, lambda _: None))
    # One bar more than the decision's: the last bar of a tape decides nothing.
    tapes = [tape.slice(0, max(int((tape.bars["ts_ns"] <= trade.decided_ns).sum()) + 1, _SHORTEST)) for tape in whole]
    rows = record.rows.equity.filter(pl.col("fold") == trade.fold)
    money = [float(rows.filter(symbol=tape.symbol)["equity"][0]) for tape in tapes]
    result = replay(tapes, TorchPolicy(policy), money)
    found = [one for one in result.decisions if one[0] == trade.symbol and one[2].ts_ns == trade.decided_ns]
    if not found:
        raise _otherwise(run_dir, record)
    _, index, decision = found[0]
    _require_as_stored(run_dir, record, trade, decision)
    place = [market.bars.symbol for market in plan.markets].index(trade.symbol)
    equity = next(row.equity for row in result.equity if (row.symbol, row.ts_ns) == (trade.symbol, trade.decided_ns))
    return RemadeDecision(
        plan, plan.markets[place], tapes[place], folds[place].test_lo + index, decision, equity, encoder, policy
    )


def _require_as_stored(run_dir: Path, record: RunRecord, trade: Trade, decision: Decision) -> None:
    key = (pl.col("fold") == trade.fold) & (pl.col("ts").dt.epoch("ns") == trade.decided_ns)
    stored = record.rows.decisions.filter(key, symbol=trade.symbol).row(0, named=True)
    plan = decision.plan
    ours = [plan.side, plan.stop_loss, plan.take_profit, plan.after_units]
    theirs = [stored[name] for name in ("position", "stop", "target", "order_after_units")]
    if not np.allclose(ours, theirs, rtol=_RELATIVE, atol=0.0):
        raise _otherwise(run_dir, record)


def _otherwise(run_dir: Path, record: RunRecord) -> DataError:
    code = record.provenance.get("code", {})
    made_by = f"AGV2 {code.get('version', 'unknown')}" + (
        f", commit {code['commit'][:12]}" if code.get("commit") else ""
    )
    return DataError(
        f"{run_dir}: taken again, the decision is another than the one stored, so it cannot be explained; the run was "
        f"made by {made_by}: explain it with that version, or run again"
    )

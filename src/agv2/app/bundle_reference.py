"""What goes into a bundle for its guards: distributions of the training bars, and of the account out of sample."""

import polars as pl

from agv2.app.run_plan import RunPlan
from agv2.backtest.evaluation import Evaluation
from agv2.backtest.run_files import RunRows
from agv2.core.arrays import FloatArray
from agv2.deploy.drift_reference import feature_reference
from agv2.models.feature_reference import FeatureReference
from agv2.models.live_reference import LiveReference

__all__ = ["live_reference"]

ENTROPY = "policy_entropy"
_LEAST_ROWS = 100


def live_reference(plan: RunPlan, rows: RunRows | None = None, found: Evaluation | None = None) -> LiveReference:
    """The reference of the bundle that `plan` ends with.

    Args:
        plan: the run; the features are those of the bars that the bundle's models are trained on.
        rows: stitched tables out of sample; None where nothing was traded.
        found: measures of the same.
    """
    return LiveReference(
        features=_features(plan),
        entropy={} if rows is None else _entropies(plan, rows),
        daily_returns={} if found is None else _daily_returns(found),
    )


def _features(plan: RunPlan) -> dict[str, FeatureReference]:
    whole = plan.profile.bundle == "retrain"
    memory_days = plan.settings.guards.drift.memory_days
    found = {}
    for market, folds in zip(plan.markets, plan.folds, strict=True):
        low = max(folds[0].train_lo if whole else folds[-1].train_lo, market.features.warmup)
        high = len(market.bars) if whole else folds[-1].train_hi
        days = market.instrument.calendar.trading_days(market.bars.ts_ns[low:high])
        names = tuple(column.name for column in market.features.columns)
        found[market.bars.symbol] = feature_reference(market.features.values[low:high], days, names, memory_days)
    return found


def _entropies(plan: RunPlan, rows: RunRows) -> dict[str, FeatureReference]:
    """One column a symbol; halted decisions are left out, since their choice is forced."""
    found = {}
    for market in plan.markets:
        symbol = market.bars.symbol
        halted = rows.equity.filter((pl.col("symbol") == symbol) & pl.col("halted"))["ts"]
        own = rows.decisions.filter((pl.col("symbol") == symbol) & ~pl.col("ts").is_in(halted.implode()))
        if len(own) < _LEAST_ROWS:
            continue
        days = market.instrument.calendar.trading_days(own["ts"].dt.epoch("ns").to_numpy())
        values = own["entropy"].to_numpy()[:, None]
        found[symbol] = feature_reference(values, days, (ENTROPY,), plan.settings.guards.entropy.memory_days)
    return found


def _daily_returns(found: Evaluation) -> dict[str, FloatArray]:
    returns = {symbol: measured.returns for symbol, measured in found.per_symbol.items()}
    return returns if len(returns) == 1 else {**returns, "ACCOUNT": found.oos.returns}

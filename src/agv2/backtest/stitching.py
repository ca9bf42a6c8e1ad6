"""From replayed folds to the tables of one stitched account."""

from collections.abc import Mapping, Sequence

import polars as pl

from agv2.backtest.replay import EquityRow, ReplayResult
from agv2.backtest.run_files import RunRows
from agv2.core.arrays import FloatArray
from agv2.core.orders import Fill
from agv2.decision.planner import PlanReason

__all__ = ["account_rows", "fold_rows", "stitch"]

_REASONS = {reason.value: reason.name.lower() for reason in PlanReason}


def fold_rows(fold: int, result: ReplayResult, regimes: Mapping[str, FloatArray]) -> RunRows:
    """Tables of one fold.

    Args:
        fold: its number.
        result: what the replay left.
        regimes: per symbol (n_bars, 3) probabilities of trend, consolidation and volatile at each bar of its tape.

    Returns:
        Rows with an `ACCOUNT` where there are several symbols; drawdown is the fold's own until it is stitched.
    """
    symbols = list(dict.fromkeys(row.symbol for row in result.equity))
    decisions = []
    size_in_force = dict.fromkeys(symbols, 0.0)
    for symbol, index, decision in result.decisions:
        plan = decision.plan
        if plan.side == 0:
            size_in_force[symbol] = 0.0
        elif plan.order.units != 0.0:  # size is read when a position opens or turns
            size_in_force[symbol] = decision.action.size_frac
        trend, consolidation, volatile = (float(p) for p in regimes[symbol][index])
        decisions.append(
            (
                fold, symbol, decision.ts_ns, plan.side, size_in_force[symbol],
                plan.stop_loss, plan.take_profit, decision.entropy, decision.value, trend, consolidation, volatile,
                plan.before_units, plan.after_units, _REASONS[plan.reason],
            )
        )  # fmt: skip
    columns = (
        "fold", "symbol", "ts", "position", "size", "stop", "target", "entropy", "value", "p_trend",
        "p_consolidation", "p_volatile", "order_before_units", "order_after_units", "reason",
    )  # fmt: skip
    return RunRows.of(
        _fills_frame(fold, result.fills),
        _with_account(_equity_frame(fold, result.equity)),
        pl.DataFrame(decisions, schema=list(columns), orient="row"),
    )


def account_rows(fills: Sequence[tuple[str, Fill]], equity: Sequence[EquityRow]) -> RunRows:
    """Tables of an account that follows no policy, such as a baseline's.

    Args:
        fills: of every book.
        equity: of every book, each in order of time.

    Returns:
        Rows with fold 0, and an `ACCOUNT` summed over the merged clock where there are several symbols.
    """
    return RunRows.of(_fills_frame(0, fills), _with_account(_equity_frame(0, equity)))


def stitch(folds: Sequence[RunRows]) -> RunRows:
    """One account from its folds: order ids made unique, drawdown taken over the whole curve."""
    fills, used = [], 0
    for rows in folds:
        numbered = rows.fills.with_columns(order_id=pl.col("order_id") + used)
        fills.append(numbered)
        used = max([used, *numbered["order_id"].to_list()])
    return RunRows.of(
        pl.concat(fills),
        _with_drawdown(pl.concat([rows.equity for rows in folds])),
        pl.concat([rows.decisions for rows in folds]),
    )


def _fills_frame(fold: int, fills: Sequence[tuple[str, Fill]]) -> pl.DataFrame:
    rows = [
        (
            fold, symbol, int(fill.ts_ns), int(fill.side), float(fill.units), float(fill.price), float(fill.mid),
            float(fill.commission), int(fill.reason), int(fill.order_id), int(fill.decided_ns),
        )
        for symbol, fill in fills
    ]  # fmt: skip
    columns = [
        "fold", "symbol", "ts", "side", "units", "price", "mid", "commission", "reason", "order_id", "decided_ts",
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=columns, orient="row")


def _equity_frame(fold: int, rows: Sequence[EquityRow]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "fold": [fold] * len(rows),
            "symbol": [row.symbol for row in rows],
            "ts": [int(row.ts_ns) for row in rows],
            "equity": [float(row.equity) for row in rows],
            "cash": [float(row.cash) for row in rows],
            "units": [float(row.units) for row in rows],
            "financing": [float(row.financing) for row in rows],
            "halted": [bool(row.halted) for row in rows],
        }
    )


def _with_account(frame: pl.DataFrame) -> pl.DataFrame:
    """Equity rows with those of `ACCOUNT` where there are several symbols, and the drawdown of each."""
    several = frame["symbol"].n_unique() > 1
    return _with_drawdown(pl.concat([frame, _summed(frame)]) if several else frame)


def _summed(frame: pl.DataFrame) -> pl.DataFrame:
    """`ACCOUNT` rows: sums over the books' latest rows, financing over the rows at the stamp itself."""
    clock = frame.select("ts").unique().sort("ts")
    total = clock.with_columns(equity=pl.lit(0.0), cash=pl.lit(0.0))
    for _, book in frame.group_by("symbol", maintain_order=True):
        latest = clock.join_asof(book.sort("ts").select("ts", "equity", "cash"), on="ts", strategy="backward")
        first = book.sort("ts").row(0, named=True)
        total = total.with_columns(
            equity=total["equity"] + latest["equity"].fill_null(first["equity"]),
            cash=total["cash"] + latest["cash"].fill_null(first["cash"]),
        )
    financing = frame.group_by("ts").agg(pl.col("financing").sum(), pl.col("halted").any())
    return (
        total.join(financing, on="ts", how="left", maintain_order="left")
        .with_columns(fold=pl.lit(frame["fold"][0], dtype=pl.Int64), symbol=pl.lit("ACCOUNT"), units=pl.lit(0.0))
        .select(frame.columns)
    )


def _with_drawdown(frame: pl.DataFrame) -> pl.DataFrame:
    peak = pl.col("equity").cum_max().over("symbol")
    return frame.with_columns(drawdown=(1.0 - pl.col("equity") / peak))

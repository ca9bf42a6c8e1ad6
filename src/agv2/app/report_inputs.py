"""Tables that only the report reads: what each fold did, baselines, costs, intervals, error rates."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from agv2.app.fold_walk import Walked
from agv2.app.run_plan import RunPlan
from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.evaluation import Evaluation, evaluate
from agv2.backtest.judgement import Judgement
from agv2.backtest.rule_rates import EDGES_ANNUAL_SHARPE
from agv2.backtest.run_files import RunRows
from agv2.backtest.truth_rates import false_alarms
from agv2.backtest.verdict import MIN_DAYS

__all__ = ["write_fold_facts", "write_report_inputs"]


def write_report_inputs(
    plan: RunPlan,
    stitched: RunRows,
    found: Evaluation,
    baseline_rows: Mapping[str, RunRows],
    judgement: Judgement,
) -> None:
    """Tables that only the report reads."""
    folder = plan.request.out / "folds" / "report"
    folder.mkdir(parents=True, exist_ok=True)
    curves = [
        each.equity.select(pl.lit(name).alias("name"), "symbol", "ts", "equity") for name, each in baseline_rows.items()
    ]
    _write_parquet(folder / "baselines.parquet", pl.concat(curves))
    bars = []
    for market, folds in zip(plan.markets, plan.folds, strict=True):
        last = market.bars.slice(folds[-1].test_lo, folds[-1].test_hi)
        bars.append(
            pl.DataFrame(
                {
                    "symbol": [market.bars.symbol] * len(last),
                    "ts": pl.Series(last.ts_ns // 1000).cast(pl.Datetime("us", "UTC")),
                    "open": last.open, "high": last.high, "low": last.low, "close": last.close,
                }
            )
        )  # fmt: skip
    _write_parquet(folder / "last_fold_bars.parquet", pl.concat(bars))
    _write_json(folder / "costs.json", _costs(plan, stitched, found))
    _write_json(folder / "intervals.json", judgement.intervals.as_json())
    _write_json(folder / "trials.json", {"dsr_effective": _known(judgement.dsr_effective)})
    _write_json(folder / "error_rates.json", {"rates": _error_rates(judgement, found.oos.days.size)})


def write_fold_facts(plan: RunPlan, walked: Walked) -> None:
    """Write `folds/K/fold.json`: when each fold trained and traded, how it ended, what its models were worth."""
    calendars = {market.bars.symbol: market.instrument.calendar for market in plan.markets}
    for number, (table, fact) in enumerate(zip(walked.rows, walked.facts, strict=True), start=1):
        report = evaluate(table, calendars).oos.report
        own = [(market, folds[number - 1]) for market, folds in zip(plan.markets, plan.folds, strict=True)]
        per_year = math.sqrt(max(market.bars_per_year for market, _ in own))
        document = {
            "fold": number,
            "symbols": [market.bars.symbol for market, _ in own],
            "train_from": _iso(min(int(market.bars.ts_ns[fold.train_lo]) for market, fold in own)),
            "train_to": _iso(max(int(market.bars.ts_ns[fold.train_hi - 1]) for market, fold in own)),
            "test_from": _iso(min(int(market.bars.ts_ns[fold.test_lo]) for market, fold in own)),
            "test_to": _iso(max(int(market.bars.ts_ns[fold.test_hi - 1]) for market, fold in own)),
            **{key: report.values()[key] for key in ("net_return", "sharpe", "max_drawdown", "trades")},
            "encoder": [
                {
                    "head": score.head, "measure": score.measure, "score": score.score, "baseline": score.baseline,
                    "baseline_name": score.baseline_name, "baselines": score.baselines, "beats": score.beats,
                    "train_score": _known(score.train_score), "validation_score": _known(score.validation_score),
                    "cross_fitted_score": fact.cross_fitted.get(score.head),
                }
                for score in fact.heads
            ],
            "policy": {
                "steps": _mean(fact.policies, "steps"),
                "best_step": _mean(fact.policies, "best_step"),
                "train_sharpe": _mean(fact.policies, "train_sharpe_per_bar") * per_year,
                "validation_sharpe": _mean(fact.policies, "validation_sharpe_per_bar") * per_year,
            },
            "seeds": [dict(each) for each in fact.policies],
            "edge": None if fact.edge is None else asdict(fact.edge),
        }  # fmt: skip
        _write_json(plan.request.out / "folds" / str(number) / "fold.json", document)


def _known(score: float) -> float | None:
    """None where no target was known: a few selection rows may hold no bar at a level."""
    return score if math.isfinite(score) else None


def _mean(seeds: Sequence[Mapping[str, float]], key: str) -> float:
    return math.fsum(seed[key] for seed in seeds) / len(seeds)


def _error_rates(judgement: Judgement, n_days: int) -> list[dict[str, str | float]]:
    rates = judgement.verdict.rates
    if n_days < MIN_DAYS:
        return []  # the rule never sees an edge on so few days; the verdict says so
    shown = [("False alarms", rates.false_alarm, "of simulated runs without any edge get a verdict of evidence")]
    for edge, rate in zip(EDGES_ANNUAL_SHARPE, rates.power, strict=True):
        shown.append((f"Power at {edge:g}", rate, f"of simulated runs with a true Sharpe ratio of {edge:g} get one"))
    found: list[dict[str, str | float]] = [
        {"label": label, "rate": rate.rate, "low": rate.low, "high": rate.high, "meaning": f"{meaning} (rule alone)"}
        for label, rate, meaning in shown
    ]
    for kind in false_alarms():
        share, low, high, n_markets = kind.weak
        meaning = f"of {n_markets} markets of {kind.meaning}, traded by simple rules (agv2 truth)"
        found.append({"label": "False alarms", "rate": share, "low": low, "high": high, "meaning": meaning})
    return found


def _costs(plan: RunPlan, stitched: RunRows, found: Evaluation) -> dict[str, float | None]:
    """What trading cost, in money; slippage is known from the settings, the rest of a fill's distance is spread."""
    slippage_frac = {market.bars.symbol: market.costs.slippage_frac for market in plan.markets}
    fills = stitched.fills.with_columns(
        slip=pl.when(pl.col("reason") == "take_profit")
        .then(0.0)
        .otherwise(pl.col("mid") * pl.col("units") * pl.col("symbol").replace_strict(slippage_frac, default=0.0)),
        distance=pl.col("side") * (pl.col("price") - pl.col("mid")) * pl.col("units"),
        notional=pl.col("mid") * pl.col("units"),
    )
    books = stitched.equity.filter(pl.col("symbol") != "ACCOUNT")
    slippage, distance = float(fills["slip"].sum()), float(fills["distance"].sum())
    commission, financing = float(fills["commission"].sum()), float(books["financing"].sum())
    curve = found.oos.curve.equity
    net = float(curve[-1] - curve[0])
    return {
        "spread": distance - slippage,
        "slippage": slippage,
        "commission": commission,
        "financing": financing,
        "gross_pnl": net + distance + commission + financing,
        "notional_traded": float(fills["notional"].sum()),
        "break_even_cost_frac": found.oos.report.values()["break_even_cost_frac"],
    }


def _iso(ts_ns: int) -> str:
    stamp = pl.Series([ts_ns // 1000]).cast(pl.Datetime("us", "UTC"))
    return str(stamp.dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")[0])


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def _write_parquet(path: Path, frame: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())

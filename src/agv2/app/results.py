"""What a finished walk is worth, and everything that is written about it."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from agv2.app.fold_training import FoldEncoder
from agv2.app.market_preparation import PreparedMarket
from agv2.app.progress import RunProgress
from agv2.app.settings import Settings
from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.baselines import BASELINES, run_baseline
from agv2.backtest.config import RunProfile
from agv2.backtest.evaluation import Evaluation, evaluate
from agv2.backtest.judgement import Judgement, judge
from agv2.backtest.provenance import BarsSource, Provenance, write_provenance
from agv2.backtest.replay import EquityRow
from agv2.backtest.report.page import write_report
from agv2.backtest.rule_rates import EDGES_ANNUAL_SHARPE
from agv2.backtest.run_files import RunRows, write_run_rows
from agv2.backtest.stitching import account_rows, stitch
from agv2.backtest.summary import HeadScore, Summary, write_summary
from agv2.backtest.tape import MarketTape
from agv2.backtest.trial_ledger import Trial, TrialCount, TrialLedger
from agv2.backtest.verdict import MIN_DAYS
from agv2.backtest.walk_forward import Fold
from agv2.core.orders import Fill
from agv2.decision.observation import ObservationLayout
from agv2.models import head_scores
from agv2.models.config import EncoderConfig
from agv2.models.heads import REGIMES
from agv2.models.policy import PolicyNetwork
from agv2.rl.export import export_bundle
from agv2.utils.clock import Clock
from agv2.utils.seeding import spawn_generators

__all__ = ["FoldFacts", "RunContext", "RunOutcome", "observation_layout", "write_results"]

VOLATILITY_TARGETED = "volatility_targeted_buy_and_hold"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Where the results are, and the first thing to say about them."""

    out: Path
    report: Path
    verdict: str
    verdict_text: str
    measures: Mapping[str, float | None]
    """`oos` of `summary.json`."""

    @classmethod
    def read(cls, out: Path) -> "RunOutcome":
        """What a finished run in `out` found."""
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        return cls(out, out / "report.html", summary["verdict"], summary["verdict_text"], summary["oos"])


@dataclass(frozen=True, slots=True)
class FoldFacts:
    """What the training of one fold said about itself."""

    heads: tuple[head_scores.HeadScore, ...]
    policies: tuple[Mapping[str, float], ...]
    """Of each seed: steps, best_step, and the per-bar Sharpe ratio on training and validation bars."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """Everything about a run that its results mention."""

    out: Path
    settings: Settings
    profile_name: str
    profile: RunProfile
    seed: int
    markets: tuple[PreparedMarket, ...]
    folds: tuple[tuple[Fold, ...], ...]
    trial: Trial
    count: TrialCount
    ledger: TrialLedger
    ledger_path: str
    notes: tuple[str, ...]
    started_ns: int
    clock: Clock
    command: tuple[str, ...]


def write_results(
    context: RunContext,
    rows: Sequence[RunRows],
    facts: Sequence[FoldFacts],
    encoder: FoldEncoder,
    policy: PolicyNetwork,
    seconds: Mapping[str, float],
    progress: RunProgress,
) -> RunOutcome:
    """Stitch the folds, weigh the evidence, write `RUN` and record the trial.

    Args:
        context: the run.
        rows: each fold's tables.
        facts: each fold's training.
        encoder: for the bundle.
        policy: for the bundle.
        seconds: spent on stages before this one.
        progress: stages `evidence`, `bundle` and `report`.
    """
    out = context.out
    with progress.stage("evidence"):
        stitched = stitch(rows)
        calendars = {market.bars.symbol: market.instrument.calendar for market in context.markets}
        found = evaluate(stitched, calendars)
        baseline_rows = {name: _baseline(name, context) for name in BASELINES}
        baselines = {name: evaluate(each, calendars) for name, each in baseline_rows.items()}
        rng = spawn_generators(context.seed, "evidence")["evidence"]
        judgement = judge(
            found.oos,
            baselines[VOLATILITY_TARGETED].oos,
            context.count,
            rng,
            context.settings.backtest.bootstrap_resamples,
        )
        context.settings.save(out / "config")
        (out / "oos").mkdir(exist_ok=True)
        write_run_rows(stitched, out / "oos")
        _write_report_extras(context, stitched, found, baseline_rows, judgement)
        _write_folds(context, rows, facts)
    with progress.stage("bundle"):
        _write_bundle(context, encoder, policy)
    with progress.stage("report"):
        context.ledger.record(context.trial, found.oos.days, found.oos.returns, judgement.excess_returns)
        _write_provenance(context)
        spent = {**seconds, **progress.seconds}
        write_summary(_summary(context, found, baselines, judgement, facts, spent), out / "summary.json")
        write_report(out)
    return RunOutcome.read(out)


def _baseline(name: str, context: RunContext) -> RunRows:
    """A baseline over all test folds of every market, each book starting with its share."""
    fills: list[tuple[str, Fill]] = []
    equity: list[EquityRow] = []
    money = context.settings.backtest.initial_equity / len(context.markets)
    for market, folds in zip(context.markets, context.folds, strict=True):
        stop = folds[-1].test_hi
        tape = MarketTape(
            symbol=market.bars.symbol,
            bars=market.records[:stop],
            volatility=market.features.sigma[:stop],
            market_rows=market.features.values[:stop].astype("float32"),
            market=market.instrument.market,
            params=market.params,
            costs=market.costs,
        )
        done = run_baseline(name, tape.slice(folds[0].test_lo, stop), money)
        fills += done.fills
        equity += done.equity
    return account_rows(fills, equity)


def _summary(
    context: RunContext,
    found: Evaluation,
    baselines: Mapping[str, Evaluation],
    judgement: Judgement,
    facts: Sequence[FoldFacts],
    seconds: Mapping[str, float],
) -> Summary:
    notes = [*context.notes, *context.count.warnings]
    if context.profile.bundle == "last_fold":
        notes.append("bundle: the last fold's models; profile standard trains on everything")
    if context.profile.seeds > 1:
        notes.append(f"policy: the {context.profile.seeds} seeds of a fold trade and ship as one ensemble")
    return Summary(
        symbols=[market.bars.symbol for market in context.markets],
        profile=context.profile_name,
        seed=context.seed,
        oos=found.oos.report,
        per_symbol={symbol: measured.report for symbol, measured in found.per_symbol.items()},
        significance=judgement.significance,
        baselines={name: evaluation.oos.report for name, evaluation in baselines.items()},
        encoder=_head_means(facts),
        verdict=judgement.verdict.level,
        verdict_text=judgement.verdict.text,
        notes=notes,
        runtime_s=seconds,
    )


def _head_means(facts: Sequence[FoldFacts]) -> dict[str, HeadScore]:
    """Each head's loss and its best baseline's, mean over folds."""
    means = {}
    for head in [score.head for score in facts[0].heads]:
        own = [score for fold in facts for score in fold.heads if score.head == head]
        value = math.fsum(score.score for score in own) / len(own)
        baseline = math.fsum(score.baseline for score in own) / len(own)
        means[head] = HeadScore(value, baseline, value < baseline)
    return means


def _write_folds(context: RunContext, rows: Sequence[RunRows], facts: Sequence[FoldFacts]) -> None:
    calendars = {market.bars.symbol: market.instrument.calendar for market in context.markets}
    for number, (table, fact) in enumerate(zip(rows, facts, strict=True), start=1):
        report = evaluate(table, calendars).oos.report
        own = [(market, folds[number - 1]) for market, folds in zip(context.markets, context.folds, strict=True)]
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
                    "baseline_name": score.baseline_name, "beats": score.beats, "train_score": score.train_score,
                    "validation_score": score.validation_score,
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
        }  # fmt: skip
        _write_json(context.out / "folds" / str(number) / "fold.json", document)


def _mean(seeds: Sequence[Mapping[str, float]], key: str) -> float:
    return math.fsum(seed[key] for seed in seeds) / len(seeds)


def _write_report_extras(
    context: RunContext,
    stitched: RunRows,
    found: Evaluation,
    baseline_rows: Mapping[str, RunRows],
    judgement: Judgement,
) -> None:
    """Tables that only the report reads."""
    folder = context.out / "folds" / "report"
    folder.mkdir(parents=True, exist_ok=True)
    curves = [
        each.equity.select(pl.lit(name).alias("name"), "symbol", "ts", "equity") for name, each in baseline_rows.items()
    ]
    _write_parquet(folder / "baselines.parquet", pl.concat(curves))
    bars = []
    for market, folds in zip(context.markets, context.folds, strict=True):
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
    _write_json(folder / "costs.json", _costs(context, stitched, found))
    _write_json(folder / "intervals.json", judgement.intervals.as_json())
    _write_json(folder / "error_rates.json", {"rates": _error_rates(judgement, found.oos.days.size)})


def _error_rates(judgement: Judgement, n_days: int) -> list[dict[str, str | float]]:
    rates = judgement.verdict.rates
    if n_days < MIN_DAYS:
        return []  # the rule never sees an edge on so few days; the verdict says so
    shown = [("False alarms", rates.false_alarm, "of simulated runs without any edge get a verdict of evidence")]
    for edge, rate in zip(EDGES_ANNUAL_SHARPE, rates.power, strict=True):
        shown.append((f"Power at {edge:g}", rate, f"of simulated runs with a true Sharpe ratio of {edge:g} get one"))
    return [
        {"label": label, "rate": rate.rate, "low": rate.low, "high": rate.high, "meaning": f"{meaning} (rule alone)"}
        for label, rate, meaning in shown
    ]


def _costs(context: RunContext, stitched: RunRows, found: Evaluation) -> dict[str, float | None]:
    """What trading cost, in money; slippage is known from the settings, the rest of a fill's distance is spread."""
    slippage_frac = {market.bars.symbol: market.costs.slippage_frac for market in context.markets}
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


def _write_bundle(context: RunContext, encoder: FoldEncoder, policy: PolicyNetwork) -> None:
    """The models for paper and live. A bundle appears whole or not at all, so one that is there is kept."""
    directory = context.out / "bundle"
    if directory.is_dir():
        return
    whole = context.profile.bundle == "retrain"
    export_bundle(
        directory,
        symbols=[market.bars.symbol for market in context.markets],
        timeframe=context.markets[0].bars.timeframe.name,
        trained_on="every bar of the run" if whole else "the training bars of the last fold",
        columns=context.markets[0].features.columns,
        normalizer=encoder.normalizer,
        pretrained=encoder.pretrained,
        layout=observation_layout(context.settings.encoder),
        policy=policy,
        config_digest=context.trial.config_digest,
    )


def observation_layout(encoder: EncoderConfig) -> ObservationLayout:
    """Layout of the observations that an encoder of these settings feeds."""
    return ObservationLayout(encoder.embedding_dim, encoder.quantile_outputs, REGIMES)


def _write_provenance(context: RunContext) -> None:
    write_provenance(
        Provenance(
            command=context.command,
            bars=[
                BarsSource(
                    symbol=market.bars.symbol,
                    path=str(market.path),
                    sha256=market.sha256,
                    timeframe=market.bars.timeframe.name,
                    n_bars=len(market.bars),
                    first_ts_ns=int(market.bars.ts_ns[0]),
                    last_ts_ns=int(market.bars.ts_ns[-1]),
                )
                for market in context.markets
            ],
            config_digest=context.trial.config_digest,
            data_digest=context.trial.data_hash,
            profile=context.profile_name,
            seed=context.seed,
            n_trials=context.count.n_trials,
            trial_ledger=context.ledger_path,
            started_ns=context.started_ns,
            finished_ns=context.clock.now_ns(),
        ),
        context.out / "provenance.json",
    )


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

"""What a finished walk is worth: evidence, bundle, summary, report."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agv2.app.baseline_accounts import baseline_accounts
from agv2.app.bundle_reference import live_reference
from agv2.app.fold_training import FoldEncoder, observation_layout
from agv2.app.fold_walk import FoldFacts, Walked
from agv2.app.policy_sizing import sizing_note
from agv2.app.policy_vote import evidence_note
from agv2.app.progress import RunProgress
from agv2.app.report_inputs import write_fold_facts, write_report_inputs
from agv2.app.robustness.checks import carry_out_checks, checks_of
from agv2.app.robustness.subject import Subject
from agv2.app.run_plan import RunPlan
from agv2.backtest.evaluation import Evaluation, evaluate
from agv2.backtest.judgement import Judgement, judge
from agv2.backtest.leakcheck_report import PassedCheck
from agv2.backtest.provenance import BarsSource, Provenance, write_provenance
from agv2.backtest.report.page import write_report
from agv2.backtest.run_files import write_run_rows
from agv2.backtest.saliency import join_saliency, write_saliency
from agv2.backtest.stitching import stitch
from agv2.backtest.summary import HeadScore, Summary, write_summary
from agv2.backtest.trial_ledger import TrialCount, TrialLedger
from agv2.models.head_scores import MEASURES, beats
from agv2.models.live_reference import LiveReference
from agv2.models.policy import PolicyNetwork
from agv2.risk.kelly import EdgeEstimate
from agv2.rl.export import export_bundle
from agv2.utils.seeding import spawn_generators

__all__ = ["RunOutcome", "RunStart", "Trials", "write_bundle", "write_results"]

VOLATILITY_TARGETED = "volatility_targeted_buy_and_hold"


class Trials(NamedTuple):
    """Where trials are counted, and the count when this run started."""

    ledger: TrialLedger
    counted: TrialCount


class RunStart(NamedTuple):
    """What was found when the run, or the first of its processes, started."""

    started_ns: int
    leak_checks: Sequence[PassedCheck]
    """One a symbol."""
    ledger_begun_ns: int
    """When the ledger of trials was begun."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Where the results are, and the first thing to say about them."""

    out: Path
    report: Path
    verdict: str
    verdict_text: str
    measures: Mapping[str, float | None]
    """`oos` of `summary.json`."""
    n_trials: int
    """That the ledger counted on these bars, this one included."""

    @classmethod
    def read(cls, out: Path) -> "RunOutcome":
        """What a finished run in `out` found."""
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        return cls(
            out,
            out / "report.html",
            summary["verdict"],
            summary["verdict_text"],
            summary["oos"],
            summary["significance"]["n_trials"],
        )


def write_results(
    subject: Subject,
    walked: Walked,
    trials: Trials,
    start: RunStart,
    seconds: Mapping[str, float],
    progress: RunProgress,
) -> RunOutcome:
    """Stitch the folds, weigh the evidence, write `RUN` and record the trial.

    Args:
        subject: the run, whose models are on disk.
        walked: what its folds left.
        trials: the ledger, and what it held when the run started.
        start: of the run.
        seconds: spent on stages before this one.
        progress: stages `evidence`, `bundle` and `report`, and those of the checks that the profile asks for.
    """
    plan, count = subject.plan, trials.counted
    out = plan.request.out
    with progress.stage("evidence"):
        stitched = stitch(walked.rows)
        calendars = {market.bars.symbol: market.instrument.calendar for market in plan.markets}
        found = evaluate(stitched, calendars)
        baseline_books = baseline_accounts(plan, stitched, walked.moves)
        baselines = {name: evaluate(each, calendars) for name, each in baseline_books.items()}
        rng = spawn_generators(plan.request.seed, "evidence")["evidence"]
        hold, resamples = baselines[VOLATILITY_TARGETED].oos, plan.settings.backtest.bootstrap_resamples
        judgement = judge(found.oos, hold, count, rng, resamples)
        plan.settings.save(out / "config")
        if plan.tuned is not None:
            plan.tuned.write(out / "config")
        (out / "oos").mkdir(exist_ok=True)
        write_run_rows(stitched, out / "oos")
        write_saliency(join_saliency(walked.saliency), out / "oos" / "saliency.parquet")
        write_report_inputs(plan, stitched, found, baseline_books, judgement)
        write_fold_facts(plan, walked)
    with progress.stage("bundle"):
        whole = plan.profile.bundle == "retrain"
        trained_on = "every bar of the run" if whole else "the training bars of the last fold"
        reference = live_reference(plan, stitched, found)
        write_bundle(plan, out / "bundle", walked.encoder, walked.policy, trained_on, walked.edge, reference)
    retrain = plan.profile.robustness == "trained"
    carry_out_checks(subject, checks_of(plan), progress, retrain=retrain, resume=True)
    with progress.stage("report"):
        trials.ledger.record(plan.trial, found.oos.days, found.oos.returns, judgement.excess_returns)
        _write_provenance(plan, walked.facts, trials, start)
        spent = {**seconds, **progress.seconds}
        summary = _summary(plan, found, baselines, judgement, walked.facts, [*plan.notes, *count.warnings], spent)
        write_summary(summary, out / "summary.json")
        write_report(out)
    return RunOutcome.read(out)


def _summary(
    plan: RunPlan,
    found: Evaluation,
    baselines: Mapping[str, Evaluation],
    judgement: Judgement,
    facts: Sequence[FoldFacts],
    known_notes: Sequence[str],
    seconds: Mapping[str, float],
) -> Summary:
    notes = list(known_notes)
    if plan.profile.bundle == "last_fold":
        notes.append("bundle: the last fold's models; profile standard trains on everything")
    if not plan.profile.costly_baselines:
        notes.append("encoder: heads are not compared with GARCH and boosted trees; profile standard does that")
    if plan.profile.seeds > 1:
        notes.append(f"policy: the {plan.profile.seeds} seeds of a fold trade and ship as one ensemble")
    notes.extend(_cross_fit_note(facts))
    lessons = plan.settings.rl_policy.hindsight
    if lessons is not None:
        told = (evidence_note(f"fold {n}", fact.policies, lessons.least_t) for n, fact in enumerate(facts, start=1))
        notes.extend(note for note in told if note is not None)
    notes.extend(
        sizing_note(f"fold {number}", fact.edge, plan.kelly_fraction)
        for number, fact in enumerate(facts, start=1)
        if fact.edge is not None
    )
    return Summary(
        symbols=[market.bars.symbol for market in plan.markets],
        profile=plan.profile_name,
        seed=plan.request.seed,
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


def _cross_fit_note(facts: Sequence[FoldFacts]) -> list[str]:
    """What cross-fitting changed in the predictions that the policies were trained on; none where it was off."""
    pairs = [
        (score, fold.cross_fitted["quantiles"])
        for fold in facts
        for score in fold.heads
        if score.head == "quantiles" and "quantiles" in fold.cross_fitted
    ]
    if not pairs:
        return []
    inside, crossed, later = (
        math.fsum(values) / len(pairs)
        for values in zip(*((score.train_score, loss, score.score) for score, loss in pairs), strict=True)
    )
    return [
        "policy: the head predictions that it is trained on are cross-fitted; those of quantiles lose "
        f"{crossed:.4f} there, in-sample ones {inside:.4f}, the encoder's on later bars {later:.4f}"
    ]


def _head_means(facts: Sequence[FoldFacts]) -> dict[str, HeadScore]:
    """Each head's loss and its best baseline's, mean over the folds that had targets to score it by; NaN for none."""
    means = {}
    for head in MEASURES:
        own = [score for fold in facts for score in fold.heads if score.head == head]
        count = len(own)
        value = math.fsum(score.score for score in own) / count if count else math.nan
        baseline = math.fsum(score.baseline for score in own) / count if count else math.nan
        means[head] = HeadScore(value, baseline, beats(value, baseline))
    return means


def write_bundle(
    plan: RunPlan,
    directory: Path,
    encoder: FoldEncoder,
    policy: PolicyNetwork,
    trained_on: str,
    edge: EdgeEstimate | None,
    reference: LiveReference,
    parent: str = "",
) -> None:
    """The models for paper and live. A bundle appears whole or not at all, so one that is there is kept.

    Args:
        plan: the run.
        directory: of the bundle.
        encoder: and its normaliser.
        policy: one, or an ensemble as one.
        trained_on: which bars, in words a person understands.
        edge: of the policy; None where none was estimated.
        reference: what its guards hold live trading against.
        parent: digest of the bundle that this one was trained on from; empty: of none.
    """
    if directory.is_dir():
        return
    export_bundle(
        directory,
        symbols=[market.bars.symbol for market in plan.markets],
        asset_classes=[market.asset_class for market in plan.markets],
        bars_per_year=[market.bars_per_year for market in plan.markets],
        timeframe=plan.markets[0].bars.timeframe.name,
        trained_on=trained_on,
        columns=plan.markets[0].features.columns,
        normalizer=encoder.normalizer,
        pretrained=encoder.pretrained,
        layout=observation_layout(plan.settings.encoder),
        policy=policy,
        config_digest=plan.trial.config_digest,
        kelly_fraction=plan.kelly_fraction,
        edge=edge,
        reference=reference,
        known_until_ns=_known_until_ns(plan),
        parent=parent,
    )


def _known_until_ns(plan: RunPlan) -> int:
    """Open of the last bar that the bundle's models read while they were made, of any symbol."""
    whole = plan.profile.bundle == "retrain"
    return max(
        int(market.bars.ts_ns[-1 if whole else folds[-1].train_hi - 1])
        for market, folds in zip(plan.markets, plan.folds, strict=True)
    )


def _write_provenance(plan: RunPlan, facts: Sequence[FoldFacts], trials: Trials, start: RunStart) -> None:
    write_provenance(
        Provenance(
            command=plan.request.command,
            bars=[
                BarsSource(
                    symbol=market.bars.symbol,
                    path=str(market.path),
                    sha256=market.sha256,
                    timeframe=market.bars.timeframe.name,
                    n_bars=len(market.bars),
                    first_ts_ns=int(market.bars.ts_ns[0]),
                    last_ts_ns=int(market.bars.ts_ns[-1]),
                    accepted_defects=market.accepted_defects,
                )
                for market in plan.markets
            ],
            config_digest=plan.trial.config_digest,
            data_digest=plan.trial.data_hash,
            profile=plan.profile_name,
            seed=plan.request.seed,
            n_trials=trials.counted.n_trials,
            trial_ledger=str(trials.ledger.folder),
            trial_ledger_begun_ns=start.ledger_begun_ns,
            leak_checks=start.leak_checks,
            edges=[fact.edge for fact in facts if fact.edge is not None],
            started_ns=start.started_ns,
            finished_ns=plan.request.clock.now_ns(),
        ),
        plan.request.out / "provenance.json",
    )

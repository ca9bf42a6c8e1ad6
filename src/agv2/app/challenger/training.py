"""A model in use, trained on with newer bars, and held against itself as it was on bars that neither knows.

Stages: read and check → policy → test of both → bundle → page. Nothing is written before every input has been checked,
and each finished stage is on disk before the next begins. The champion's own files are only read.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agv2.app.bundle_reference import live_reference
from agv2.app.challenger.plan import ChallengerPlan, ChallengerRequest, make_challenger_plan
from agv2.app.challenger_page.page import challenger_page
from agv2.app.challenger_report import ChallengerReport, contest
from agv2.app.fold_tapes import policy_tapes, traded_rows, unseen_tapes
from agv2.app.policy_fitting import fit_policy
from agv2.app.policy_report import held_out_spans
from agv2.app.policy_sizing import fold_edge, sized
from agv2.app.policy_training.rewards_shown import ShownRewards
from agv2.app.progress import RunProgress, StageWork, waiting
from agv2.app.results import write_bundle
from agv2.app.run_log import job_log
from agv2.app.run_store import RunStore, require_fresh_directory
from agv2.app.tracking.registry import CHALLENGER, model_name, register_bundle
from agv2.app.training_tracking import TrackedTraining, tracked_training
from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.evaluation import Evaluation, evaluate
from agv2.backtest.run_files import RunRows
from agv2.backtest.tape import MarketTape
from agv2.models.bundle import ModelBundle
from agv2.models.policy import PolicyNetwork
from agv2.models.threads import torch_threads
from agv2.risk.kelly import EdgeEstimate

__all__ = ["ChallengerOutcome", "train_challenger"]

_FOLD = "1"
_STEPS_PER_S = 30_000.0  # only to lay out the progress bar
_POLICY, _TEST, _BUNDLE, _PAGE = "challenger's policy", "test of both", "bundle", "page"


@dataclass(frozen=True, slots=True)
class ChallengerOutcome:
    """What training left."""

    out: Path
    report: ChallengerReport
    registered: str = ""
    """Name and version in the registry; empty: not registered."""


@dataclass(frozen=True, slots=True)
class _Kept:
    network: PolicyNetwork
    facts: Mapping[str, Any]


def train_challenger(request: ChallengerRequest) -> ChallengerOutcome:
    """Go on training the policy of a bundle with bars that it does not know, and compare both on the newest of them.

    Leaves in the output directory `challenger.html`, `challenger.json`, the settings, `bundle/`, and what an
    interrupted training goes on from.

    Args:
        request: bundle, files, profile and settings.

    Raises:
        ConfigError: a setting, an option or the output directory is wrong.
        BundleError: the bundle was changed, does not fit, or does not say which bars it knows.
        DataError: a file cannot be used, or there are too few bars that the bundle does not know.
    """
    require_fresh_directory(request.out, request.resume)
    with waiting("reading, checking, computing features", quiet=request.quiet):
        plan = make_challenger_plan(request)
    store = RunStore(request.out)
    with store.locked():
        store.open_state(plan.identity, {})
        plan.run.settings.save(request.out / "config")
        identity = hashlib.sha256(json.dumps(plan.identity, sort_keys=True).encode()).hexdigest()
        log = job_log(request.out / "training.log", "challenger", identity, dict(plan.identity))
        works = [
            StageWork(_POLICY, plan.run.profile.policy_steps / _STEPS_PER_S + 5.0),
            StageWork(_TEST, 10.0),
            StageWork(_BUNDLE, 40.0),
            StageWork(_PAGE, 1.0),
        ]
        with log, torch_threads(1), RunProgress(works, quiet=request.quiet) as progress:
            for note in plan.run.notes:
                progress.note(note)
            name = f"challenger of {plan.champion.digest[:12]}"
            with tracked_training(plan.run.tracker, name, _told(plan), progress.note) as tracked:
                report = _carried_out(plan, store, progress, tracked)
                registered = _tell(plan, report, tracked, register=request.mlflow)
    return ChallengerOutcome(request.out, report, registered)


def _told(plan: ChallengerPlan) -> dict[str, Any]:
    """What a tracking server is told that the challenger depends on."""
    run = plan.run
    return {
        "symbols": ", ".join(market.bars.symbol for market in run.markets),
        "timeframe": plan.champion.manifest.timeframe,
        "champion": plan.champion.digest,
        "known_until_ns": plan.champion.manifest.known_until_ns,
        "holdout_frac": plan.holdout_frac,
        "trial": run.trial._asdict(),
        "profile": run.profile_name,
        "policy_steps": run.profile.policy_steps,
        "policy": run.settings.rl_policy.in_effect.model_dump(mode="json"),
    }


def _carried_out(
    plan: ChallengerPlan, store: RunStore, progress: RunProgress, tracked: TrackedTraining | None
) -> ChallengerReport:
    run, out, share = plan.run, plan.run.request.out, plan.run.kelly_fraction
    tapes = policy_tapes(run, plan.folds, plan.encoder, (), progress.note)
    kept = _trained(plan, tapes, store, progress, tracked)
    with progress.stage(_TEST):
        edge = fold_edge(run, tapes, plan.folds, kept.network, progress.update) if share > 0.0 else None
        unseen = unseen_tapes(run, plan.folds, plan.encoder, progress.note)
        of_champion, _ = _traded(plan, unseen, plan.policy, plan.edge, plan.champion.manifest.kelly_fraction, progress)
        of_challenger, rows = _traded(plan, unseen, kept.network, edge, share, progress)
        found = contest(of_challenger.oos, of_champion.oos, run.request.seed, run.settings.backtest.bootstrap_resamples)
    with progress.stage(_BUNDLE):
        trained_on = "bars newer than its champion knew, before those held out"
        reference = live_reference(_with_older_bars(plan), rows, of_challenger)
        parent = plan.champion.digest
        write_bundle(run, out / "bundle", plan.encoder, kept.network, trained_on, edge, reference, parent)
    store.add_seconds(progress.seconds)
    with progress.stage(_PAGE):
        report = ChallengerReport(
            spans=held_out_spans(plan.run.markets, plan.folds),
            known_until_ns=plan.champion.manifest.known_until_ns,
            champion_digest=plan.champion.digest,
            challenger_digest=ModelBundle.load(out / "bundle").digest,
            profile=run.profile_name,
            seed=run.request.seed,
            steps=run.profile.policy_steps,
            holdout_frac=plan.holdout_frac,
            purge_bars=run.settings.label_reach + run.settings.backtest.embargo_bars,
            goes_on=plan.start is not None,
            facts=kept.facts["facts"],
            looks=tuple(kept.facts["looks"]),
            champion=of_champion.oos,
            challenger=of_challenger.oos,
            champion_edge=plan.edge,
            challenger_edge=edge,
            contest=found,
            notes=run.notes,
            runtime_s={label: round(seconds, 1) for label, seconds in store.seconds().items()},
        )
        write_atomically(out / "challenger.json", json.dumps(report.document(), indent=1, allow_nan=False))
        write_atomically(out / "challenger.html", challenger_page(report))
    return report


def _trained(
    plan: ChallengerPlan,
    tapes: list[MarketTape],
    store: RunStore,
    progress: RunProgress,
    tracked: TrackedTraining | None,
) -> _Kept:
    """The challenger's policy, from disk where it was trained before."""
    stored = store.load_policy(_FOLD, 0)
    if stored is not None:
        progress.skip(_POLICY)
        if tracked is not None:
            tracked.learning(stored[1]["curve"])
            tracked.facts(stored[1]["facts"], int(stored[1]["facts"]["best_step"]))
        return _Kept(*stored)
    unfinished = store.folder(_FOLD) / "policy_0_unfinished"
    with progress.stage(_POLICY):
        shown, seed = ShownRewards(progress), plan.run.request.seed
        fitted = fit_policy(plan.run, tapes, plan.folds, seed, unfinished, shown, tracked, plan.start)
    looks = [{"step": look.step, **look.score._asdict()} for look in fitted.looks]
    facts = {"facts": fitted.facts, "curve": list(fitted.curve), "looks": looks}
    store.save_policy(_FOLD, 0, fitted.network, facts)
    shutil.rmtree(unfinished, ignore_errors=True)
    store.add_seconds(progress.seconds)
    return _Kept(fitted.network, facts)


def _traded(
    plan: ChallengerPlan,
    tapes: list[MarketTape],
    network: PolicyNetwork,
    edge: EdgeEstimate | None,
    share: float,
    progress: RunProgress,
) -> tuple[Evaluation, RunRows]:
    """The bars held out, traded at the size that the policy's own evidence allows."""
    money = dict.fromkeys((market.bars.symbol for market in plan.run.markets), plan.run.initial_equity)
    calendars = {market.bars.symbol: market.instrument.calendar for market in plan.run.markets}
    rows = traded_rows(plan.run, 1, sized(tapes, edge, share), network, money, progress.update)
    return evaluate(rows, calendars), rows


def _with_older_bars(plan: ChallengerPlan) -> Any:
    """The run whose training bars begin where the file does: its features were usual for encoder and champion too."""
    folds = tuple(
        (fold._replace(train_lo=market.first_decision),)
        for market, fold in zip(plan.run.markets, plan.folds, strict=True)
    )
    return replace(plan.run, folds=folds)


def _tell(plan: ChallengerPlan, report: ChallengerReport, tracked: TrackedTraining | None, *, register: bool) -> str:
    """Tell MLflow what came of it; where it was asked for, register the bundle under the alias `challenger`."""
    if tracked is None:
        return ""
    out, lead = plan.run.request.out, report.contest.difference
    for who, account in (("champion", report.champion), ("challenger", report.challenger)):
        values = account.report.values()
        tracked.facts({f"held_out/{who}/{name}": value for name, value in values.items() if value is not None}, 0)
    numbers = {"difference": lead.annual_return, "difference_low": lead.low, "difference_high": lead.high}
    tracked.facts({f"held_out/{name}": value for name, value in numbers.items() if value == value}, 0)
    tracked.tags({"finding": report.contest.finding, "mlflow.note.content": report.contest.words})
    tracked.file(out / "challenger.html")
    tracked.file(out / "challenger.json")
    if not register:
        return ""
    tracked.directory(out / "bundle", "bundle")
    tracked.directory(out / "config", "config")
    if (run_id := tracked.run_id) is None:
        return ""
    client, bundle = tracked.tracker.client, ModelBundle.load(out / "bundle")
    tags = {"made_by": "agv2 train challenger", "champion": plan.champion.digest, "finding": report.contest.finding}

    def registered() -> str:
        version = register_bundle(client, run_id, "bundle", bundle, tags)
        name = model_name(bundle.manifest.symbols, bundle.manifest.timeframe)
        client.set_registered_model_alias(name, CHALLENGER, version)
        return f"models:/{name}/{version}"

    return tracked.carefully(registered) or ""

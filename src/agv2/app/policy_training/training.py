"""From bars to trained policies, and how they do on bars that neither trained nor chose them.

Stages: read and check → encoder, unless one is given, and those that cross-fit it → one policy a seed → test → bundle →
page. Nothing is written before every input has been checked, and each finished stage is on disk before the next begins.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agv2.app.baseline_accounts import baseline_rows
from agv2.app.bundle_reference import live_reference
from agv2.app.encoder_stages import cross_fit_stage, encoder_stage, encoder_works
from agv2.app.encoder_store import plain_name
from agv2.app.fold_tapes import policy_tapes, traded_rows, unseen_tapes
from agv2.app.fold_training import FoldEncoder
from agv2.app.policy_page.page import policy_page
from agv2.app.policy_report import MeasuredBooks, PolicyReport, TrainedSeed, held_out_spans
from agv2.app.policy_sizing import fold_edge, sized
from agv2.app.policy_training.one_policy import FOLD, KeptPolicy, policy_label, trained_policy
from agv2.app.policy_training.plan import PolicyPlan, PolicyRequest, make_policy_plan
from agv2.app.policy_vote import voted_policy
from agv2.app.progress import RunProgress, StageWork, waiting
from agv2.app.results import write_bundle
from agv2.app.run_log import job_log
from agv2.app.run_store import RunStore, require_fresh_directory
from agv2.app.workers.in_process import InProcessPool
from agv2.app.workers.tasks import Known, Pending
from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.baselines import BASELINES
from agv2.backtest.evaluation import evaluate
from agv2.backtest.run_files import RunRows
from agv2.backtest.tape import MarketTape
from agv2.models.policy import PolicyNetwork
from agv2.models.threads import torch_threads
from agv2.risk.kelly import EdgeEstimate
from agv2.utils.environment import load_environment

__all__ = ["PolicyOutcome", "train_policies"]

_STEPS_PER_S = {"ppo": 30_000.0, "sac": 5_000.0}  # only to lay out the progress bar
_NAME = "training bars"


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """What training left."""

    out: Path
    report: PolicyReport


def train_policies(request: PolicyRequest) -> PolicyOutcome:
    """Train a policy a seed on the first part of the bars, and test them, alone and as one, on the rest.

    Leaves in the output directory `policies.html`, `policies.json`, the settings, `bundle/` with all seeds as one
    policy, and what an interrupted training goes on from.

    Args:
        request: files, encoder, seeds, profile and settings.

    Raises:
        ConfigError: a setting, an option or the output directory is wrong.
        BundleError: the encoder was damaged or does not fit.
        DataError: a file cannot be used, or there are too few bars.
    """
    if request.out is not None:
        require_fresh_directory(request.out, request.resume)
    with waiting("reading, checking, computing features", quiet=request.quiet):
        plan = make_policy_plan(request)
    out = request.out or _home_directory(plan)
    if request.out is None:
        require_fresh_directory(out, request.resume)
    store = RunStore(out)
    with store.locked():
        store.open_state(plan.identity, {})
        plan.run.settings.save(out / "config")
        log = job_log(out / "training.log", "training", _digest(plan), dict(plan.identity))
        with log, torch_threads(1), RunProgress(_stages(plan), quiet=request.quiet) as progress:
            for note in plan.run.notes:
                progress.note(note)
            report = _trained_and_tested(plan, out, store, progress)
            with progress.stage("page"):
                write_atomically(out / "policies.json", json.dumps(report.document(), indent=1, allow_nan=False))
                write_atomically(out / "policies.html", policy_page(report))
    return PolicyOutcome(out, report)


def _home_directory(plan: PolicyPlan) -> Path:
    """A directory of the project home whose name says what is trained: the same training has the same one."""
    symbols = "-".join(plain_name(market.bars.symbol) for market in plan.run.markets[:4])
    algorithm = plan.run.settings.rl_policy.algorithm
    return load_environment().home / "models" / "policies" / f"{symbols}_{algorithm}_{_digest(plan)[:8]}"


def _digest(plan: PolicyPlan) -> str:
    return hashlib.sha256(json.dumps(plan.identity, sort_keys=True).encode()).hexdigest()


def _stages(plan: PolicyPlan) -> list[StageWork]:
    works = encoder_works(plan.run, _NAME, plan.folds)
    speed = _STEPS_PER_S[plan.run.settings.rl_policy.algorithm]
    return [
        *(works if plan.stored is None else works[1:]),
        *(StageWork(policy_label(seed), plan.run.profile.policy_steps / speed) for seed in plan.seeds),
        StageWork("test", 5.0 * (1 + len(plan.seeds))),
        StageWork("bundle", 40.0),
        StageWork("page", 1.0),
    ]


def _trained_and_tested(plan: PolicyPlan, out: Path, store: RunStore, progress: RunProgress) -> PolicyReport:
    pool = InProcessPool(plan.run, progress)
    begun: Pending[FoldEncoder]
    if plan.stored is not None:
        begun = Known(plan.stored.encoder)
    else:
        begun = encoder_stage(plan.run, store, pool, progress, _NAME, FOLD, plan.folds)
    blocks, losses = cross_fit_stage(plan.run, store, pool, progress, _NAME, FOLD, plan.folds, begun)
    encoder, others = begun.result(), [each.result() for each in blocks]
    losses.result()

    @functools.cache
    def tapes() -> list[MarketTape]:
        return policy_tapes(plan.run, plan.folds, encoder, others, progress.note)

    kept = [trained_policy(plan, seed, tapes, store, progress) for seed in plan.seeds]
    together = voted_policy([one.network for one in kept], [one.facts for one in kept])
    with progress.stage("test"):
        share = plan.run.kelly_fraction
        edge = fold_edge(plan.run, tapes(), plan.folds, together, progress.update) if share > 0.0 else None
        each, ensemble, baselines = _tested(plan, encoder, kept, together, edge, progress)
    with progress.stage("bundle"):
        trained_on = "the bars before those held out"
        write_bundle(plan.run, out / "bundle", encoder, together, trained_on, edge, live_reference(plan.run))
    store.add_seconds(progress.seconds)
    return PolicyReport(
        spans=held_out_spans(plan.run.markets, plan.folds),
        profile=plan.run.profile_name,
        algorithm=plan.run.settings.rl_policy.algorithm,
        encoder="" if plan.stored is None else plan.stored.directory.name,
        encoder_fitted_on_these_bars=plan.knows_its_bars,
        steps=plan.run.profile.policy_steps,
        holdout_frac=plan.holdout_frac,
        purge_bars=plan.purge_bars,
        seeds=tuple(
            TrainedSeed(seed, one.facts, one.curve, one.looks, test)
            for seed, one, test in zip(plan.seeds, kept, each, strict=True)
        ),
        ensemble=ensemble,
        baselines=baselines,
        notes=plan.run.notes,
        runtime_s={label: round(seconds, 1) for label, seconds in store.seconds().items()},
    )


def _tested(
    plan: PolicyPlan,
    encoder: FoldEncoder,
    kept: Sequence[KeptPolicy],
    together: PolicyNetwork,
    edge: EdgeEstimate | None,
    progress: RunProgress,
) -> tuple[list[MeasuredBooks], MeasuredBooks, dict[str, MeasuredBooks]]:
    """Each policy, all as one, and the baselines, on the bars held out."""
    tapes = sized(unseen_tapes(plan.run, plan.folds, encoder, progress.note), edge, plan.run.kelly_fraction)
    money = dict.fromkeys((market.bars.symbol for market in plan.run.markets), plan.run.initial_equity)
    calendars = {market.bars.symbol: market.instrument.calendar for market in plan.run.markets}

    def measured(rows: RunRows) -> MeasuredBooks:
        found = evaluate(rows, calendars).oos
        return MeasuredBooks(found.report, found.curve)

    def traded(number: int, network: PolicyNetwork) -> MeasuredBooks:
        def report(fraction: float, detail: str) -> None:
            progress.update((number + fraction) / (len(kept) + 1), detail)

        return measured(traded_rows(plan.run, 1, tapes, network, money, report))

    each = [traded(number, one.network) for number, one in enumerate(kept)]
    ensemble = traded(len(kept), together)
    return each, ensemble, {name: measured(baseline_rows(name, plan.run)) for name in BASELINES}

"""`agv2 run`: from bars to an honest report, walking forward.

Stages: read and check → leak check → per fold: encoder, policies, out-of-sample account → evidence → bundle → report.
Nothing is written before every input has been checked, and each finished stage is on disk before the next begins.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict

from agv2.app.fold_walk import stages_of, walk
from agv2.app.leakcheck import require_no_leak
from agv2.app.progress import RunProgress, StageWork, waiting
from agv2.app.results import RunOutcome, RunStart, Trials, write_results
from agv2.app.robustness.checks import check_works, checks_of
from agv2.app.robustness.subject import Subject
from agv2.app.run_log import run_log
from agv2.app.run_plan import RunPlan, RunRequest, make_plan
from agv2.app.run_store import RunStore, require_fresh_directory
from agv2.app.tracking.server import RUN_EXPERIMENT, Tracker, open_tracker
from agv2.app.tracking.told_run import TELLING, tell_finished_run, tell_run, told_run
from agv2.app.workers.opening import task_pool
from agv2.backtest.leakcheck_report import PassedCheck
from agv2.backtest.ledger_witness import ledger_begun_ns
from agv2.backtest.provenance import source_digest
from agv2.backtest.trial_ledger import TrialLedger
from agv2.backtest.walk_forward import require_purged
from agv2.models.threads import torch_threads
from agv2.utils.environment import load_environment

__all__ = ["run"]


def run(request: RunRequest) -> RunOutcome:
    """Do the main job.

    Args:
        request: files, output directory, profile, seed and settings.

    Returns:
        Where the report is and what the verdict says.

    Raises:
        ConfigError: a setting or the output directory is wrong, or MLflow is to be told and cannot be.
        DataError: a file cannot be used, or there are too few bars for the folds.
        LeakError: something moved before a bar when only its future was changed; nothing is written then.
    """
    started_ns = request.clock.now_ns()
    require_fresh_directory(request.out, request.resume)
    began = time.monotonic()
    with waiting("reading bars, checking them, computing features", quiet=request.quiet):
        tracker = _tracker(request)
        plan = make_plan(request)
    seconds = {"reading": time.monotonic() - began}
    # What is resumed has passed: it was begun with the same sources, settings, bars and seed, or is refused below.
    checks = [] if request.resume else _look_for_leaks(plan, seconds)
    ledger, store = TrialLedger.open(), RunStore(request.out)
    begun_ns = ledger_begun_ns(ledger.folder, request.clock.now_ns())
    with store.locked():
        return _carry_out(plan, store, ledger, RunStart(started_ns, checks, begun_ns), seconds, tracker)


def _tracker(request: RunRequest) -> Tracker | None:
    if not request.mlflow:
        return None
    return open_tracker(load_environment(), request.clock, RUN_EXPERIMENT, wanted=True)


def _look_for_leaks(plan: RunPlan, seconds: dict[str, float]) -> list[PassedCheck]:
    """The quick leak check of every market, once its folds are known to be apart.

    Markets differ in gaps, trading days, costs and what their columns hold.
    """
    horizon, embargo = plan.settings.label_reach, plan.settings.backtest.embargo_bars
    for folds in plan.folds:
        require_purged(folds, horizon, embargo)
    began, checks = time.monotonic(), []
    for market in plan.markets:
        with waiting(f"looking for leaks in {market.bars.symbol}", quiet=plan.request.quiet):
            checks.append(require_no_leak(market.bars, plan.settings, plan.request.seed, market.features))
    seconds["looking for leaks"] = time.monotonic() - began
    return checks


def _carry_out(
    plan: RunPlan,
    store: RunStore,
    ledger: TrialLedger,
    start: RunStart,
    seconds: Mapping[str, float],
    tracker: Tracker | None,
) -> RunOutcome:
    """Train, trade and judge; everything was checked."""
    request = plan.request
    state = store.open_state(
        {
            "bars or --symbol": [plan.trial.data_hash, [market.bars.symbol for market in plan.markets]],
            "settings or --profile": plan.trial.config_digest,
            "--seed": request.seed,
            "AGV2 sources": source_digest(),
        },
        {
            "started_ns": start.started_ns,
            "leak_checks": [asdict(check) for check in start.leak_checks],
            "earlier_trials": list(ledger.count_before(plan.trial).names),
            "ledger_begun_ns": start.ledger_begun_ns,
        },
    )
    if (request.out / "report.html").is_file():  # written last
        if tracker is not None:
            tell_finished_run(tracker, request.out, RunProgress([], quiet=request.quiet).note, quiet=request.quiet)
        return RunOutcome.read(request.out)
    store.add_seconds(seconds)
    count = ledger.count_before(plan.trial, among=state["earlier_trials"])
    subject, retrain = Subject(plan, store), plan.profile.robustness == "trained"
    works = check_works(subject, checks_of(plan), retrain=retrain)
    stages = stages_of(plan)
    stages[-1:-1] = works  # the report shows them
    if tracker is not None:
        stages.append(StageWork(TELLING, 5.0))
    with run_log(request.out, plan.trial), torch_threads(1), RunProgress(stages, quiet=request.quiet) as progress:
        for note in (*plan.notes, *(aside for market in plan.markets for aside in market.asides)):
            progress.note(note)
        with told_run(tracker, request.out, _known_before(plan), progress.note) as told:
            with task_pool(request.workers, plan, progress) as pool:
                walked = walk(plan, store, pool, progress)
            passed = [PassedCheck(**check) for check in state["leak_checks"]]
            first = RunStart(int(state["started_ns"]), passed, int(state["ledger_begun_ns"]))
            outcome = write_results(subject, walked, Trials(ledger, count), first, store.seconds(), progress)
            if told is not None:
                with progress.stage(TELLING):
                    tell_run(told, request.out)
        return outcome


def _known_before(plan: RunPlan) -> dict[str, str]:
    """What a tracking server is told of the run when it begins."""
    return {
        "symbols": ", ".join(market.bars.symbol for market in plan.markets),
        "profile": plan.profile_name,
        "seed": str(plan.request.seed),
        "config_digest": plan.trial.config_digest,
        "data_digest": plan.trial.data_hash,
    }

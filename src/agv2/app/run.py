"""`agv2 run`: from bars to an honest report, walking forward.

Stages: read and check → per fold: encoder, policies, out-of-sample account → evidence → bundle → report.
Nothing is written before every input has been checked, and each finished stage is on disk before the next begins.
"""

import time
from collections.abc import Mapping

from agv2.app.fold_walk import stages_of, walk
from agv2.app.progress import RunProgress, reading
from agv2.app.results import RunOutcome, Trials, write_results
from agv2.app.run_log import run_log
from agv2.app.run_plan import RunPlan, RunRequest, make_plan
from agv2.app.run_store import RunStore, require_fresh_directory
from agv2.backtest.provenance import source_digest
from agv2.backtest.trial_ledger import TrialLedger
from agv2.models.threads import torch_threads

__all__ = ["run"]


def run(request: RunRequest) -> RunOutcome:
    """Do the main job.

    Args:
        request: files, output directory, profile, seed and settings.

    Returns:
        Where the report is and what the verdict says.

    Raises:
        ConfigError: a setting or the output directory is wrong.
        DataError: a file cannot be used, or there are too few bars for the folds.
    """
    started_ns = request.clock.now_ns()
    require_fresh_directory(request.out, request.resume)
    began = time.monotonic()
    with reading(quiet=request.quiet):
        plan = make_plan(request)
    ledger, store = TrialLedger.open(), RunStore(request.out)
    with store.locked():
        return _carry_out(plan, store, ledger, started_ns, {"reading": time.monotonic() - began})


def _carry_out(
    plan: RunPlan, store: RunStore, ledger: TrialLedger, started_ns: int, seconds: Mapping[str, float]
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
        {"started_ns": started_ns, "earlier_trials": list(ledger.count_before(plan.trial).names)},
    )
    if (request.out / "report.html").is_file():  # written last
        return RunOutcome.read(request.out)
    store.add_seconds(seconds)
    count = ledger.count_before(plan.trial, among=state["earlier_trials"])
    stages = stages_of(plan)
    with run_log(request.out, plan.trial), torch_threads(1), RunProgress(stages, quiet=request.quiet) as progress:
        for note in plan.notes:
            progress.note(note)
        walked = walk(plan, store, progress)
        return write_results(plan, walked, Trials(ledger, count), int(state["started_ns"]), store.seconds(), progress)

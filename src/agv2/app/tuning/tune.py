"""From bars to tuned settings, and the evidence that they are worth anything."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from agv2.app.progress import waiting
from agv2.app.run_log import job_log
from agv2.app.tuning.page import tuning_page
from agv2.app.tuning.plan import StudyPlan, TuneRequest, make_study_plan, prepare_study
from agv2.app.tuning.report import TuningReport, tuning_report
from agv2.app.tuning.storage import open_storage
from agv2.app.tuning.study import StudyWatcher, carry_on, open_study
from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.trial_ledger import TrialLedger
from agv2.core.errors import ConfigError

__all__ = ["TuningOutcome", "tune"]


@dataclass(frozen=True, slots=True)
class TuningOutcome:
    """What a study left."""

    out: Path
    tuned: Path | None
    """Directory of the best settings; None before a trial was completed."""
    report: TuningReport


def tune(request: TuneRequest, watcher: StudyWatcher) -> TuningOutcome:
    """Search settings on the bars before the first test bar of the run that they are for.

    Leaves in the output directory `tuning.html`, `tuning.json` and `tuned/`, whose settings `agv2 run --config` takes.
    The same request goes on where a study was stopped.

    Args:
        request: files, settings, space and how long.
        watcher: told how it goes.

    Raises:
        ConfigError: a setting, an option or a directory is wrong, or the study of this name is another one.
        DataError: a file cannot be used, there are too few bars, or a server cannot be reached.
    """
    with waiting("reading bars, checking them and the space", quiet=request.quiet):
        plan = make_study_plan(request)
        _require_directory(plan.out)
        kept = open_storage(request.storage, plan.folder, plan.name)
    try:
        with waiting("opening the study", quiet=request.quiet):
            study = open_study(plan, kept)
            prepare_study(plan)
        ledger = TrialLedger.open()
        with job_log(plan.folder / "study.log", "study", plan.data_hash, dict(plan.identity)):
            try:
                carry_on(plan, study, kept, ledger, watcher)
            finally:  # what there is, an interrupt included
                counted = ledger.count_on(plan.data_hash)
                outcome = _written(plan, tuning_report(plan, study, kept.shown, counted))
        if not any(trial.state == "open" for trial in outcome.report.trials):
            shutil.rmtree(plan.folder / "work", ignore_errors=True)
    finally:
        kept.close()
    if outcome.tuned is None and outcome.report.trials:
        last = next((trial for trial in reversed(outcome.report.trials) if trial.reason), None)
        why = f"trial {last.number}: {last.reason}" if last is not None else "time ran out"
        raise ConfigError(f"--study {plan.name}: no trial was completed ({why}); the same command goes on")
    return outcome


def _require_directory(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be made ({error.strerror}); name another directory") from error


def _written(plan: StudyPlan, report: TuningReport) -> TuningOutcome:
    tuned = None
    if report.best is not None:
        tuned = plan.out / "tuned"
        plan.settings(report.best.parameters).save(tuned)
        plan.record(len(report.distinct)).write(tuned)
    write_atomically(plan.out / "tuning.json", json.dumps(report.document(), indent=1, allow_nan=False) + "\n")
    write_atomically(plan.out / "tuning.html", tuning_page(report))
    return TuningOutcome(plan.out, tuned, report)

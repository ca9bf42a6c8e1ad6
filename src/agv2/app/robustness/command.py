"""Checks of a finished run, asked for by a person."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agv2.app.progress import RunProgress, StageWork, waiting
from agv2.app.robustness.checks import CHECKS, carry_out_checks, check_works
from agv2.app.robustness.subject import open_run
from agv2.app.run_log import job_log
from agv2.backtest.report.page import render_report, write_report
from agv2.models.threads import torch_threads

__all__ = ["check_run"]


def check_run(
    run: Path,
    only: Sequence[str],
    history: Sequence[Path],
    bars: Sequence[Path],
    *,
    retrain: bool = False,
    quiet: bool = False,
) -> dict[str, dict[str, Any]]:
    """Do the checks, write their files into the run and draw its report again.

    Args:
        run: directory of a finished run.
        only: the checks; none for all.
        history: further bars in which crises may be found.
        bars: the run's own files, where they have moved.
        retrain: train the last fold anew, too.
        quiet: show no progress.

    Returns:
        What each file holds.

    Raises:
        DataError: there is no finished run in `run`, or bars are missing, others, or cannot be used.
        ConfigError: another process works on the run.
    """
    render_report(run)  # refuses what is no finished run before an hour is spent on it
    with waiting("reading the run's bars, computing features", quiet=quiet):
        subject = open_run(run, bars, quiet=quiet)
    checks = tuple(check for check in CHECKS if not only or check in only)
    works = [*check_works(subject, checks, retrain=retrain), StageWork("report", 4.0)]
    trial = subject.plan.trial
    log = job_log(
        run / "folds" / "run.log", "robustness", trial.trial_hash, {"checks": list(checks), "retrain": retrain}
    )
    with subject.store.locked(), log, torch_threads(1), RunProgress(works, quiet=quiet) as progress:
        for note in subject.notes:
            progress.note(note)
        found = carry_out_checks(subject, checks, progress, files=history, retrain=retrain)
        with progress.stage("report"):
            write_report(run)
    return found

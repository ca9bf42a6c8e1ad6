"""The checks of `agv2 robustness`, each into a file of its own under `RUN/robustness`."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from agv2.app.progress import RunProgress, StageWork
from agv2.app.robustness.ablation import ablation_results
from agv2.app.robustness.retraining import retrained_results, retrained_works
from agv2.app.robustness.seeds import seed_results
from agv2.app.robustness.sensitivity import sensitivity_results
from agv2.app.robustness.stress import stress_results
from agv2.app.robustness.subject import Subject
from agv2.app.run_plan import RunPlan
from agv2.backtest.atomic_files import write_atomically

__all__ = ["CHECKS", "CheckName", "carry_out_checks", "check_works", "checks_of"]

CheckName = Literal["stress", "ablation", "sensitivity", "seeds"]
CHECKS: tuple[CheckName, ...] = ("stress", "ablation", "sensitivity", "seeds")

SCHEMA = 1
_RETRAINED = ("ablation", "sensitivity")
_WEIGHTS = {"stress": 20.0, "ablation": 30.0, "sensitivity": 40.0, "seeds": 5.0}
_NO_TRIALS = (
    "not recorded as trials: nothing was chosen by these figures, and the verdict is of the run as it was. Whoever "
    "sets what looks best here has chosen among all rows: the ledger then counts one more trial, and knows nothing of "
    "the others"
)


def checks_of(plan: RunPlan) -> tuple[CheckName, ...]:
    """The checks that a run of this profile does by itself."""
    return CHECKS if plan.profile.robustness != "none" else ()


def check_works(subject: Subject, checks: Sequence[CheckName], *, retrain: bool) -> list[StageWork]:
    """The stages of `carry_out_checks` in order, with their weights for the progress bar."""
    works = []
    for check in checks:
        works.append(StageWork(_label(check), _WEIGHTS[check]))
        if retrain and check in _RETRAINED:
            works += retrained_works(subject, check)
    return works


def carry_out_checks(
    subject: Subject,
    checks: Sequence[CheckName],
    progress: RunProgress,
    *,
    files: Sequence[Path] = (),
    retrain: bool = False,
    resume: bool = False,
) -> dict[str, dict[str, Any]]:
    """Do the checks and write `robustness/CHECK.json` after each.

    Args:
        subject: the run.
        checks: which, in order.
        progress: with the stages of `check_works`.
        files: further bars in which crises may be found.
        retrain: train the last fold anew for ablations and settings, too.
        resume: take what is on disk for done.

    Raises:
        DataError: a file cannot be used, or the run lacks models.
    """
    found: dict[str, dict[str, Any]] = {}
    for check in checks:
        path = subject.plan.request.out / "robustness" / f"{check}.json"
        if resume and path.is_file():
            found[check] = json.loads(path.read_text(encoding="utf-8"))
            for work in check_works(subject, [check], retrain=retrain):
                progress.skip(work.label)
            continue
        began = time.monotonic()
        with progress.stage(_label(check)):
            results = _results(subject, check, files, progress)
        if retrain and check in _RETRAINED:
            results["retrained"] = retrained_results(subject, check, progress)
        document = {
            "schema": SCHEMA,
            "check": check,
            "seed": subject.plan.request.seed,
            "notes": list(subject.notes),
            "trials_recorded": 0,
            "about_trials": _NO_TRIALS,
            **results,
            "runtime_s": round(time.monotonic() - began, 3),
        }
        write_atomically(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        found[check] = document
    return found


def _results(subject: Subject, check: CheckName, files: Sequence[Path], progress: RunProgress) -> dict[str, Any]:
    if check == "stress":
        return stress_results(subject, files, progress.update)
    of_check = {"ablation": ablation_results, "sensitivity": sensitivity_results, "seeds": seed_results}
    return of_check[check](subject, progress.update, progress.note)


def _label(check: CheckName) -> str:
    return f"robustness: {check}"

"""A trial as a task: any process may do it, on this machine or on another."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from agv2.app.tuning.drawing import Yardstick
from agv2.app.tuning.score import score
from agv2.app.tuning.trial import MeasuredFold, TrialTask
from agv2.app.workers.tasks import Workplace
from agv2.backtest.atomic_files import write_atomically
from agv2.core.errors import AGV2Error, InvariantError

__all__ = ["StudyFiles", "TrialResult", "carry_out_trial", "study_files"]


@dataclass(frozen=True, slots=True)
class StudyFiles:
    """What all trials of a study read, and how a fold is measured."""

    contents: tuple[tuple[Path, bytes], ...]
    """Bars and settings, for a machine that does not see this one's files; empty where nobody but this one works."""
    measure: Callable[..., MeasuredFold]

    def lay_out(self) -> None:
        """Write what is missing here."""
        for path, content in self.contents:
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How a trial went."""

    folds: tuple[MeasuredFold, ...]
    state: Literal["complete", "pruned", "failed", "open"]
    """`open`: time ran out."""
    reason: str
    """Of a failure."""
    scores: tuple[float, ...]
    """After each fold, of all days so far."""
    rungs: dict[str, Any]
    """What the pruner wants to remember."""


def study_files(task: TrialTask, measure: Callable[..., MeasuredFold], *, travel: bool) -> StudyFiles:
    """What the trials of a study read.

    Args:
        task: any of them.
        measure: measures a fold.
        travel: the contents go with the tasks.
    """
    paths = [*task.bars, *sorted(task.config_dir.iterdir())] if travel else []
    return StudyFiles(tuple((path, path.read_bytes()) for path in paths), measure)


def carry_out_trial(
    place: Workplace[StudyFiles], task: TrialTask, yardstick: Yardstick, budget_s: float | None
) -> TrialResult:
    """Task: measure fold after fold until the trial is whole or falls behind.

    Args:
        place: where it is done.
        task: the trial.
        yardstick: tells when it has fallen behind.
        budget_s: no fold is begun later than this, but the first.

    Raises:
        InvariantError: AGV2 itself is wrong.
    """
    began = time.monotonic()
    place.shared.lay_out()
    folds: list[MeasuredFold] = []
    scores: list[float] = []
    rungs: dict[str, Any] = {}
    try:
        for fold in range(1, task.n_folds + 1):
            if budget_s is not None and fold > 1 and time.monotonic() - began >= budget_s:
                return TrialResult(tuple(folds), "open", "", tuple(scores), rungs)

            def told(share: float, words: str, done: int = fold - 1) -> None:
                place.telling.update((done + share) / task.n_folds, f"fold {done + 1} of {task.n_folds}: {words}")

            folds.append(place.shared.measure(task, fold, told))
            scores.append(score(folds, yardstick.tuning.measure))
            if fold < task.n_folds:
                ends, remembered = yardstick.judged(scores)
                rungs = dict(remembered)
                if ends:
                    return TrialResult(tuple(folds), "pruned", "", tuple(scores), rungs)
    except InvariantError:
        raise
    except (AGV2Error, ArithmeticError, ValueError, RuntimeError, MemoryError) as error:
        structlog.get_logger().warning("trial failed", exc_info=True)
        return TrialResult(tuple(folds), "failed", str(error) or type(error).__name__, tuple(scores), rungs)
    return TrialResult(tuple(folds), "complete", "", tuple(scores), rungs)

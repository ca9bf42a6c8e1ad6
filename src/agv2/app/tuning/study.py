"""A study: trial after trial until there are enough, each one kept, none evaluated twice, all of them counted.

Trials are drawn in rounds (`drawing`), one after the other in this process or a whole round at once by `--workers`,
and written down in the order of their numbers: the study is the same either way.
"""

import json
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

import structlog

from agv2.app.tuning.drawing import RUNGS, drawn_trial, yardstick
from agv2.app.tuning.plan import StudyPlan
from agv2.app.tuning.score import joined, score
from agv2.app.tuning.shown_trials import ShownTrials
from agv2.app.tuning.space import Value
from agv2.app.tuning.storage import StudyStorage
from agv2.app.tuning.trial import measured_fold
from agv2.app.tuning.trial_task import TrialResult, carry_out_trial, study_files
from agv2.app.workers.opening import task_pool
from agv2.app.workers.tasks import Pending, Task, TaskPool
from agv2.backtest.trial_ledger import TrialLedger
from agv2.core.errors import ConfigError, InvariantError

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = ["StudyWatcher", "best_of", "carry_on", "open_study"]

_IDENTITY = "identity"
_DIGEST, _REASON, _REPEATS, _SCORES = "config_digest", "reason", "repeats", "fold_scores"  # as reports read them


class StudyWatcher(Protocol):
    """Told how a study goes."""

    def began(self, done: int, total: int) -> None:
        """Trials that were there before, and those that there will be."""

    def moved(self, number: int, share: float, words: str) -> None:
        """How far a trial is, 0 to 1."""

    def ended(self, trial: "FrozenTrial", best: "FrozenTrial | None") -> None:
        """A trial, and the best so far."""


def open_study(plan: StudyPlan, kept: StudyStorage) -> "optuna.Study":
    """The study of this name, made where it is missing; its first trial is the settings as they are.

    Raises:
        ConfigError: one of this name was begun with other bars, settings or seed.
    """
    import optuna

    identity = json.dumps(plan.identity, sort_keys=True)
    with kept.claims.deciding():
        study = optuna.create_study(
            storage=kept.storage, study_name=plan.name, direction="maximize", load_if_exists=True,
            sampler=optuna.samplers.RandomSampler(0),  # what trials try is drawn elsewhere
        )  # fmt: skip
        found = study.user_attrs.get(_IDENTITY)
        if found is None:
            study.set_user_attr(_IDENTITY, identity)
            study.enqueue_trial(dict(plan.space.current))
        elif found != identity:
            before = json.loads(found)
            changed = [name for name, value in plan.identity.items() if before.get(name) != value]
            raise ConfigError(
                f"--study {plan.name}: it was begun with other {', '.join(changed)}; repeat the command it was begun "
                "with, or give another name"
            )
    return study


def carry_on(
    plan: StudyPlan, study: "optuna.Study", kept: StudyStorage, ledger: TrialLedger, watcher: StudyWatcher
) -> None:
    """Try settings until the study has as many trials as were asked for, or time is up.

    A trial that a killed process left is taken up where it was. Time that runs out, like an interrupt, leaves the
    present ones to a later call.

    Args:
        plan: of the study.
        study: opened.
        kept: where.
        ledger: counts every trial that measured something.
        watcher: told how it goes.

    Raises:
        InvariantError: AGV2 itself is wrong; the trial stays open.
        ConfigError: `--workers` cannot be had.
    """
    deadline = time.monotonic() + plan.request.timeout_s if plan.request.timeout_s is not None else None
    workers = plan.request.workers
    watcher.began(len(_finished(study)), plan.request.n_trials)
    files = study_files(plan.task(plan.space.current), measured_fold, travel=workers is not None)
    with task_pool(workers, files, ShownTrials(watcher)) as pool:
        while deadline is None or time.monotonic() < deadline:
            with kept.claims.deciding():
                taken = _next_trials(plan, study, kept, 1 if workers is None else plan.tuning.at_once)
            try:
                left = None if deadline is None else deadline - time.monotonic()
                numbers = [trial.number for trial in taken]
                begun = [_begun(plan, study, trial, numbers, pool, left) for trial in taken]
                for trial, pending in zip(taken, begun, strict=True):
                    if not _ended(plan, study, trial, pending, numbers, ledger):
                        return
                    _tell(study, trial.number, watcher)
            finally:
                for trial in taken:
                    kept.claims.release(trial.number)
            if not taken:
                return


def best_of(study: "optuna.Study") -> "FrozenTrial | None":
    """The finished trial of the highest score, the first where several have it; None before there is one."""
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    return max(done, key=lambda trial: (trial.value, -trial.number)) if done else None


def _finished(study: "optuna.Study") -> "list[FrozenTrial]":
    return [trial for trial in study.trials if trial.state.is_finished()]


def _next_trials(plan: StudyPlan, study: "optuna.Study", kept: StudyStorage, most: int) -> "list[optuna.Trial]":
    """Of one round, those left by a process that is gone, then new ones, `most` in all; none where there are enough.

    They are claimed.
    """
    import optuna

    known, taken = study.trials, list["optuna.Trial"]()
    round_of = plan.tuning.at_once
    for frozen in known:
        other_round = bool(taken) and frozen.number // round_of != taken[0].number // round_of
        if len(taken) == most or other_round or frozen.state.name != "RUNNING" or not kept.claims.claim(frozen.number):
            continue
        if study.trials[frozen.number].state.name == "RUNNING":
            taken.append(optuna.trial.Trial(study, frozen._trial_id))  # Optuna's own way to go on with one
        else:
            kept.claims.release(frozen.number)
    number = sum(trial.state.name != "WAITING" for trial in known)
    began = (taken[0].number if taken else number) // round_of * round_of
    while len(taken) < most and number < min(plan.request.n_trials, began + round_of):
        trial = drawn_trial(plan, study, number)
        if not kept.claims.claim(trial.number):
            raise InvariantError(f"trial {trial.number} is new, and claimed")
        taken.append(trial)
        number += 1
    return taken


def _begun(
    plan: StudyPlan,
    study: "optuna.Study",
    trial: "optuna.Trial",
    together: Collection[int],
    pool: TaskPool,
    budget_s: float | None,
) -> Pending[TrialResult] | None:
    """The trial handed to a worker; None where its settings contradict each other, or were tried: it need not be."""
    parameters: dict[str, Value] = dict(trial.params)
    try:
        digest = plan.trial(parameters).config_digest
    except ConfigError as error:
        trial.set_user_attr(_REASON, _one_line(str(error)))
        return None
    trial.set_user_attr(_DIGEST, digest)
    if _twin(study, trial.number, digest, together) is not None:
        return None
    inputs = (plan.task(parameters), yardstick(plan, study, trial.number), budget_s)
    return pool.begin(Task(f"trial {trial.number}", carry_out_trial, inputs, lambda result: None))


def _ended(
    plan: StudyPlan,
    study: "optuna.Study",
    trial: "optuna.Trial",
    pending: Pending[TrialResult] | None,
    together: Collection[int],
    ledger: TrialLedger,
) -> bool:
    """Whether the trial was brought to an end, good or bad; not where time ran out."""
    from optuna.trial import TrialState

    if pending is None:
        digest = study.trials[trial.number].user_attrs.get(_DIGEST)
        twin = _twin(study, trial.number, digest, together) if digest is not None else None
        if twin is None:
            study.tell(trial, state=TrialState.FAIL)
        else:
            _repeat(study, trial, twin)
        return True
    result = pending.result()
    if result.state == "open":
        return False
    if result.folds:
        trial.set_user_attr(_SCORES, [score([each], plan.tuning.measure) for each in result.folds])
        trial.set_user_attr(RUNGS, result.rungs)
    for fold, reached in enumerate(result.scores, 1):
        if fold not in study.trials[trial.number].intermediate_values:
            trial.report(reached, fold)
    if result.state == "failed":
        trial.set_user_attr(_REASON, _one_line(result.reason))
        study.tell(trial, state=TrialState.FAIL)
    elif result.state == "pruned":
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, result.scores[-1])
    counted = plan.trial(dict(trial.params))
    if result.folds and not ledger.has(counted):  # a run of these settings has said more than a study of them can
        ledger.record(counted, *joined(result.folds))
    return True


def _tell(study: "optuna.Study", number: int, watcher: StudyWatcher) -> None:
    frozen = study.trials[number]
    structlog.get_logger().info(
        "trial ended", trial=number, state=frozen.state.name, score=frozen.value,
        reason=frozen.user_attrs.get(_REASON), parameters=frozen.params,
    )  # fmt: skip
    watcher.ended(frozen, best_of(study))


def _twin(study: "optuna.Study", number: int, digest: str, together: Collection[int]) -> "FrozenTrial | None":
    """An earlier trial of the same settings that is finished, or that will be before this one's turn comes."""
    same = (
        trial
        for trial in study.trials[:number]
        if trial.user_attrs.get(_DIGEST) == digest and (trial.state.is_finished() or trial.number in together)
    )
    return next(same, None)


def _repeat(study: "optuna.Study", trial: "optuna.Trial", twin: "FrozenTrial") -> None:
    """End a trial as its twin ended; nothing is evaluated."""
    trial.set_user_attr(_REPEATS, twin.number)
    for name in (_SCORES, _REASON):
        if name in twin.user_attrs:
            trial.set_user_attr(name, twin.user_attrs[name])
    study.tell(trial, twin.value if twin.state.name == "COMPLETE" else None, twin.state)


def _one_line(reason: str) -> str:
    return " ".join(reason.split())[:500]

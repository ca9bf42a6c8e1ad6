"""A study: trial after trial until there are enough, each one kept, none evaluated twice, all of them counted.

The sampler is seeded anew for every trial, by the number of the trial: what it draws depends on the trials before and
on the seed, and not on how often the study was stopped in between.
"""

import json
import time
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from agv2.app.tuning.plan import StudyPlan
from agv2.app.tuning.score import joined, score
from agv2.app.tuning.space import Value
from agv2.app.tuning.storage import StudyStorage
from agv2.app.tuning.trial import MeasuredFold, TrialTask, measured_fold
from agv2.backtest.trial_ledger import TrialLedger
from agv2.core.errors import AGV2Error, ConfigError, InvariantError
from agv2.utils.seeding import spawn_seed

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
            pruner=_pruner(plan), sampler=_sampler(plan, 0),
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
    present one to a later call.

    Args:
        plan: of the study.
        study: opened.
        kept: where.
        ledger: counts every trial that measured something.
        watcher: told how it goes.

    Raises:
        InvariantError: AGV2 itself is wrong; the trial stays open.
    """
    deadline = time.monotonic() + plan.request.timeout_s if plan.request.timeout_s is not None else None
    watcher.began(len(_finished(study)), plan.request.n_trials)
    while deadline is None or time.monotonic() < deadline:
        with kept.claims.deciding():
            trial = _next_trial(plan, study, kept)
        if trial is None:
            return
        try:
            if not _carried_out(plan, study, trial, ledger, watcher, deadline):
                return
        finally:
            kept.claims.release(trial.number)
        frozen = study.trials[trial.number]
        structlog.get_logger().info(
            "trial ended", trial=trial.number, state=frozen.state.name, score=frozen.value,
            reason=frozen.user_attrs.get(_REASON), parameters=frozen.params,
        )  # fmt: skip
        watcher.ended(frozen, best_of(study))


def best_of(study: "optuna.Study") -> "FrozenTrial | None":
    """The finished trial of the highest score, the first where several have it; None before there is one."""
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    return max(done, key=lambda trial: (trial.value, -trial.number)) if done else None


def _finished(study: "optuna.Study") -> "list[FrozenTrial]":
    return [trial for trial in study.trials if trial.state.is_finished()]


def _next_trial(plan: StudyPlan, study: "optuna.Study", kept: StudyStorage) -> "optuna.Trial | None":
    """One that was left by a process that is gone, else a new one; None where there are enough. It is claimed."""
    import optuna

    known = study.trials
    for frozen in known:
        if frozen.state.name == "RUNNING" and kept.claims.claim(frozen.number):
            if study.trials[frozen.number].state.name == "RUNNING":
                return optuna.trial.Trial(study, frozen._trial_id)  # Optuna's own way to go on with one
            kept.claims.release(frozen.number)
    number = sum(trial.state.name != "WAITING" for trial in known)
    if number >= plan.request.n_trials:
        return None
    study.sampler = _sampler(plan, number)
    trial = study.ask(plan.space.distributions())
    if not kept.claims.claim(trial.number):
        raise InvariantError(f"trial {trial.number} is new, and claimed")
    return trial


def _carried_out(
    plan: StudyPlan,
    study: "optuna.Study",
    trial: "optuna.Trial",
    ledger: TrialLedger,
    watcher: StudyWatcher,
    deadline: float | None,
) -> bool:
    """Whether the trial was brought to an end, good or bad; not where time ran out."""
    from optuna.trial import TrialState

    parameters: dict[str, Value] = dict(trial.params)
    try:
        counted = plan.trial(parameters)
    except ConfigError as error:
        _fail(study, trial, str(error))
        return True
    trial.set_user_attr(_DIGEST, counted.config_digest)
    twin = _twin(study, trial.number, counted.config_digest)
    if twin is not None:
        _repeat(study, trial, twin)
        return True
    measured: list[MeasuredFold] = []
    task, pruned = plan.task(parameters), False
    try:
        for fold in range(1, task.n_folds + 1):
            if deadline is not None and fold > 1 and time.monotonic() >= deadline:
                return False
            measured.append(measured_fold(task, fold, _telling(watcher, trial.number, fold, task)))
            reached = score(measured, plan.tuning.measure)
            trial.set_user_attr(_SCORES, [score([each], plan.tuning.measure) for each in measured])
            if fold not in study.trials[trial.number].intermediate_values:
                trial.report(reached, fold)
            pruned = fold < task.n_folds and trial.should_prune()
            if pruned:
                break
    except InvariantError:
        raise
    except (AGV2Error, ArithmeticError, ValueError, RuntimeError, MemoryError) as error:
        structlog.get_logger().warning("trial failed", trial=trial.number, exc_info=True)
        _fail(study, trial, str(error) or type(error).__name__)
    else:
        study.tell(trial, None if pruned else reached, TrialState.PRUNED if pruned else TrialState.COMPLETE)
    if measured and not ledger.has(counted):  # a run of these settings has said more than a study of them can
        ledger.record(counted, *joined(measured))
    return True


def _telling(watcher: StudyWatcher, number: int, fold: int, task: TrialTask) -> Any:
    def told(share: float, words: str) -> None:
        watcher.moved(number, (fold - 1 + share) / task.n_folds, f"fold {fold} of {task.n_folds}: {words}")

    return told


def _twin(study: "optuna.Study", number: int, digest: str) -> "FrozenTrial | None":
    """An earlier, finished trial of the same settings."""
    same = (
        trial
        for trial in study.trials[:number]
        if trial.state.is_finished() and trial.user_attrs.get(_DIGEST) == digest
    )
    return next(same, None)


def _repeat(study: "optuna.Study", trial: "optuna.Trial", twin: "FrozenTrial") -> None:
    """End a trial as its twin ended; nothing is evaluated."""
    trial.set_user_attr(_REPEATS, twin.number)
    for name in (_SCORES, _REASON):
        if name in twin.user_attrs:
            trial.set_user_attr(name, twin.user_attrs[name])
    study.tell(trial, twin.value if twin.state.name == "COMPLETE" else None, twin.state)


def _fail(study: "optuna.Study", trial: "optuna.Trial", reason: str) -> None:
    from optuna.trial import TrialState

    trial.set_user_attr(_REASON, " ".join(reason.split())[:500])
    study.tell(trial, state=TrialState.FAIL)


def _sampler(plan: StudyPlan, number: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import TPESampler

    seed = spawn_seed(plan.request.seed, f"tuning sampler {number}")
    return TPESampler(seed=seed, n_startup_trials=plan.tuning.startup_trials, multivariate=True)


def _pruner(plan: StudyPlan) -> "optuna.pruners.BasePruner":
    from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

    if plan.tuning.pruner == "median":
        return MedianPruner(n_startup_trials=plan.tuning.startup_trials, n_warmup_steps=1)
    if plan.tuning.pruner == "halving":
        return SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    return NopPruner()

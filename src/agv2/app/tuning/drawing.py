"""What a trial tries, and when it is given up: worked out from the trials of earlier rounds, and from nothing else.

Trials are drawn in rounds of `at_once`. Those of one round do not know of each other, so that it is the same whether
they are done one after the other or together, and in which order they end. The sampler is seeded anew for every
trial, by its number: what it draws does not depend on how often the study was stopped in between either.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agv2.app.tuning.config import TuningConfig
from agv2.app.tuning.plan import StudyPlan
from agv2.utils.seeding import spawn_seed

if TYPE_CHECKING:
    import optuna
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial, Trial

__all__ = ["RUNGS", "Yardstick", "drawn_trial", "yardstick"]

RUNGS = "rungs"
"""Under this name a trial keeps what the halving pruner remembers of it."""


class Yardstick(NamedTuple):
    """What a trial is held against while it works."""

    tuning: TuningConfig
    earlier: "tuple[FrozenTrial, ...]"
    """Finished trials of earlier rounds."""

    def judged(self, scores: Sequence[float]) -> tuple[bool, Mapping[str, Any]]:
        """Whether a trial of these scores after each fold is to end, and what the pruner wants to remember of it."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seen = optuna.create_study(direction="maximize", pruner=_pruner(self.tuning))
        seen.add_trials(self.earlier)
        trial, ends = seen.ask(), False
        for fold, score in enumerate(scores, 1):
            trial.report(score, fold)
            ends = trial.should_prune()
        return ends, seen.trials[trial.number].system_attrs


def yardstick(plan: StudyPlan, study: "optuna.Study", number: int) -> Yardstick:
    """What trial `number` is held against."""
    from optuna.trial import create_trial

    first = number // plan.tuning.at_once * plan.tuning.at_once
    earlier = (trial for trial in study.trials[:first] if trial.state.is_finished())
    copies = (
        create_trial(
            state=trial.state, value=trial.value, params=trial.params, distributions=trial.distributions,
            intermediate_values=trial.intermediate_values, system_attrs=trial.user_attrs.get(RUNGS, {}),
        )
        for trial in earlier
    )  # fmt: skip
    return Yardstick(plan.tuning, tuple(copies))


def drawn_trial(plan: StudyPlan, study: "optuna.Study", number: int) -> "Trial":
    """The next trial of the study, `number`; the very first is there already, and waits."""
    import optuna

    if not any(trial.state.name == "WAITING" for trial in study.trials):
        seed = spawn_seed(plan.request.seed, f"tuning sampler {number}")
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=plan.tuning.startup_trials, multivariate=True)
        seen = optuna.create_study(direction="maximize", sampler=sampler)
        seen.add_trials(yardstick(plan, study, number).earlier)
        study.enqueue_trial(seen.ask(plan.space.distributions()).params)
    return study.ask(plan.space.distributions())


def _pruner(tuning: TuningConfig) -> "BasePruner":
    from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

    if tuning.pruner == "median":
        return MedianPruner(n_startup_trials=tuning.startup_trials, n_warmup_steps=1)
    if tuning.pruner == "halving":
        return SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    return NopPruner()

"""What a study found, as values and as `tuning.json`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agv2.app.tuning.plan import StudyPlan
from agv2.app.tuning.space import Value
from agv2.app.tuning.study import best_of
from agv2.backtest.significance import expected_best_sharpe

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = ["Importance", "TriedSettings", "TuningReport", "tuning_report"]

SCHEMA = 1
_LEAST_FOR_IMPORTANCE = 6


@dataclass(frozen=True, slots=True)
class TriedSettings:
    """One trial."""

    number: int
    state: str
    """`complete`, `pruned`, `failed` or `open`."""
    score: float | None
    """Of all folds together; of a pruned trial of those that it had; None where it measured nothing."""
    fold_scores: tuple[float, ...]
    parameters: Mapping[str, Value]
    reason: str
    """Why it failed."""
    repeats: int | None
    """An earlier trial of the same settings, whose outcome this is."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Share of a setting in what made trials differ."""

    parameter: str
    of_all: float
    """fANOVA: of the variance of scores over the whole space."""
    of_best: float | None
    """PED-ANOVA: in what tells the best tenth from the others; None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class TuningReport:
    """Everything there is to show and to store."""

    plan: StudyPlan
    storage: str
    trials: tuple[TriedSettings, ...]
    best: TriedSettings | None
    importances: tuple[Importance, ...]
    """By `of_all`, falling; none below six trials that differ."""
    counted: int
    """Trials that the ledger holds on the bars of the run, this study's among them."""

    @property
    def current(self) -> TriedSettings | None:
        """The trial of the settings as they were; None before it is done."""
        return self.trials[0] if self.trials and self.trials[0].state == "complete" else None

    @property
    def gain(self) -> float | None:
        """What the best has over the settings as they were; None where one of them is missing."""
        if self.best is None or self.current is None or self.best.score is None or self.current.score is None:
            return None
        return self.best.score - self.current.score

    @property
    def distinct(self) -> list[TriedSettings]:
        """The trials that measured something, each setting once."""
        return [each for each in self.trials if each.repeats is None and each.fold_scores]

    @property
    def over_mean(self) -> float | None:
        """What the best has over the mean of all that were measured whole."""
        scores = self._whole()
        return max(scores) - math.fsum(scores) / len(scores) if scores else None

    @property
    def by_luck(self) -> float | None:
        """The same as luck alone would make it, if scores differed by chance only; None below three of them."""
        scores = self._whole()
        return expected_best_sharpe(len(scores), float(np.var(scores, ddof=1))) if len(scores) > 2 else None

    @property
    def hurdle(self) -> float:
        """Annualised Sharpe ratio that the best of all counted trials would show on the run's tests without skill."""
        per_day = expected_best_sharpe(self.counted, 1.0 / max(self.plan.test_days - 1, 1))
        return per_day * math.sqrt(self.plan.days_per_year)

    def document(self) -> dict[str, Any]:
        """The report as `tuning.json` holds it; null where a number is undefined."""
        plan = self.plan
        return {
            "schema": SCHEMA,
            "study": plan.name,
            "symbols": list(plan.symbols),
            "profile": plan.profile,
            "seed": plan.request.seed,
            "measure": plan.tuning.measure,
            "folds": plan.task({}).n_folds,
            "bars_seen": {bars.symbol: len(bars) for bars in plan.seen},
            "data_end_ns": plan.data_end_ns,
            "first_test_ns": plan.first_test_ns,
            "trials": [
                {
                    "trial": each.number, "state": each.state, "score": each.score,
                    "fold_scores": list(each.fold_scores), "parameters": dict(each.parameters),
                    "reason": each.reason or None, "repeats": each.repeats,
                }
                for each in self.trials
            ],
            "best": None if self.best is None else self.best.number,
            "gain": self.gain,
            "best_over_mean": self.over_mean,
            "best_over_mean_by_luck": self.by_luck,
            "importances": {each.parameter: [each.of_all, each.of_best] for each in self.importances},
            "trials_counted": self.counted,
            "sharpe_expected_of_luck": self.hurdle,
            "notes": list(plan.notes),
        }  # fmt: skip

    def _whole(self) -> list[float]:
        return [each.score for each in self.distinct if each.state == "complete" and each.score is not None]


def tuning_report(plan: StudyPlan, study: "optuna.Study", storage: str, counted: int) -> TuningReport:
    """The study as it is.

    Args:
        plan: of the study.
        study: with its trials.
        storage: where it is kept, without a password.
        counted: trials that the ledger holds on the bars of the run.
    """
    trials = tuple(_tried(each) for each in study.trials if each.state.name != "WAITING")
    best = best_of(study)
    return TuningReport(
        plan, storage, trials, None if best is None else trials[best.number], _importances(plan, study), counted
    )


def _tried(trial: "FrozenTrial") -> TriedSettings:
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    scores = tuple(map(float, trial.user_attrs.get("fold_scores", ())))
    reached = trial.value if trial.value is not None else trial.intermediate_values.get(len(scores))
    return TriedSettings(
        number=trial.number,
        state=states.get(trial.state.name, "open"),
        score=None if reached is None else float(reached),
        fold_scores=scores,
        parameters=dict(trial.params),
        reason=str(trial.user_attrs.get("reason", "")),
        repeats=trial.user_attrs.get("repeats"),
    )


def _importances(plan: StudyPlan, study: "optuna.Study") -> tuple[Importance, ...]:
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    values = [trial.value for trial in study.trials if trial.state.name == "COMPLETE"]
    if len(values) < _LEAST_FOR_IMPORTANCE or len(set(values)) < 2:
        return ()
    of_all = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=plan.request.seed))
    try:
        of_best = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError):  # too few trials, or all of them alike
        of_best = {}
    found = [
        Importance(name, float(share), float(of_best[name]) if name in of_best else None)
        for name, share in of_all.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.of_all, each.parameter)))

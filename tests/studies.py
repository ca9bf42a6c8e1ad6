"""Fixtures: studies whose trials take no time, because what a fold earns is a formula of its settings."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.run_plan import RunPlan, RunRequest, make_plan
from agv2.app.tuning import plan as plan_module
from agv2.app.tuning import study as study_module
from agv2.app.tuning.plan import StudyPlan, TuneRequest, make_study_plan, prepare_study
from agv2.app.tuning.report import TuningReport, tuning_report
from agv2.app.tuning.storage import open_storage
from agv2.app.tuning.study import carry_on, open_study
from agv2.app.tuning.trial import MeasuredFold, TrialTask
from agv2.backtest.trial_ledger import TrialLedger
from agv2.utils.config import parse_override

__all__ = ["SETTINGS", "FoldFormula", "Watched", "studied"]

SETTINGS = tuple(
    parse_override(text)
    for text in (
        "encoder.window=66", "encoder.channels=8", "encoder.embedding_dim=16",
        "rl_policy.n_books=16", "rl_policy.n_steps=16", "rl_policy.batch_size=64", "rl_policy.n_evaluations=1",
        "rl_policy.hindsight.blocks=2", "rl_policy.net_arch=[8]", "encoder.chunk=128", "encoder.evaluations=1",
        "tuning.startup_trials=3",
        "tuning.space.rl_policy.gamma={low: 0.9, high: 0.99}",
        "tuning.space.rl_policy.n_epochs={low: 2, high: 8}",
    )
)  # fmt: skip
"""A network that trains in a second, and two settings to tune."""


@dataclass
class Watched:
    """What a study told its watcher."""

    ended_trials: list[int] = field(default_factory=list)

    def began(self, done: int, total: int) -> None:
        """Not kept."""

    def moved(self, number: int, share: float, words: str) -> None:
        """Not kept."""

    def ended(self, trial: Any, best: Any) -> None:
        """Keeps the number."""
        self.ended_trials.append(trial.number)


@dataclass
class FoldFormula:
    """Stands in for training and trading: days of noise, and an edge that grows with gamma."""

    before: Callable[[TrialTask, int], None] = lambda task, fold: None
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, task: TrialTask, fold: int, told: Any) -> MeasuredFold:
        """As `measured_fold`."""
        self.before(task, fold)
        self.asked.append((task.digest, fold))
        told(1.0, "formula")
        settings = dict(task.parameters)
        gamma = settings["rl_policy.gamma"]
        assert isinstance(gamma, float)
        noise = np.random.default_rng(fold).standard_normal(40) * 0.01
        returns = noise + 0.05 * (gamma - 0.95) + 0.0001 * float(settings["rl_policy.n_epochs"] or 0)
        days = tuple(range(40 * fold, 40 * fold + 40))
        return MeasuredFold(days, tuple(returns.tolist()), tuple(noise.tolist()), 365.0)


_PLANS: list[tuple[RunRequest, RunPlan]] = []


def _run_plan(request: RunRequest) -> RunPlan:
    """As `make_plan`, which takes a second, once for each request but for its clock."""
    found = next((plan for known, plan in _PLANS if replace(known, clock=request.clock) == request), None)
    if found is None:
        found = make_plan(request)
        _PLANS.append((request, found))
    return found


def studied(
    patch: pytest.MonkeyPatch, bars: Path, home: Path, formula: FoldFormula | None, watched: Watched, **options: Any
) -> tuple[StudyPlan, TuningReport]:
    """A study as `agv2 tune` does it, without what it writes at the end.

    Args:
        patch: undone after the test.
        bars: of one market.
        home: of the project.
        formula: in place of training; None: trials are real.
        watched: told how it goes.
        options: of the request.
    """
    patch.setenv("AGV2_SMOKE", "1")
    patch.setenv("AGV2_HOME", str(home))
    patch.delenv("DATABASE_URL", raising=False)
    if formula is not None:
        patch.setattr(study_module, "measured_fold", formula)
        patch.setattr(plan_module, "make_plan", _run_plan)
        patch.setattr(plan_module, "trial_plan", lambda task: None)
    plan = make_study_plan(TuneRequest(bars=(bars,), quiet=True, **{"overrides": SETTINGS, "n_trials": 6, **options}))
    kept = open_storage(plan.request.storage, plan.folder, plan.name)
    try:
        study = open_study(plan, kept)
        prepare_study(plan)
        ledger = TrialLedger.open()
        carry_on(plan, study, kept, ledger, watched)
        return plan, tuning_report(plan, study, kept.shown, ledger.count_on(plan.data_hash))
    finally:
        kept.close()

"""The folds of a run: fit on the past, trade what follows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from agv2.app.encoder_stages import cross_fit_stage, encoder_stage, encoder_works
from agv2.app.fold_stages import EVERYTHING, FoldStages, account_label, edge_label, policy_label
from agv2.app.fold_tasks import FoldAccount, OneFold, OnePolicy, together
from agv2.app.fold_training import FoldEncoder
from agv2.app.progress import RunProgress, StageWork
from agv2.app.run_plan import RunPlan
from agv2.app.run_store import RunStore
from agv2.app.workers.in_process import InProcessPool
from agv2.app.workers.tasks import Pending, TaskPool
from agv2.backtest.run_files import RunRows
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import FloatArray
from agv2.models.head_scores import HeadScore
from agv2.models.policy import PolicyNetwork
from agv2.risk.kelly import EdgeEstimate

__all__ = ["FoldFacts", "Walked", "stages_of", "train_fold", "training_works", "walk"]

_POLICY_STEPS_PER_S = 30_000.0  # only to lay out the progress bar


@dataclass(frozen=True, slots=True)
class FoldFacts:
    """What the training of one fold said about itself."""

    heads: tuple[HeadScore, ...]
    cross_fitted: Mapping[str, float]
    """Loss of each head on the encoder's training rows, by encoders fitted on other blocks; empty where it is off."""
    policies: tuple[Mapping[str, float], ...]
    """Of each seed: steps, best_step, and the per-bar Sharpe ratio on training and validation bars."""
    edge: EdgeEstimate | None
    """What the policy's size rests on; None where the Kelly cap is off."""


class Trained(NamedTuple):
    """What one training left."""

    encoder: FoldEncoder
    policy: PolicyNetwork
    facts: FoldFacts


class Walked(NamedTuple):
    """What all folds left."""

    rows: list[RunRows]
    """Each fold's tables."""
    facts: list[FoldFacts]
    encoder: FoldEncoder
    """For the bundle."""
    policy: PolicyNetwork
    """For the bundle."""
    edge: EdgeEstimate | None
    """For the bundle: of that policy."""
    moves: dict[str, FloatArray]
    """Of each symbol (n test bars,) what the folds' quantile heads expect, for a baseline."""
    saliency: list[pl.DataFrame]
    """Of each fold what its entries came from."""


def walk(plan: RunPlan, store: RunStore, pool: TaskPool, progress: RunProgress) -> Walked:
    """Train and trade every fold; at the end there are the models for the bundle.

    Every stage is begun before the first result is asked for: a pool of several processes does at once what needs
    nothing of each other, and a pool of one does them in the order in which they are asked for below.

    Args:
        plan: the run, which is what the tasks of `pool` read.
        store: finished stages are read from it and written to it.
        pool: does what is not finished.
        progress: stages `fold K of N: ...`.
    """
    begun: list[_Begun] = []
    traded: list[Pending[FoldAccount]] = []
    for key, name, own in _trainings(plan):
        fold = OneFold(key, tuple(own))
        begun.append(_begin(plan, store, pool, progress, name, fold))
        if key != EVERYTHING:
            one, before = begun[-1], traded[-1] if traded else None
            stages = FoldStages(plan, store, pool, progress, name, fold)
            traded.append(stages.account(one.encoder, one.policies, one.edge, before))
    accounts: list[FoldAccount] = []
    facts: list[FoldFacts] = []
    for one in begun:
        trained = one.result()
        if len(accounts) < len(traded):
            accounts.append(traded[len(accounts)].result())
            facts.append(trained.facts)
    moves = {symbol: np.concatenate([each.moves[symbol] for each in accounts]) for symbol in accounts[0].moves}
    saliency = [each.saliency for each in accounts]
    rows = [each.rows for each in accounts]
    return Walked(rows, facts, trained.encoder, trained.policy, trained.facts.edge, moves, saliency)


def stages_of(plan: RunPlan) -> list[StageWork]:
    """Every stage of the run in order, with its weight for the progress bar."""
    stages = []
    for key, name, folds in _trainings(plan):
        stages += training_works(plan, name, folds)
        if key != EVERYTHING:
            stages.append(StageWork(account_label(name), 20.0))
    return [*stages, StageWork("evidence", 8.0), StageWork("bundle", 40.0), StageWork("report", 4.0)]


def training_works(plan: RunPlan, name: str, folds: Sequence[Fold]) -> list[StageWork]:
    """The stages of `train_fold` in order, with their weights for the progress bar.

    Args:
        plan: the run.
        name: of the fold, as a person reads it.
        folds: of each market.
    """
    profile, stages = plan.profile, encoder_works(plan, name, folds)
    for number in range(profile.seeds):
        stages.append(StageWork(policy_label(name, number, profile.seeds), profile.policy_steps / _POLICY_STEPS_PER_S))
    if plan.kelly_fraction > 0.0:
        stages.append(StageWork(edge_label(name), 4.0))
    return stages


def _trainings(plan: RunPlan) -> Iterator[tuple[str, str, list[Fold]]]:
    """Key, name and folds of each training: those of the walk, and the one on everything if the bundle wants it."""
    count = plan.profile.folds
    for number in range(count):
        yield str(number + 1), f"fold {number + 1} of {count}", [folds[number] for folds in plan.folds]
    if plan.profile.bundle == "retrain":
        whole = [
            Fold(folds[0].train_lo, len(market.bars), len(market.bars), len(market.bars))
            for market, folds in zip(plan.markets, plan.folds, strict=True)
        ]
        yield EVERYTHING, EVERYTHING, whole


class _Begun(NamedTuple):
    """A training whose stages are taken on."""

    encoder: Pending[FoldEncoder]
    others: list[Pending[FoldEncoder]]
    losses: Pending[dict[str, float]]
    policies: list[Pending[OnePolicy]]
    edge: Pending[EdgeEstimate] | None

    def result(self) -> Trained:
        """What it leaves, once it is there. Policies of several seeds trade as one; none is picked."""
        encoder, _ = self.encoder.result(), [each.result() for each in self.others]
        losses = self.losses.result()
        policies = [each.result() for each in self.policies]
        edge = None if self.edge is None else self.edge.result()
        facts = FoldFacts(encoder.pretrained.scores, losses, tuple(each.facts for each in policies), edge)
        return Trained(encoder, together(policies), facts)


def _begin(plan: RunPlan, store: RunStore, pool: TaskPool, progress: RunProgress, name: str, fold: OneFold) -> _Begun:
    """Take on the stages of one training that no earlier process has finished."""
    encoder = encoder_stage(plan, store, pool, progress, name, fold.key, fold.folds)
    others, losses = cross_fit_stage(plan, store, pool, progress, name, fold.key, fold.folds, encoder)
    stages = FoldStages(plan, store, pool, progress, name, fold)
    policies = [stages.policy(number, encoder, others) for number in range(plan.profile.seeds)]
    edge = stages.edge(encoder, others, policies) if plan.kelly_fraction > 0.0 else None
    return _Begun(encoder, others, losses, policies, edge)


def train_fold(
    plan: RunPlan, store: RunStore, progress: RunProgress, name: str, key: str, folds: Sequence[Fold]
) -> Trained:
    """Encoder and policy of one fold alone, in this process, as `walk` trains them; nothing is traded.

    Args:
        plan: the run.
        store: finished stages are read from it and written to it.
        progress: with the stages of `training_works`.
        name: of the fold, as a person reads it.
        key: of the fold, as the store has it.
        folds: of each market.
    """
    return _begin(plan, store, InProcessPool(plan, progress), progress, name, OneFold(key, tuple(folds))).result()

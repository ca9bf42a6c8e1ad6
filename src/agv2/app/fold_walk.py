"""The folds of a run, one after the other: fit on the past, trade what follows."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agv2.app.baseline_accounts import predicted_moves
from agv2.app.encoder_stages import cross_fit_stage, encoder_stage, encoder_works
from agv2.app.fold_tapes import policy_tapes, traded_rows, unseen_tapes
from agv2.app.fold_training import FoldEncoder
from agv2.app.policy_fitting import fit_policy
from agv2.app.policy_sizing import fold_edge, sized
from agv2.app.policy_vote import voted_policy
from agv2.app.progress import RunProgress, StageWork
from agv2.app.run_plan import RunPlan
from agv2.app.run_store import RunStore
from agv2.backtest.config import RunProfile
from agv2.backtest.run_files import RunRows
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import FloatArray
from agv2.models.head_scores import HeadScore
from agv2.models.policy import PolicyNetwork
from agv2.risk.kelly import EdgeEstimate
from agv2.utils.seeding import spawn_seed

__all__ = ["FoldFacts", "Walked", "stages_of", "walk"]

_POLICY_STEPS_PER_S = 30_000.0  # only to lay out the progress bar
_EVERYTHING = "all"


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


def walk(plan: RunPlan, store: RunStore, progress: RunProgress) -> Walked:
    """Train and trade every fold in turn; at the end there are the models for the bundle.

    Args:
        plan: the run.
        store: finished stages are read from it and written to it.
        progress: stages `fold K of N: ...`.
    """
    rows: list[RunRows] = []
    facts: list[FoldFacts] = []
    moves: list[dict[str, FloatArray]] = []
    money = {market.bars.symbol: plan.initial_equity for market in plan.markets}
    for key, name, own in _trainings(plan):
        encoder, policy, facts_of_fold = _train(plan, store, progress, name, key, own)
        if key == _EVERYTHING:
            break
        done, expected = store.load_rows(key), store.load_moves(key)
        if done is None or expected is None:
            with progress.stage(f"{name}: out of sample"):
                tapes = sized(unseen_tapes(plan, own, encoder, progress.note), facts_of_fold.edge, plan.kelly_fraction)
                expected = predicted_moves(tapes, plan.settings.encoder)
                done = traded_rows(plan, int(key), tapes, policy, money, progress.update)
            store.save_moves(key, expected)
            store.save_rows(key, done)
            store.add_seconds(progress.seconds)
        else:
            progress.skip(f"{name}: out of sample")
        rows.append(done)
        facts.append(facts_of_fold)
        moves.append(expected)
        for symbol in money:
            book = done.equity.filter(done.equity["symbol"] == symbol)
            money[symbol] = float(book["equity"][-1])
    joined = {symbol: np.concatenate([one[symbol] for one in moves]) for symbol in money}
    return Walked(rows, facts, encoder, policy, facts_of_fold.edge, joined)


def stages_of(plan: RunPlan) -> list[StageWork]:
    """Every stage of the run in order, with its weight for the progress bar."""
    profile, stages = plan.profile, []
    for key, name, folds in _trainings(plan):
        stages += encoder_works(plan, name, folds)
        for number in range(profile.seeds):
            stages.append(StageWork(_policy_stage(name, number, profile), profile.policy_steps / _POLICY_STEPS_PER_S))
        if plan.kelly_fraction > 0.0:
            stages.append(StageWork(_edge_stage(name), 4.0))
        if key != _EVERYTHING:
            stages.append(StageWork(f"{name}: out of sample", 10.0))
    return [*stages, StageWork("evidence", 8.0), StageWork("bundle", 40.0), StageWork("report", 4.0)]


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
        yield _EVERYTHING, _EVERYTHING, whole


def _policy_stage(name: str, number: int, profile: RunProfile) -> str:
    return f"{name}: policy" + (f" {number + 1} of {profile.seeds}" if profile.seeds > 1 else "")


def _edge_stage(name: str) -> str:
    return f"{name}: edge"


def _train(
    plan: RunPlan, store: RunStore, progress: RunProgress, name: str, key: str, folds: Sequence[Fold]
) -> tuple[FoldEncoder, PolicyNetwork, FoldFacts]:
    """Encoder and policy of one fold, from its training bars alone; what is on disk is not done again.

    Policies of several seeds trade as one, by the mean of their answers; none is picked.
    """
    encoder = encoder_stage(plan, store, progress, name, key, folds)
    others, losses = cross_fit_stage(plan, store, progress, name, key, folds, encoder)
    policies: list[PolicyNetwork] = []
    policy_facts: list[Mapping[str, float]] = []
    tapes: list[MarketTape] | None = None
    for number in range(plan.profile.seeds):
        label = _policy_stage(name, number, plan.profile)
        stored = store.load_policy(key, number)
        if stored is None:
            with progress.stage(label):
                if tapes is None:
                    tapes = policy_tapes(plan, folds, encoder, others, progress.note)
                checkpoints = store.folder(key) / f"policy_{number}_unfinished"
                seed = spawn_seed(plan.request.seed, f"policy {key} {number}")
                stored = fit_policy(plan, tapes, folds, seed, checkpoints, progress.update)[:2]
            store.save_policy(key, number, *stored)
            shutil.rmtree(checkpoints, ignore_errors=True)
            store.add_seconds(progress.seconds)
        else:
            progress.skip(label)
        policies.append(stored[0])
        policy_facts.append(stored[1])
    policy, edge = voted_policy(policies, policy_facts), store.load_edge(key)
    if plan.kelly_fraction > 0.0 and edge is None:
        with progress.stage(_edge_stage(name)):
            tapes = tapes or policy_tapes(plan, folds, encoder, others, progress.note)
            edge = fold_edge(plan, tapes, folds, policy, progress.update)
        store.save_edge(key, edge)
        store.add_seconds(progress.seconds)
    elif plan.kelly_fraction > 0.0:
        progress.skip(_edge_stage(name))
    return encoder, policy, FoldFacts(encoder.pretrained.scores, losses, tuple(policy_facts), edge)

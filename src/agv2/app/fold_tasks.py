"""Stages of a fold after its encoders: each policy, how large they may trade together, and the unseen bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from agv2.app.baseline_accounts import predicted_moves
from agv2.app.entry_saliency import fold_saliency
from agv2.app.fold_tapes import policy_tapes, traded_fold, unseen_tapes
from agv2.app.fold_training import FoldEncoder
from agv2.app.policy_fitting import fit_policy
from agv2.app.policy_sizing import fold_edge, sized
from agv2.app.policy_vote import voted_policy
from agv2.app.run_plan import RunPlan
from agv2.app.run_store import UnfinishedWork
from agv2.app.workers.tasks import Workplace
from agv2.backtest.run_files import RunRows
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import FloatArray
from agv2.models.policy import PolicyNetwork
from agv2.risk.kelly import EdgeEstimate
from agv2.utils.seeding import spawn_seed

__all__ = [
    "FoldAccount",
    "OneFold",
    "OnePolicy",
    "estimate_fold_edge",
    "together",
    "trade_fold",
    "train_policy_of_fold",
]


@dataclass(frozen=True, slots=True)
class OneFold:
    """Which bars train and test."""

    key: str
    """As the store has it."""
    folds: tuple[Fold, ...]
    """Of each market."""


class OnePolicy(NamedTuple):
    """A policy of a fold."""

    network: PolicyNetwork
    facts: Mapping[str, float]


class FoldAccount(NamedTuple):
    """A fold's test bars, traded."""

    rows: RunRows
    moves: dict[str, FloatArray]
    """Of each symbol (n test bars,) what the fold's quantile head expected."""
    saliency: pl.DataFrame
    """What the entries of completed trades came from."""

    def money(self) -> dict[str, float]:
        """In each symbol's book at the end."""
        equity = self.rows.equity
        return {symbol: float(equity.filter(equity["symbol"] == symbol)["equity"][-1]) for symbol in self.moves}


def together(policies: Sequence[OnePolicy]) -> PolicyNetwork:
    """Policies of several seeds trade as one, by the mean of their answers; none is picked."""
    return voted_policy([each.network for each in policies], [each.facts for each in policies])


def train_policy_of_fold(
    place: Workplace[RunPlan],
    fold: OneFold,
    number: int,
    unfinished: UnfinishedWork,
    encoder: FoldEncoder,
    others: Sequence[FoldEncoder],
) -> OnePolicy:
    """Task: the policy of one seed.

    Args:
        place: with the run.
        fold: of the policy.
        number: of the seed, from 0.
        unfinished: where an interrupted training goes on from.
        encoder: of the fold.
        others: that cross-fit its training bars.
    """
    plan = place.shared
    seed = spawn_seed(plan.request.seed, f"policy {fold.key} {number}")
    tapes = _training_tapes(place, fold, encoder, others)
    fitted = fit_policy(plan, tapes, fold.folds, seed, unfinished.here(), place.telling.update)
    return OnePolicy(fitted.network, fitted.facts)


def estimate_fold_edge(
    place: Workplace[RunPlan],
    fold: OneFold,
    encoder: FoldEncoder,
    others: Sequence[FoldEncoder],
    policies: Sequence[OnePolicy],
) -> EdgeEstimate:
    """Task: what the size of a fold's policies rests on.

    Args:
        place: with the run.
        fold: of the policies.
        encoder: of the fold.
        others: that cross-fit its training bars.
        policies: one a seed.
    """
    tapes = _training_tapes(place, fold, encoder, others)
    return fold_edge(place.shared, tapes, fold.folds, together(policies), place.telling.update)


def trade_fold(
    place: Workplace[RunPlan],
    fold: OneFold,
    encoder: FoldEncoder,
    policies: Sequence[OnePolicy],
    edge: EdgeEstimate | None,
    before: FoldAccount | None,
) -> FoldAccount:
    """Task: a fold's test bars, and what the entries on them came from.

    Args:
        place: with the run.
        fold: which bars.
        encoder: of the fold.
        policies: one a seed.
        edge: of them together; None where none is estimated.
        before: the fold before this one, whose last equity is this one's first; None for the first fold.
    """
    plan, telling = place.shared, place.telling
    unseen = unseen_tapes(plan, fold.folds, encoder, telling.note)
    tapes = sized(unseen, edge, plan.kelly_fraction)
    moves = predicted_moves(tapes, plan.settings.encoder)
    symbols = [market.bars.symbol for market in plan.markets]
    money = dict.fromkeys(symbols, plan.initial_equity) if before is None else before.money()
    policy = together(policies)
    traded = traded_fold(plan, int(fold.key), tapes, policy, money, telling.update)
    saliency = fold_saliency(plan, int(fold.key), fold.folds, encoder, policy, *traded, telling.update)
    return FoldAccount(traded.rows, moves, saliency)


def _training_tapes(
    place: Workplace[RunPlan], fold: OneFold, encoder: FoldEncoder, others: Sequence[FoldEncoder]
) -> list[MarketTape]:
    plan, note = place.shared, place.telling.note
    return place.once(fold.key, lambda: policy_tapes(plan, fold.folds, encoder, others, note))

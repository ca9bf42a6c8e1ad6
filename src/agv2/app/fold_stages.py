"""Stages of a fold after its encoders: what an earlier process finished is read, the rest is taken on."""

from collections.abc import Sequence
from dataclasses import dataclass

from agv2.app.entry_saliency import tell_saliency
from agv2.app.fold_tasks import (
    FoldAccount,
    OneFold,
    OnePolicy,
    estimate_fold_edge,
    trade_fold,
    train_policy_of_fold,
)
from agv2.app.fold_training import FoldEncoder
from agv2.app.progress import RunProgress
from agv2.app.run_plan import RunPlan
from agv2.app.run_store import RunStore
from agv2.app.workers.tasks import Known, Pending, Task, TaskPool
from agv2.risk.kelly import EdgeEstimate

__all__ = ["EVERYTHING", "FoldStages", "account_label", "edge_label", "policy_label"]

EVERYTHING = "all"
"""Key of the training on every bar."""


def policy_label(name: str, number: int, n_seeds: int) -> str:
    """Name of the stage that trains a policy.

    Args:
        name: of the fold, as a person reads it.
        number: of the seed, from 0.
        n_seeds: in all.
    """
    return f"{name}: policy" + (f" {number + 1} of {n_seeds}" if n_seeds > 1 else "")


def edge_label(name: str) -> str:
    """Name of the stage that says how large a fold's policies may trade."""
    return f"{name}: edge"


def account_label(name: str) -> str:
    """Name of the stage that trades a fold's test bars."""
    return f"{name}: out of sample"


@dataclass(frozen=True, slots=True)
class FoldStages:
    """The stages of one fold."""

    plan: RunPlan
    store: RunStore
    pool: TaskPool
    progress: RunProgress
    name: str
    """As a person reads it."""
    fold: OneFold

    def policy(
        self, number: int, encoder: Pending[FoldEncoder], others: Sequence[Pending[FoldEncoder]]
    ) -> Pending[OnePolicy]:
        """The policy of seed `number`, trained on what these encoders say."""
        key, label = self.fold.key, policy_label(self.name, number, self.plan.profile.seeds)
        stored = self.store.load_policy(key, number)
        if stored is not None:
            self.progress.skip(label)
            return Known(OnePolicy(*stored))
        unfinished = self.store.unfinished(key, f"policy_{number}")

        def keep(found: OnePolicy) -> None:
            self.store.save_policy(key, number, *found)
            unfinished.remove()
            self.store.add_seconds(self.progress.seconds)

        inputs = (self.fold, number, unfinished, encoder, list(others))
        return self.pool.begin(Task(label, train_policy_of_fold, inputs, keep))

    def edge(
        self,
        encoder: Pending[FoldEncoder],
        others: Sequence[Pending[FoldEncoder]],
        policies: Sequence[Pending[OnePolicy]],
    ) -> Pending[EdgeEstimate]:
        """What the size of these policies rests on."""
        stored, label = self.store.load_edge(self.fold.key), edge_label(self.name)
        if stored is not None:
            self.progress.skip(label)
            return Known(stored)

        def keep(found: EdgeEstimate) -> None:
            self.store.save_edge(self.fold.key, found)
            self.store.add_seconds(self.progress.seconds)

        inputs = (self.fold, encoder, list(others), list(policies))
        return self.pool.begin(Task(label, estimate_fold_edge, inputs, keep))

    def account(
        self,
        encoder: Pending[FoldEncoder],
        policies: Sequence[Pending[OnePolicy]],
        edge: Pending[EdgeEstimate] | None,
        before: Pending[FoldAccount] | None,
    ) -> Pending[FoldAccount]:
        """The test bars, traded from where the fold `before` ended."""
        key, label = self.fold.key, account_label(self.name)
        rows, moves, saliency = self.store.load_rows(key), self.store.load_moves(key), self.store.load_saliency(key)
        if rows is not None and moves is not None and saliency is not None:
            self.progress.skip(label)
            return Known(FoldAccount(rows, moves, saliency))

        def keep(found: FoldAccount) -> None:
            self.store.save_moves(key, found.moves)
            kept = self.store.save_saliency(key, found.saliency)
            tell_saliency(self.plan, f"{self.name}: attribution", found.saliency, kept, self.progress.note)
            self.store.save_rows(key, found.rows)
            self.store.add_seconds(self.progress.seconds)

        return self.pool.begin(Task(label, trade_fold, (self.fold, encoder, list(policies), edge, before), keep))

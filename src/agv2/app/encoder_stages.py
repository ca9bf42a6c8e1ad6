"""Stages of a run that fit an encoder: that of a fold, and those that cross-fit its predictions."""

from collections.abc import Sequence
from typing import Any

import structlog

from agv2.app.cross_fitting import block_steps, cross_fitted_losses, cross_fitted_outputs
from agv2.app.fold_training import FoldEncoder, fit_encoder, one_pass_deviation
from agv2.app.progress import RunProgress, StageWork
from agv2.app.run_plan import RunPlan
from agv2.app.run_store import RunStore, UnfinishedWork
from agv2.app.training_tracking import tracked_training
from agv2.app.workers.tasks import Known, Pending, Task, TaskPool, Workplace
from agv2.backtest.walk_forward import Fold
from agv2.models.training_blocks import TrainingBlock
from agv2.utils.seeding import spawn_seed

__all__ = ["cross_fit_stage", "encoder_stage", "encoder_works"]

_STEPS_PER_S, _AROUND_S = 8.0, 10.0  # only to lay out the progress bar


def encoder_works(plan: RunPlan, name: str, folds: Sequence[Fold]) -> list[StageWork]:
    """The stages below, in order, with their weights for the progress bar.

    Args:
        plan: the run.
        name: of the fold, as a person reads it.
        folds: of each market.
    """
    steps, blocks = plan.profile.encoder_steps, plan.blocks_of(folds)
    works = [StageWork(f"{name}: encoder", steps / _STEPS_PER_S + _AROUND_S)]
    for number, block in enumerate(blocks, start=1):
        own = block_steps(plan.markets, folds, plan.settings, block, steps)
        works.append(StageWork(_block_label(name, number, len(blocks)), own / _STEPS_PER_S + _AROUND_S))
    return [*works, StageWork(f"{name}: cross-fitted predictions", 3.0)] if blocks else works


def encoder_stage(
    plan: RunPlan, store: RunStore, pool: TaskPool, progress: RunProgress, name: str, key: str, folds: Sequence[Fold]
) -> Pending[FoldEncoder]:
    """The encoder of a fold, from its training bars alone.

    Args:
        plan: the run, which is what the tasks of `pool` read.
        store: a finished stage is read from it.
        pool: does what is not finished.
        progress: told what is.
        name: of the fold, as a person reads it.
        key: of the fold, as the store has it.
        folds: of each market.
    """
    return _fitted(plan, store, pool, progress, f"{name}: encoder", key, folds, None)


def cross_fit_stage(
    plan: RunPlan,
    store: RunStore,
    pool: TaskPool,
    progress: RunProgress,
    name: str,
    key: str,
    folds: Sequence[Fold],
    encoder: Pending[FoldEncoder],
) -> tuple[list[Pending[FoldEncoder]], Pending[dict[str, float]]]:
    """The encoders that predict each block of a fold's training bars, and what their heads lost on them.

    Args:
        plan: the run, which is what the tasks of `pool` read.
        store: finished stages are read from it.
        pool: does what is not finished.
        progress: told what is.
        name: of the fold, as a person reads it.
        key: of the fold, as the store has it.
        folds: of each market.
        encoder: of the fold.

    Returns:
        An encoder a block, and the cross-fitted loss of each head; nothing where cross-fitting is off.
    """
    blocks = plan.blocks_of(folds)
    others = [
        _fitted(
            plan, store, pool, progress, _block_label(name, number, len(blocks)), f"{key}/block_{number}", folds, block
        )
        for number, block in enumerate(blocks, start=1)
    ]
    if not blocks:
        return others, Known({})
    losses, label = store.load_cross_fitted(key), f"{name}: cross-fitted predictions"
    if losses is not None:
        progress.skip(label)
        return others, Known(losses)

    def keep(found: dict[str, float]) -> None:
        store.save_cross_fitted(key, found)
        store.add_seconds(progress.seconds)

    return others, pool.begin(Task(label, _measure_losses, (tuple(folds), encoder, others), keep))


def _fitted(
    plan: RunPlan,
    store: RunStore,
    pool: TaskPool,
    progress: RunProgress,
    label: str,
    key: str,
    folds: Sequence[Fold],
    left_out: TrainingBlock | None,
) -> Pending[FoldEncoder]:
    encoder = store.load_encoder(key, plan.settings.encoder)
    if encoder is not None:
        progress.skip(label)
        return Known(encoder)
    unfinished = store.unfinished(key, "encoder")

    def keep(found: FoldEncoder) -> None:
        store.save_encoder(key, found)
        unfinished.remove()
        store.add_seconds(progress.seconds)

    return pool.begin(Task(label, _fit, (label, key, tuple(folds), left_out, unfinished), keep))


def _fit(
    place: Workplace[RunPlan],
    label: str,
    key: str,
    folds: Sequence[Fold],
    left_out: TrainingBlock | None,
    unfinished: UnfinishedWork,
) -> FoldEncoder:
    """Task: an encoder."""
    plan, telling = place.shared, place.telling
    steps = plan.profile.encoder_steps
    if left_out is not None:
        steps = block_steps(plan.markets, folds, plan.settings, left_out, steps)
    seed = spawn_seed(plan.request.seed, f"encoder {key}")
    costly = plan.profile.costly_baselines and left_out is None  # nobody reads the scores of a block's encoder
    with tracked_training(plan.tracker, label, _told(plan, steps, seed), telling.note) as tracked:
        encoder = fit_encoder(
            plan.markets, folds, plan.settings, steps, seed, telling.update, unfinished.here(), tracked,
            left_out=left_out, costly_baselines=costly, erased_features=plan.erased.features,
        )  # fmt: skip
    if left_out is None and not plan.settings.encoder.exact_in_one_pass:
        _log_deviation(plan, folds, encoder, seed)
    return encoder


def _measure_losses(
    place: Workplace[RunPlan], folds: Sequence[Fold], encoder: FoldEncoder, others: Sequence[FoldEncoder]
) -> dict[str, float]:
    """Task: what the cross-fitted heads lost."""
    plan = place.shared
    outputs = cross_fitted_outputs(plan.markets, folds, encoder, plan.blocks_of(folds), others)
    return cross_fitted_losses(plan.markets, folds, plan.settings, outputs)


def _told(plan: RunPlan, steps: int, seed: int) -> dict[str, Any]:
    """What a tracking server is told that an encoder's training depends on."""
    return {
        "symbols": ", ".join(market.bars.symbol for market in plan.markets),
        "timeframe": plan.markets[0].bars.timeframe.name,
        "trial": plan.trial._asdict(),
        "encoder_seed": seed,
        "encoder_steps": steps,
        "encoder": plan.settings.encoder.in_effect.model_dump(mode="json"),
    }


def _log_deviation(plan: RunPlan, folds: Sequence[Fold], encoder: FoldEncoder, seed: int) -> None:
    """What it costs in exactness that a backbone cannot embed a history both exactly and quickly."""
    for market, fold in zip(plan.markets, folds, strict=True):
        found = one_pass_deviation(market, fold.train_hi, encoder, seed)
        structlog.get_logger().info("one pass against windows", symbol=market.bars.symbol, **found._asdict())


def _block_label(name: str, number: int, n_blocks: int) -> str:
    return f"{name}: encoder, block {number} of {n_blocks}"

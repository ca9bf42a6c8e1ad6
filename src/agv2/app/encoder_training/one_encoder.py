"""One encoder: trained, gone on with, told to whoever watches, kept."""

import shutil
from pathlib import Path
from typing import Any

from agv2.app.encoder_store import EncoderOrigin, save_encoder
from agv2.app.encoder_training.losses_shown import ShownLosses
from agv2.app.encoder_training.plan import EncoderPlan
from agv2.app.fold_training import FoldEncoder
from agv2.app.progress import RunProgress
from agv2.app.run_store import RunStore
from agv2.app.training_tracking import tracked_training
from agv2.models.config import EncoderConfig
from agv2.models.pretraining import PretrainedEncoder, pretrain
from agv2.models.training_checkpoint import series_digest
from agv2.models.training_log import Progress
from agv2.utils.environment import load_environment

__all__ = ["keep_encoder", "stage_label", "trained_encoder"]


def stage_label(seed: int, without: str = "") -> str:
    """Name of the stage that trains an encoder."""
    return f"encoder of seed {seed}" + (f" without {without}" if without else "")


def trained_encoder(
    plan: EncoderPlan, config: EncoderConfig, seed: int, without: str, store: RunStore, progress: RunProgress
) -> PretrainedEncoder:
    """One encoder, from disk where it was trained before.

    Args:
        plan: what it learns from.
        config: as the plan's, or without a head.
        seed: of its training.
        without: the head that is missing; empty for none.
        store: where it goes on from, and is kept for that.
        progress: has its stage.
    """
    label, key = stage_label(seed, without), _key(seed, without)
    stored = store.load_encoder(key, config)
    if stored is not None:
        progress.skip(label)
        return stored.pretrained
    with progress.stage(label):
        unfinished = store.folder(key) / "encoder_unfinished"
        shown: Progress = ShownLosses(progress)
        with tracked_training(plan.tracker, label, _told(plan, config, seed), progress.note) as tracked:
            shown = shown if tracked is None else tracked.watching(shown)
            trained = pretrain(plan.fit, config, plan.budget.steps, seed, shown, plan.linear_inputs, unfinished)
            if tracked is not None:
                tracked.finished(trained)
    store.save_encoder(key, FoldEncoder(plan.normalizer, trained))
    shutil.rmtree(unfinished, ignore_errors=True)
    return trained


def keep_encoder(plan: EncoderPlan, seed: int, trained: PretrainedEncoder) -> Path:
    """Put an encoder into the project home, for use beyond the directory that it was trained in; its own there."""
    origin = EncoderOrigin(
        symbols=tuple(span.symbol for span in plan.spans),
        asset_classes=tuple(span.asset_class for span in plan.spans),
        timeframe=plan.spans[0].timeframe or "bars",
        features=plan.features,
        # Of the bars that taught: another --holdout, or another asset class, is another encoder.
        data_digest=series_digest(plan.fit),
        seed=seed,
        steps=plan.budget.steps,
    )
    return save_encoder(load_environment().encoders, FoldEncoder(plan.normalizer, trained), origin)


def _told(plan: EncoderPlan, config: EncoderConfig, seed: int) -> dict[str, Any]:
    """What a tracking server is told that an encoder's training depends on."""
    return {
        "symbols": ", ".join(span.symbol for span in plan.spans),
        "timeframe": plan.spans[0].timeframe,
        "data": plan.data_digest,
        "holdout_frac": plan.holdout_frac,
        "encoder_seed": seed,
        "encoder_steps": plan.budget.steps,
        "encoder": config.in_effect.model_dump(mode="json"),
    }


def _key(seed: int, without: str = "") -> str:
    return f"seed_{seed}" + (f"_without_{without}" if without else "")

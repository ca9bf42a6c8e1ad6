"""Lightning at work; import this module only to train, because lightning takes seconds to import."""

import copy
import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from agv2.models.config import EncoderConfig
from agv2.models.head_scores import head_losses
from agv2.models.masked_model import HeadLosses, MaskedModel, Progress
from agv2.models.training_batches import Batch, training_batches
from agv2.models.training_rows import PurgedRows, TrainingSeries

__all__ = ["fit"]

WARMUP_SHARE = 0.1
# Lightning's own use of what torch has deprecated: nothing that we or a user could change.
FOREIGN_WARNINGS = (("`isinstance\\(treespec, LeafSpec\\)` is deprecated", FutureWarning),)


def fit(
    model: MaskedModel,
    series: Sequence[TrainingSeries],
    rows: Sequence[PurgedRows],
    config: EncoderConfig,
    steps: int,
    generator: np.random.Generator,
    progress: Progress | None,
) -> tuple[int, int]:
    """Train `model` in place and leave it with the best weights seen.

    Returns:
        Gradient steps taken, and the step of the weights kept (0: the initial ones).
    """
    batches = training_batches(series, [one.train for one in rows], config, generator)
    task = _PretrainingTask(model, series, [one.select for one in rows], config, steps, progress)
    with _quiet_lightning(), _keyboard_interrupt_passes():
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_steps=steps,
            max_epochs=-1,
            gradient_clip_val=config.gradient_norm,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, train_dataloaders=_Endless(batches))
    model.load_state_dict(task.best_weights)
    return trainer.global_step, task.best_step


class _Endless:
    """An iterable over batches, which Lightning takes in place of a data loader."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return self._batches


class _PretrainingTask(pl.LightningModule):
    """Weighted head losses, one-cycle learning rate, and a look at the selection rows every so many steps.

    Lightning's own validation loop is not used: the selection rows are embedded in one pass like any history.
    """

    def __init__(
        self,
        model: MaskedModel,
        series: Sequence[TrainingSeries],
        select: Sequence[range],
        config: EncoderConfig,
        steps: int,
        progress: Progress | None,
    ) -> None:
        super().__init__()
        self.model, self.config, self.steps, self.progress = model, config, steps, progress
        self.series, self.select = series, select
        self.every = max(1, -(-steps // config.evaluations))
        before = head_losses(model, series, select, config)
        model.start_sizes(before)
        self.best_weights = copy.deepcopy(model.state_dict())
        self.best_step, self.best_loss, self.stale = 0, self._weighted(before), 0
        self.latest: HeadLosses | None = None

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        losses: HeadLosses = self.model(batch)
        self.latest = losses
        total: Tensor = self.model.weighted(losses)
        return total

    def on_train_batch_end(self, *_: object) -> None:
        step = self.global_step
        if self.progress is not None and self.latest is not None:
            self.progress(step, self.steps, {name: float(x.detach()) for name, x in self.latest._asdict().items()})
        if step % self.every == 0 or step == self.steps:
            self._look(step)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": self.config.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=self.config.learning_rate,
            fused=True,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.config.learning_rate, total_steps=self.steps + 1, pct_start=WARMUP_SHARE
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _look(self, step: int) -> None:
        loss = self._selection_loss()
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.stale = loss, step, 0
            self.best_weights = copy.deepcopy(self.model.state_dict())
        else:
            self.stale += 1
            self.trainer.should_stop = self.stale >= self.config.patience

    def _selection_loss(self) -> float:
        return self._weighted(head_losses(self.model, self.series, self.select, self.config))

    def _weighted(self, losses: Mapping[str, float]) -> float:
        # By the fixed weights whatever the training does: learnt sizes move, and looks must compare.
        return float(sum(self.model.weights[head] * loss for head, loss in losses.items()))


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning without its greetings: they would break a progress bar, and warnings are errors in our tests."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message, category in FOREIGN_WARNINGS:
                warnings.filterwarnings("ignore", message=message, category=category)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _keyboard_interrupt_passes() -> Iterator[None]:
    """Ctrl-C as KeyboardInterrupt: Lightning would ignore further ones for ever and exit the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as leaving:
        if isinstance(leaving.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from leaving
        raise
    finally:
        signal.signal(signal.SIGINT, handler)

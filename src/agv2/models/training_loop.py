"""Lightning at work; import this module only to train, because lightning takes seconds to import."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import lightning.pytorch as pl

from agv2.models.training_batches import Batch
from agv2.models.training_device import TrainingDevice
from agv2.models.training_log import TrainingLook
from agv2.models.training_task import PretrainingTask

__all__ = ["Fitted", "fit"]

# Lightning's own use of what torch has deprecated: nothing that we or a user could change.
FOREIGN_WARNINGS = (("`isinstance\\(treespec, LeafSpec\\)` is deprecated", FutureWarning),)


class Fitted(NamedTuple):
    """What a training came to.

    Attributes:
        steps: gradient steps taken.
        best_step: the step whose weights were kept; 0 for the initial ones.
        log: every look at the selection rows, the one before the first step included.
    """

    steps: int
    best_step: int
    log: tuple[TrainingLook, ...]


def fit(task: PretrainingTask, device: TrainingDevice) -> Fitted:
    """Train the task's model in place, from its checkpoint if there is one, and leave it with the best weights seen.

    Args:
        task: what to do at each step.
        device: where, and in which precision; the model comes back to the CPU.

    Raises:
        DataError: the checkpoint cannot be read, or is of another training.
        OSError: a checkpoint cannot be written.
    """
    kept = None if task.checkpoint is None else task.checkpoint.read()
    if kept is None:
        task.look(0)
    else:
        task.on_load_checkpoint(kept)
    if not task.state.is_over(task.config, task.steps):
        with _quiet_lightning(), _keyboard_interrupt_passes():
            trainer = pl.Trainer(
                accelerator=device.accelerator,
                devices=1,
                precision=device.precision,
                max_steps=task.steps,
                max_epochs=-1,
                gradient_clip_val=task.config.gradient_norm,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            batches = _Endless(task.batches(0 if kept is None else kept["global_step"]))
            path = None if task.checkpoint is None or kept is None else task.checkpoint.path
            trainer.fit(task, train_dataloaders=batches, ckpt_path=path, weights_only=True)
    task.model.cpu().load_state_dict(task.state.weights)
    looks = tuple(task.state.looks)
    return Fitted(looks[-1].step, task.state.step, looks)


class _Endless:
    """An iterable over batches, which Lightning takes in place of a data loader."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return self._batches


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

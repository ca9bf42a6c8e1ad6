"""The steps of a pretraining as Lightning takes them; import this module only to train."""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from agv2.models.config import EncoderConfig
from agv2.models.confirmation import confirmed_heads
from agv2.models.head_scores import beats, head_losses
from agv2.models.masked_model import HeadLosses, MaskedModel
from agv2.models.training_batches import Batch, training_batch
from agv2.models.training_checkpoint import IDENTITY, TrainingCheckpoint
from agv2.models.training_log import Progress, TrainingLook
from agv2.models.training_rows import PurgedRows, TrainingSeries
from agv2.utils.seeding import spawn_generators, spawn_seed

__all__ = ["PretrainingTask", "SelectionState"]

WARMUP_SHARE = 0.1
CHECKPOINT_SECONDS = 60.0
"""A checkpoint is written at every look, and between two looks when the last one is older than this."""
_STATE = "selection"
EMBEDDING_SHARES = {
    "quantiles": "heads.quantile.embedding_share",
    "regime": "heads.regime.embedding_share",
    "pattern": "heads.pattern.embedding_share",
    "levels": "heads.level_map.embedding_share",
    "reconstruction": "heads.reconstruction.embedding_share",
}
"""Where the weights of a model say whether a head, by its name in the scores, reads the embedding."""


@dataclass(slots=True)
class SelectionState:
    """What the looks so far have found, all of it plain values and tensors, so that a checkpoint needs no pickle.

    Attributes:
        weights: the best ones seen.
        step: at which they were seen.
        loss: theirs on the selection rows.
        stale: looks since then.
        looks: every look so far.
        sums: of each head's training losses since the last look, and the number of batches with targets for it.
    """

    weights: dict[str, Tensor]
    step: int = 0
    loss: float = float("inf")
    stale: int = 0
    looks: list[TrainingLook] = field(default_factory=list)
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)

    def is_over(self, config: EncoderConfig, steps: int) -> bool:
        """Whether the last look ended the training."""
        return self.stale >= config.patience or self.looks[-1].step >= steps


class PretrainingTask(pl.LightningModule):
    """Weighted head losses, one-cycle learning rate, and a look at the selection rows every so many steps.

    Batches, masks and dropout of a step are made from the seed and the step's number, so that a step taken after a
    resume is the step that would have been taken. Lightning's own validation loop is not used: the selection rows are
    embedded in one pass like any history.
    """

    def __init__(
        self,
        model: MaskedModel,
        series: Sequence[TrainingSeries],
        rows: Sequence[PurgedRows],
        config: EncoderConfig,
        steps: int,
        seed: int,
        progress: Progress | None,
        checkpoint: TrainingCheckpoint | None,
    ) -> None:
        super().__init__()
        self.model, self.config, self.steps, self.seed = model, config, steps, seed
        self.series, self.rows = series, rows
        self.progress, self.checkpoint = progress, checkpoint
        self.every = max(1, -(-steps // config.evaluations))
        self.state = SelectionState(copy.deepcopy(model.state_dict()))
        self.latest: HeadLosses | None = None
        self.kept_at = time.monotonic()

    def batches(self, first: int) -> Iterator[Batch]:
        """Batches of the steps from `first` (counted from 0) on, without end."""
        train = [one.train for one in self.rows]
        while True:
            generator = spawn_generators(self.seed, f"batch {first}")[f"batch {first}"]
            yield training_batch(self.series, train, self.config, generator)
            first += 1

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The weighted loss of a batch, under dropout of this step's own."""
        torch.manual_seed(spawn_seed(self.seed, f"dropout {self.global_step}"))
        losses: HeadLosses = self.model(batch)
        self.latest = losses
        total: Tensor = self.model.weighted(losses)
        return total

    def on_train_batch_end(self, *_: object) -> None:
        """Look, keep and tell, in this order, so that what is told has been kept."""
        assert self.latest is not None, "a step was taken"
        step = self.global_step
        losses = {name: float(loss.detach()) for name, loss in self.latest._asdict().items()}
        for name, loss in losses.items():
            total, count = self.state.sums.get(name, (0.0, 0))
            # Exactly 0 is the loss of a batch without a target.
            self.state.sums[name] = (total + loss, count + 1) if loss else (total, count)
        looking = step % self.every == 0 or step == self.steps
        if looking:
            self.look(step)
            self.trainer.should_stop = self.state.is_over(self.config, self.steps)
        if self.checkpoint is not None and (looking or time.monotonic() - self.kept_at > CHECKPOINT_SECONDS):
            self.checkpoint.write(self.trainer)
            self.kept_at = time.monotonic()
        if self.progress is not None:
            self.progress(step, self.steps, losses, self.state.looks[-1])

    def look(self, step: int) -> None:
        """Judge the present weights on the selection rows, and remember them if they are the best so far.

        A head whose loss is not below that of the start beyond chance will be as it was then, when nothing came of the
        embedding: deep parts overfit before the reconstruction has taught the network what bars look like.
        """
        state, select = self.state, [one.select for one in self.rows]
        # A GPU's weights are judged where they will be used, on the CPU.
        model = self.model if self.device.type == "cpu" else copy.deepcopy(self.model).cpu()
        seen = head_losses(model, self.series, select, self.config)
        start = state.looks[0].selection if step else seen
        helped = {head for head, loss in seen.items() if beats(loss, start[head])}
        if helped - {"reconstruction"}:
            helped &= {"reconstruction"} | confirmed_heads(model, self.series, select, self.config)
        selection = {head: loss if head in helped else start[head] for head, loss in seen.items()}
        # By the fixed weights whatever the training does: learnt sizes move, and looks must compare.
        loss = float(sum(self.model.weights[head] * value for head, value in selection.items()))
        if not step:
            model.start_sizes(selection)
        train = {name: total / count for name, (total, count) in state.sums.items() if count}
        rate = float(self.trainer.optimizers[0].param_groups[0]["lr"]) if step else 0.0
        state.looks.append(TrainingLook(step, train, selection, rate))
        state.sums.clear()
        if not step or loss < state.loss:
            state.loss, state.step, state.stale = loss, step, 0
            state.weights = copy.deepcopy(model.state_dict())
            for head, share in EMBEDDING_SHARES.items():
                state.weights[share].fill_(float(head in helped))
        else:
            state.stale += 1

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, whose decay spares biases and scales, and one cycle of the learning rate."""
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": self.config.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=self.config.learning_rate,
            fused=self.trainer.precision == "32-true",  # Lightning refuses to clip for a fused one in mixed precision
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.config.learning_rate, total_steps=self.steps + 1, pct_start=WARMUP_SHARE
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know."""
        assert self.checkpoint is not None, "nobody else writes one"
        state = self.state
        checkpoint[IDENTITY] = dict(self.checkpoint.identity)
        checkpoint[_STATE] = {
            "weights": state.weights, "step": state.step, "loss": state.loss, "stale": state.stale,
            "looks": [look._asdict() for look in state.looks], "sums": dict(state.sums),
        }  # fmt: skip

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """The inverse of `on_save_checkpoint`."""
        found = dict(checkpoint[_STATE])
        looks = [TrainingLook(**look) for look in found.pop("looks")]
        self.state = SelectionState(looks=looks, **found)

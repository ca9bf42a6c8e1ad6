"""The heads' linear parts, fitted alone before the network: a strong and almost free baseline to improve on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from agv2.core.arrays import BoolArray
from agv2.models.config import EncoderConfig
from agv2.models.heads import MultiTaskHeads
from agv2.models.losses import class_loss, level_loss, pinball_loss
from agv2.models.training_rows import TrainingSeries

__all__ = ["fit_linear_parts"]

STEPS = 300
BATCH_ROWS = 4096
LEARNING_RATE = 2e-3


def fit_linear_parts(
    heads: MultiTaskHeads,
    series: Sequence[TrainingSeries],
    train: Sequence[range],
    config: EncoderConfig,
    generator: np.random.Generator,
    read: BoolArray | None = None,
) -> None:
    """Quantile regression, class and level probabilities, linear in the bar's own features; frozen afterwards.

    The network then learns what is left over. Trained together, the far larger network explains the training bars
    first and the linear part never gets to its optimum, at which it beat HAR on the four files we tried.

    Args:
        heads: started at the baseline, deep parts still zero; changed in place.
        series: the symbols.
        train: the training rows of each.
        config: quantile levels.
        generator: draws the batches.
        read: (n_features,) features that quantiles and regimes read; the others reach these heads through the
            embedding alone. Patterns and levels read everything. None for all.
    """
    pairs = list(zip(series, train, strict=True))
    features, returns, regimes, patterns, reacted = (
        torch.from_numpy(np.concatenate([column[rows.start : rows.stop] for column, rows in columns]))
        for columns in (
            [(one.features, rows) for one, rows in pairs],
            [(one.future.astype(np.float32), rows) for one, rows in pairs],
            [(one.regime, rows) for one, rows in pairs],
            [(one.pattern, rows) for one, rows in pairs],
            [(one.reacted, rows) for one, rows in pairs],
        )
    )
    levels = torch.tensor(config.quantile_levels)
    embedding = torch.zeros(1, config.embedding_dim)  # without effect while the deep parts are zero
    linear = [head.linear for head in (heads.quantile, heads.regime, heads.pattern, heads.level_map)]
    parts = [part for each in linear for part in each.parameters()]
    optimizer = torch.optim.AdamW(parts, lr=LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS + 1, pct_start=0.1)
    for _ in range(STEPS):
        batch = torch.from_numpy(generator.integers(len(features), size=BATCH_ROWS))
        predictions = heads(embedding, features[batch])
        loss = pinball_loss(predictions.quantiles, returns[batch], levels)
        loss = loss + class_loss(predictions.regime_logits, regimes[batch])
        loss = loss + class_loss(predictions.pattern_logits, patterns[batch])
        loss = loss + level_loss(predictions.level_logits, reacted[batch])
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if read is not None:
            _hold_at_zero(heads.quantile.linear, read)
            _hold_at_zero(heads.regime.linear, read)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    heads.zero_grad()
    for part in parts:
        part.requires_grad_(False)


def _hold_at_zero(linear: nn.Linear, read: BoolArray) -> None:
    """No gradient, so no step, for the weights of features that are not read."""
    assert linear.weight.grad is not None, "the loss was propagated"
    linear.weight.grad[:, torch.from_numpy(~read)] = 0.0

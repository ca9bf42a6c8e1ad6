"""Whether what a head reads from the embedding helps it on rows that it was not taught by."""

from collections.abc import Sequence

import numpy as np
import torch

from agv2.core.arrays import FloatArray
from agv2.models.block_bootstrap_scores import loss_difference
from agv2.models.config import EncoderConfig
from agv2.models.embedding import embed_history
from agv2.models.head_outputs import HeadOutputs
from agv2.models.head_rows import head_targets, loss_rows, output_predictions
from agv2.models.linear_start import PATTERN_BARS, REGIME_BARS, TURN_BARS
from agv2.models.masked_model import MaskedModel
from agv2.models.training_rows import TrainingSeries

__all__ = ["confirmed_heads"]

SEED = 20090301  # the same resamples for every look, so that looks compare


def confirmed_heads(
    model: MaskedModel, series: Sequence[TrainingSeries], rows: Sequence[range], config: EncoderConfig
) -> frozenset[str]:
    """Heads whose loss is lower with the embedding than by their linear parts alone, beyond chance.

    Beyond chance means that the whole block-bootstrap interval of the difference lies below zero. A mean is not enough:
    a few thousand rows hold some dozens of regimes, and after ten readings of each training row the deep parts know
    these by heart. On development files heads chosen by their mean loss did worse on later rows.

    Args:
        model: encoder and heads, each head with its embedding.
        series: the symbols.
        rows: of each, that nothing was fitted on.
        config: horizons and levels.

    Returns:
        Names among `quantiles`, `regime`, `pattern` and `levels`.
    """
    bars = {"quantiles": config.horizons[-1], "regime": REGIME_BARS, "pattern": PATTERN_BARS, "levels": TURN_BARS}
    deep: dict[str, list[FloatArray]] = {head: [] for head in bars}
    alone: dict[str, list[FloatArray]] = {head: [] for head in bars}
    lead = config.window - 1
    for one, part in zip(series, rows, strict=True):
        if not len(part):
            continue
        features = one.features[part.start - lead : part.stop]
        with_it = embed_history(model.encoder, model.heads, features, one.asset_class).part(np.s_[lead:])
        with torch.inference_mode():
            own = model.heads.without_embedding(torch.from_numpy(features[lead:])).probabilities()
        without = HeadOutputs(with_it.embedding, *(each.numpy() for each in own))
        targets = head_targets(one, part, config)
        for found, outputs in ((deep, with_it), (alone, without)):
            for head, predicted in output_predictions(outputs, config).items():
                losses = loss_rows(head, predicted, targets[head], config)
                found[head].append(losses.mean(axis=1) if head == "quantiles" else losses)
    moments = np.concatenate([one.ts_ns[part.start : part.stop] for one, part in zip(series, rows, strict=True)])
    confirmed = set()
    for head, horizon in bars.items():
        lost, baseline = np.concatenate(deep[head]), np.concatenate(alone[head])
        if np.isfinite(lost).any():
            generator = np.random.default_rng(SEED)
            if loss_difference(lost, baseline, moments, generator, horizon=horizon).is_better:
                confirmed.add(head)
    return frozenset(confirmed)

"""Each head against its best baseline, on rows that nothing was fitted or chosen on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agv2.core.arrays import BoolArray
from agv2.models.config import EncoderConfig
from agv2.models.embedding import embed_history
from agv2.models.head_baselines import (
    class_baselines,
    level_baselines,
    quantile_baselines,
    reconstruction_baselines,
)
from agv2.models.losses import pinball_loss, reconstruction_loss
from agv2.models.masked_model import MaskedModel, interpolated
from agv2.models.row_losses import log_loss_rows
from agv2.models.training_batches import masked_spans
from agv2.models.training_rows import PurgedRows, TrainingSeries

__all__ = ["MEASURES", "HeadScore", "beats", "head_losses", "score_heads"]

MARGIN = 0.001
MASK_SEED = 20090301  # the same bars are hidden for every encoder, so that scores compare
MEASURES = {
    "quantiles": "pinball",
    "regime": "log_loss",
    "pattern": "log_loss",
    "levels": "brier",
    "reconstruction": "huber",
}


@dataclass(frozen=True, slots=True)
class HeadScore:
    """One head's losses, lower is better, and those of what it must beat.

    Attributes:
        head: one of `MEASURES`.
        measure: what is averaged, from `MEASURES`.
        score: on the scoring rows, on which nothing was fitted or chosen.
        baselines: the same loss on the same rows of each baseline by name.
        train_score: on the training rows.
        validation_score: on the selection rows, which chose the weights.
    """

    head: str
    measure: str
    score: float
    baselines: dict[str, float]
    train_score: float
    validation_score: float

    @property
    def baseline_name(self) -> str:
        """The best baseline, chosen with hindsight, which is to its advantage."""
        return min(self.baselines, key=lambda name: self.baselines[name])

    @property
    def baseline(self) -> float:
        """Loss of the best baseline on the scoring rows."""
        return self.baselines[self.baseline_name]

    @property
    def beats(self) -> bool:
        """Whether the head is better than its best baseline by more than `MARGIN`."""
        return beats(self.score, self.baseline)


def beats(score: float, baseline: float) -> bool:
    """Whether a loss is below that of its baseline by more than `MARGIN` of it; less is a draw, which is no win."""
    return score < (1.0 - MARGIN) * baseline


def head_losses(
    model: MaskedModel, series: Sequence[TrainingSeries], rows: Sequence[range], config: EncoderConfig
) -> dict[str, float]:
    """Mean loss of each head over the rows of all series; heads without a known target are left out.

    Args:
        model: encoder, heads and mask.
        series: the symbols.
        rows: rows of each to look at.
        config: levels and masking.
    """
    lead, levels = config.window - 1, torch.tensor(config.quantile_levels)
    said, returns, regimes, patterns, reacted, rebuilt, wanted = ([] for _ in range(7))
    for one, part in zip(series, rows, strict=True):
        if len(part) == 0:
            continue
        features = one.features[part.start - lead : part.stop]
        outputs = embed_history(model.encoder, model.heads, features, one.asset_class)
        said.append([outputs.quantiles, outputs.regime_probs, outputs.pattern_probs, outputs.level_probs])
        returns.append(one.future[part.start : part.stop].astype(np.float32))
        regimes.append(one.regime[part.start : part.stop])
        patterns.append(one.pattern[part.start : part.stop])
        reacted.append(one.reacted[part.start : part.stop])
        with torch.inference_mode():
            masked, counted = _hidden_bars(len(features), lead, config)
            shown = model.hide(torch.from_numpy(features), torch.from_numpy(masked)).numpy()
            embedding = embed_history(model.encoder, model.heads, shown, one.asset_class).embedding
            read = torch.from_numpy(embedding[np.flatnonzero(counted) + config.mask_span])
            line = interpolated(torch.from_numpy(features)[None], torch.from_numpy(masked)[None])[0]
            rebuilt.append(model.heads.reconstruct(read, line[torch.from_numpy(counted)]))
            wanted.append(torch.from_numpy(features[counted]))
    losses: dict[str, float] = {}
    quantiles, regime_probs, pattern_probs, level_probs = (
        np.concatenate([rows[lead:] for rows in column]) for column in zip(*said, strict=True)
    )
    future, turned = np.concatenate(returns), np.concatenate(reacted)
    if np.isfinite(future).any():
        losses["quantiles"] = float(pinball_loss(torch.from_numpy(quantiles), torch.from_numpy(future), levels))
    for head, probs, labels in (("regime", regime_probs, regimes), ("pattern", pattern_probs, patterns)):
        classes = np.concatenate(labels)
        if (classes >= 0).any():
            losses[head] = float(np.nanmean(log_loss_rows(probs, classes)))
    if (turned >= 0).any():
        losses["levels"] = float(np.square(level_probs - turned)[turned >= 0].mean())
    target = torch.cat(wanted)
    if len(target):
        losses["reconstruction"] = float(reconstruction_loss(torch.cat(rebuilt), target))
    return losses


def score_heads(
    model: MaskedModel, series: Sequence[TrainingSeries], rows: Sequence[PurgedRows], config: EncoderConfig
) -> tuple[HeadScore, ...]:
    """Score every head that has targets, in the order of `MEASURES`.

    Args:
        model: trained encoder, heads and mask.
        series: the symbols.
        rows: their purged split.
        config: levels and masking.

    Returns:
        One score a head; a head without a single known target among the scoring rows is left out.
    """
    train, select, score = ([getattr(one, part) for one in rows] for part in ("train", "select", "score"))
    scored, trained, selected = (head_losses(model, series, part, config) for part in (score, train, select))
    baselines = {
        "quantiles": lambda: quantile_baselines(series, train, score, np.array(config.quantile_levels)),
        "regime": lambda: class_baselines(*(_labels(series, "regime", part) for part in (train, score))),
        "pattern": lambda: class_baselines(*(_labels(series, "pattern", part) for part in (train, score))),
        "levels": lambda: level_baselines(*(_labels(series, "reacted", part) for part in (train, score))),
        "reconstruction": lambda: _reconstruction_baselines(series, score, config),
    }
    return tuple(
        HeadScore(
            head=head,
            measure=MEASURES[head],
            score=loss,
            baselines=baselines[head](),
            train_score=trained.get(head, float("nan")),
            validation_score=selected.get(head, float("nan")),
        )
        for head, loss in scored.items()
    )


def _hidden_bars(n_bars: int, lead: int, config: EncoderConfig) -> tuple[BoolArray, BoolArray]:
    """Which bars are hidden, and which of them are given back by a bar that has its whole window."""
    masked = masked_spans(n_bars, config.mask_ratio, config.mask_span, np.random.default_rng(MASK_SEED))
    place = np.arange(n_bars)
    return masked, masked & (place + config.mask_span >= lead) & (place + config.mask_span < n_bars)


def _labels(series: Sequence[TrainingSeries], name: str, rows: Sequence[range]) -> NDArray[Any]:
    return np.concatenate([getattr(one, name)[part.start : part.stop] for one, part in zip(series, rows, strict=True)])


def _reconstruction_baselines(
    series: Sequence[TrainingSeries], rows: Sequence[range], config: EncoderConfig
) -> dict[str, float]:
    lead = config.window - 1
    totals: dict[str, float] = {}
    bars = 0
    for one, part in zip(series, rows, strict=True):
        features = one.features[part.start - lead : part.stop]
        masked, counted = _hidden_bars(len(features), lead, config)
        if len(part) == 0 or not counted.any():
            continue
        count = int(counted.sum())
        for name, loss in reconstruction_baselines(features, masked, counted).items():
            totals[name] = totals.get(name, 0.0) + loss * count
        bars += count
    return {name: total / bars for name, total in totals.items()}

"""Each head against its best baseline, on rows that nothing was fitted or chosen on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.models.baseline_rows import baseline_predictions
from agv2.models.config import EncoderConfig
from agv2.models.head_rows import head_predictions, head_targets, loss_rows
from agv2.models.masked_model import MaskedModel
from agv2.models.training_rows import PurgedRows, TrainingSeries

__all__ = ["MEASURES", "HeadScore", "beats", "head_losses", "prediction_losses", "score_heads"]

MARGIN = 0.001
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
    pairs = [(one, part) for one, part in zip(series, rows, strict=True) if len(part)]
    said = [head_predictions(model, one, part, config) for one, part in pairs]
    return prediction_losses(said, [one for one, _ in pairs], [part for _, part in pairs], config)


def prediction_losses(
    said: Sequence[Mapping[str, FloatArray]],
    series: Sequence[TrainingSeries],
    rows: Sequence[range],
    config: EncoderConfig,
) -> dict[str, float]:
    """Mean loss of each head over the rows of all series, whoever predicted them.

    Args:
        said: of each series, predictions of its rows by head, as from `head_predictions`; heads may be missing.
        series: the symbols.
        rows: rows of each that were predicted.
        config: levels and masking.

    Returns:
        Loss by head; heads without a known target are left out.
    """
    lost: dict[str, list[FloatArray]] = {}
    for own, one, part in zip(said, series, rows, strict=True):
        targets = head_targets(one, part, config)
        for head, predicted in own.items():
            lost.setdefault(head, []).append(loss_rows(head, predicted, targets[head], config))
    means = {head: _mean(parts) for head, parts in lost.items()}
    return {head: mean for head, mean in means.items() if not math.isnan(mean)}


def score_heads(
    model: MaskedModel,
    series: Sequence[TrainingSeries],
    rows: Sequence[PurgedRows],
    config: EncoderConfig,
    *,
    seed: int,
    costly_baselines: bool = False,
) -> tuple[HeadScore, ...]:
    """Score every head that has targets, in the order of `MEASURES`.

    Args:
        model: trained encoder, heads and mask.
        series: the symbols.
        rows: their purged split.
        config: levels and masking.
        seed: of baselines that need chance.
        costly_baselines: whether GARCH and boosted trees are among them.

    Returns:
        One score a head; a head without a single known target among the scoring rows is left out.
    """
    train, select, score = ([getattr(one, part) for one in rows] for part in ("train", "select", "score"))
    scored, trained, selected = (head_losses(model, series, part, config) for part in (score, train, select))
    targets = [head_targets(one, part, config) for one, part in zip(series, score, strict=True)]
    found = []
    for head, loss in scored.items():
        if not model.weights[head]:
            continue  # it was taught nothing, perhaps because nothing of its targets is known
        said = baseline_predictions(head, series, train, score, config, costly=costly_baselines, seed=seed)
        lost: dict[str, list[FloatArray]] = {name: [] for name in said[0]}
        for own, target in zip(said, targets, strict=True):
            for name, predicted in own.items():
                lost[name].append(loss_rows(head, predicted, target[head], config))
        found.append(
            HeadScore(
                head=head,
                measure=MEASURES[head],
                score=loss,
                baselines={name: _mean(parts) for name, parts in lost.items()},
                train_score=trained.get(head, math.nan),
                validation_score=selected.get(head, math.nan),
            )
        )
    return tuple(found)


def _mean(parts: Sequence[FloatArray]) -> float:
    """Over everything known in all parts; NaN where nothing is."""
    known = np.concatenate([part[np.isfinite(part)] for part in parts])
    return float(known.mean()) if known.size else math.nan

"""What else the held-out bars tell: whether probabilities come true, and what heads lose without each other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from agv2.app.encoder_report import AblatedHead, HeadReliability
from agv2.app.encoder_training.plan import EncoderPlan
from agv2.core.arrays import BoolArray, Float32Array, FloatArray, IntArray
from agv2.features.labels.breakout import Pattern
from agv2.features.labels.regime import Regime
from agv2.models.block_bootstrap_scores import loss_difference
from agv2.models.embedding import embed_history
from agv2.models.evidence.reliability import reliability_points
from agv2.models.head_outputs import HeadOutputs
from agv2.models.head_rows import HiddenBars, head_predictions, head_targets, loss_rows
from agv2.models.masked_model import MaskedModel
from agv2.models.training_rows import TrainingSeries
from agv2.utils.seeding import spawn_generators

__all__ = ["RowLosses", "ablated_heads", "head_reliability", "held_out_losses"]


class RowLosses(NamedTuple):
    """Losses of one head on the held-out rows of all symbols, the mean over the encoders."""

    losses: FloatArray
    """(n_rows,) NaN where the target is unknown."""
    ts_ns: IntArray
    """(n_rows,)"""


def held_out_losses(plan: EncoderPlan, models: Sequence[MaskedModel], heads: Sequence[str]) -> dict[str, RowLosses]:
    """By head.

    Args:
        plan: the bars.
        models: one a seed.
        heads: to be scored.
    """
    parts: dict[str, list[RowLosses]] = {head: [] for head in heads}
    for one, rows in zip(plan.whole, plan.score_rows, strict=True):
        target = head_targets(one, rows, plan.config)
        said = [head_predictions(model, one, rows, plan.config) for model in models]
        for head in heads:
            each = [loss_rows(head, own[head], target[head], plan.config) for own in said]
            by_row = np.mean([own if own.ndim == 1 else own.mean(axis=1) for own in each], axis=0)
            at = HiddenBars.of(one, rows, plan.config).places if head == "reconstruction" else np.asarray(rows)
            parts[head].append(RowLosses(by_row, one.ts_ns[at]))
    return {head: RowLosses(*map(np.concatenate, zip(*own, strict=True))) for head, own in parts.items()}


def ablated_heads(
    plan: EncoderPlan, whole: Mapping[str, RowLosses], without: str, left: Mapping[str, RowLosses]
) -> list[AblatedHead]:
    """What each other head loses when `without` is not trained.

    Args:
        plan: the bars.
        whole: losses of encoders with every head.
        without: the head that is missing.
        left: losses of encoders of the same seeds without it.
    """
    reach = max(one.label_reach for one in plan.whole)
    found = []
    for head, own in left.items():
        if not (np.isfinite(own.losses) & np.isfinite(whole[head].losses)).any():
            continue  # no held-out row knows its target, which a note says
        stream = f"without {without}, {head}"
        rng = spawn_generators(plan.budget.seeds[0], stream)[stream]
        change = loss_difference(own.losses, whole[head].losses, own.ts_ns, rng, horizon=reach)
        found.append(AblatedHead(without, head, float(np.nanmean(whole[head].losses)), change))
    return found


def head_reliability(plan: EncoderPlan, models: Sequence[MaskedModel]) -> list[HeadReliability]:
    """For each symbol and each event that heads give a probability of, the encoders' predictions together."""
    found = []
    for one, rows in zip(plan.whole, plan.score_rows, strict=True):
        lead = plan.config.window - 1
        bars = one.features[rows.start - lead : rows.stop]
        said = [embed_history(model.encoder, model.heads, bars, one.asset_class) for model in models]
        for head, event, known, happened, probs in _events(one, rows, said, lead):
            if head in plan.heads and known.any():
                pooled = np.concatenate([each[known] for each in probs]).astype(np.float64)
                points = reliability_points(pooled, np.tile(happened[known], len(probs)))
                found.append(HeadReliability(one.symbol, head, event, points))
    return found


def _events(
    one: TrainingSeries, rows: range, said: Sequence[HeadOutputs], lead: int
) -> Iterator[tuple[str, str, BoolArray, BoolArray, list[Float32Array]]]:
    """Head, event, where its outcome is known, where it came, and what each encoder said."""
    part = slice(rows.start, rows.stop)
    for head, labels, classes in (("regime", one.regime, Regime), ("pattern", one.pattern, Pattern)):
        for each in classes:
            if each >= 0:
                column = [getattr(outputs, f"{head}_probs")[lead:, each] for outputs in said]
                yield head, each.name.lower(), labels[part] >= 0, labels[part] == each, column
    reacted = one.reacted[part]
    yield "levels", "price turns", reacted >= 0, reacted > 0, [outputs.level_probs[lead:] for outputs in said]

"""What each head said about each row, what came, and what that cost."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from agv2.core.arrays import BoolArray, Float32Array, FloatArray, IntArray
from agv2.core.errors import ShapeError
from agv2.models.config import EncoderConfig
from agv2.models.embedding import embed_history
from agv2.models.head_outputs import HeadOutputs
from agv2.models.masked_model import MaskedModel, interpolated
from agv2.models.row_losses import brier_rows, huber_rows, log_loss_rows, pinball_rows
from agv2.models.training_batches import masked_spans
from agv2.models.training_rows import TrainingSeries

__all__ = ["HiddenBars", "head_predictions", "head_targets", "loss_rows", "output_predictions"]

MASK_SEED = 20090301  # the same bars are hidden for every encoder, so that scores compare


class HiddenBars(NamedTuple):
    """Bars that the encoder is not shown while it looks at some rows, and what they were.

    Attributes:
        features: (n, F) bars of the rows and of the windows before them.
        masked: (n,) True where the encoder is shown the mask instead.
        counted: (n,) the masked bars that a row with its whole window gives back; `reconstruction` has a row for each.
        places: (n_counted,) of these bars in the series.
    """

    features: Float32Array
    masked: BoolArray
    counted: BoolArray
    places: IntArray

    @classmethod
    def of(cls, one: TrainingSeries, rows: range, config: EncoderConfig) -> "HiddenBars":
        """The same bars in every call.

        Raises:
            ShapeError: a row has no whole window before it.
        """
        lead = config.window - 1
        if len(rows) and rows.start < lead:
            raise ShapeError(f"{one.symbol}: row {rows.start} has fewer than {lead} bars before it")
        features = one.features[rows.start - lead : rows.stop]
        n_bars = len(features)
        masked = masked_spans(n_bars, config.mask_ratio, config.mask_span, np.random.default_rng(MASK_SEED))
        reader = np.arange(n_bars) + config.mask_span
        counted = masked & (reader >= lead) & (reader < n_bars)
        return cls(features, masked, counted, rows.start - lead + np.flatnonzero(counted))


def head_predictions(
    model: MaskedModel, one: TrainingSeries, rows: range, config: EncoderConfig
) -> dict[str, FloatArray]:
    """Predictions by head.

    Args:
        model: encoder, heads and mask.
        one: a symbol.
        rows: its rows, each with a whole window before it.
        config: levels and masking.

    Returns:
        quantiles (n_rows, n_horizons, n_levels), regime and pattern (n_rows, 3), levels (n_rows, n_bands) and
        reconstruction (n_hidden, F), the features of the `HiddenBars`.
    """
    lead, hidden = config.window - 1, HiddenBars.of(one, rows, config)
    said = embed_history(model.encoder, model.heads, hidden.features, one.asset_class)
    with torch.inference_mode():
        features, masked = torch.from_numpy(hidden.features), torch.from_numpy(hidden.masked)
        shown = model.hide(features, masked).numpy()
        embedding = embed_history(model.encoder, model.heads, shown, one.asset_class).embedding
        read = torch.from_numpy(embedding[np.flatnonzero(hidden.counted) + config.mask_span])
        line = interpolated(features[None], masked[None])[0][torch.from_numpy(hidden.counted)]
        rebuilt = model.heads.reconstruct(read, line).numpy()
    return output_predictions(said.part(np.s_[lead:]), config) | {"reconstruction": rebuilt.astype(np.float64)}


def output_predictions(outputs: HeadOutputs, config: EncoderConfig) -> dict[str, FloatArray]:
    """Predictions by head, but for reconstruction, of the bars of `outputs`; shapes as from `head_predictions`."""
    n_bars = len(outputs.quantiles)
    found = {
        "quantiles": outputs.quantiles.reshape(n_bars, len(config.horizons), len(config.quantile_levels)),
        "regime": outputs.regime_probs,
        "pattern": outputs.pattern_probs,
        "levels": outputs.level_probs,
    }
    return {head: values.astype(np.float64) for head, values in found.items()}


def head_targets(one: TrainingSeries, rows: range, config: EncoderConfig) -> dict[str, NDArray[Any]]:
    """What the predictions of the same rows were about, by head: NaN or -1 where unknown."""
    part, hidden = slice(rows.start, rows.stop), HiddenBars.of(one, rows, config)
    return {
        "quantiles": one.future[part],
        "regime": one.regime[part],
        "pattern": one.pattern[part],
        "levels": one.reacted[part],
        "reconstruction": hidden.features[hidden.counted].astype(np.float64),
    }


def loss_rows(head: str, predicted: FloatArray, target: NDArray[Any], config: EncoderConfig) -> FloatArray:
    """Loss of each row by the head's own measure.

    Args:
        head: one of the five.
        predicted: as from `head_predictions`, by a head or by a baseline of it.
        target: as from `head_targets`.
        config: the quantile levels.

    Returns:
        (n_rows,), of quantiles (n_rows, n_horizons); NaN where the target is unknown.
    """
    if head == "quantiles":
        return pinball_rows(predicted, target, np.array(config.quantile_levels))
    if head == "levels":
        return brier_rows(predicted, target)
    return huber_rows(predicted, target) if head == "reconstruction" else log_loss_rows(predicted, target)

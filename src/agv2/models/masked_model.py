"""Encoder, heads and mask as one module: what pretraining trains."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agv2.models.config import EncoderConfig
from agv2.models.encoder import StageOneEncoder
from agv2.models.heads import MultiTaskHeads
from agv2.models.losses import pinball_loss, reconstruction_loss, regime_loss
from agv2.models.training_batches import Batch

__all__ = ["HeadLosses", "MaskedModel", "Progress", "interpolated"]

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called after each training step with the step (from 1), the number of steps and each head's loss on its batch."""


class HeadLosses(NamedTuple):
    """Loss of each head on one batch, before weighting."""

    quantiles: Tensor
    regime: Tensor
    reconstruction: Tensor


class MaskedModel(nn.Module):
    """The encoder with its heads, and the bar it is shown where a bar is hidden.

    The reconstruction of bar t is read from the embedding of bar t + `mask_span`: a causal encoder has by then seen a
    bar on either side of the span.

    Args:
        n_features: normalised features per bar.
        config: widths, levels and masking.
    """

    def __init__(self, n_features: int, config: EncoderConfig) -> None:
        super().__init__()
        self.encoder = StageOneEncoder(n_features, config)
        self.heads = MultiTaskHeads(n_features, config)
        self.mask = nn.Parameter(torch.zeros(n_features))
        self.delay = config.mask_span
        self.register_buffer("levels", torch.tensor(config.quantile_levels), persistent=False)

    def hide(self, features: Tensor, masked: Tensor) -> Tensor:
        """(..., F) features with the mask in place of the bars where `masked` (...) is True."""
        return torch.where(masked.unsqueeze(-1), self.mask, features)

    def forward(self, batch: Batch) -> HeadLosses:
        """Losses of one batch; hidden bars count for reconstruction, known targets for the others."""
        shown = self.hide(batch.features, batch.masked)
        embedding = self.encoder(shown)
        rows = embedding.shape[1]
        predictions = self.heads(embedding, shown.narrow(1, shown.shape[1] - rows, rows))
        first = shown.shape[1] - rows - self.delay
        masked = batch.masked.narrow(1, first, rows)
        # Only the hidden bars go through the head: they are a twentieth of all.
        wanted = batch.features.narrow(1, first, rows)[masked]
        guess = interpolated(batch.features, batch.masked).narrow(1, first, rows)[masked]
        return HeadLosses(
            pinball_loss(predictions.quantiles, batch.returns, self.get_buffer("levels")),
            regime_loss(predictions.regime_logits, batch.regime),
            reconstruction_loss(self.heads.reconstruct(embedding[masked], guess), wanted),
        )


def interpolated(features: Tensor, masked: Tensor) -> Tensor:
    """(B, T, F) features with straight lines over the masked spans, none of which touches an end."""
    n_bars = features.shape[1]
    place = torch.arange(n_bars).expand_as(masked)
    left = place.masked_fill(masked, -1).cummax(dim=1).values
    right = place.masked_fill(masked, n_bars).flip(1).cummin(dim=1).values.flip(1)
    share = ((place - left) / (right - left).clamp_min(1)).unsqueeze(-1).to(features.dtype)
    before, after = (features.gather(1, i.unsqueeze(-1).expand_as(features)) for i in (left, right))
    return before + share * (after - before)

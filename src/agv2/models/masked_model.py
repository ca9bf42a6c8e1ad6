"""Encoder, heads and mask as one module: what pretraining trains."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agv2.models.config import EncoderConfig
from agv2.models.encoder import StageOneEncoder
from agv2.models.heads import MultiTaskHeads
from agv2.models.losses import class_loss, level_loss, pinball_loss, reconstruction_loss
from agv2.models.training_batches import Batch

__all__ = ["HeadLosses", "MaskedModel", "interpolated"]

SMALLEST_SIZE = 1e-6  # of a loss that is nothing at the start


class HeadLosses(NamedTuple):
    """Loss of each head on one batch, before weighting."""

    quantiles: Tensor
    regime: Tensor
    pattern: Tensor
    levels: Tensor
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
        self.weights = config.head_weights.model_dump()
        learnt = config.head_weighting == "uncertainty"
        sizes = nn.Parameter(torch.zeros(len(HeadLosses._fields))) if learnt else None
        self.log_sizes: nn.Parameter | None
        self.register_parameter("log_sizes", sizes)
        self.register_buffer("levels", torch.tensor(config.quantile_levels), persistent=False)

    def hide(self, features: Tensor, masked: Tensor) -> Tensor:
        """(..., F) features with the mask in place of the bars where `masked` (...) is True."""
        return torch.where(masked.unsqueeze(-1), self.mask, features)

    def weighted(self, losses: HeadLosses) -> Tensor:
        """What training minimises: the losses by their fixed weights, or these by their own learnt size as well.

        In the second way a head's loss counts as `loss / size + log(size)`, so that a weight is a share, whatever the
        unit of the loss; the best size is the loss itself.

        Source: Kendall, Gal and Cipolla (2018), CVPR, 7482-7491, with one rule for all kinds of losses.
        """
        total = torch.zeros_like(losses.quantiles)
        for place, (head, loss) in enumerate(losses._asdict().items()):
            if self.weights[head] > 0.0:
                if self.log_sizes is not None:
                    loss = loss * (-self.log_sizes[place]).exp() + self.log_sizes[place]
                total = total + self.weights[head] * loss
        return total

    def start_sizes(self, losses: Mapping[str, float]) -> None:
        """Begin with the sizes that losses have before training; without effect where weights are fixed."""
        if self.log_sizes is not None:
            known = [max(losses.get(head, 1.0), SMALLEST_SIZE) for head in HeadLosses._fields]
            self.log_sizes.data.copy_(torch.tensor(known).log())

    def forward(self, batch: Batch) -> HeadLosses:
        """Losses of one batch; hidden bars count for reconstruction, known targets for the others."""
        shown = self.hide(batch.features, batch.masked)
        # Mixed precision is for the backbone: heads and losses cost little, and quantiles lie close to each other.
        embedding = self.encoder(shown, batch.asset_class).float()
        with torch.autocast(shown.device.type, enabled=False):
            return self._losses(batch, shown, embedding)

    def _losses(self, batch: Batch, shown: Tensor, embedding: Tensor) -> HeadLosses:
        rows = embedding.shape[1]
        predictions = self.heads(embedding, shown.narrow(1, shown.shape[1] - rows, rows))
        first = shown.shape[1] - rows - self.delay
        masked = batch.masked.narrow(1, first, rows)
        # Only the hidden bars go through the head: they are a twentieth of all.
        wanted = batch.features.narrow(1, first, rows)[masked]
        guess = interpolated(batch.features, batch.masked).narrow(1, first, rows)[masked]
        return HeadLosses(
            pinball_loss(predictions.quantiles, batch.returns, self.get_buffer("levels")),
            class_loss(predictions.regime_logits, batch.regime),
            class_loss(predictions.pattern_logits, batch.pattern),
            level_loss(predictions.level_logits, batch.reacted),
            reconstruction_loss(self.heads.reconstruct(embedding[masked], guess), wanted),
        )


def interpolated(features: Tensor, masked: Tensor) -> Tensor:
    """(B, T, F) features with straight lines over the masked spans, none of which touches an end."""
    n_bars = features.shape[1]
    place = torch.arange(n_bars, device=masked.device).expand_as(masked)
    left = place.masked_fill(masked, -1).cummax(dim=1).values
    right = place.masked_fill(masked, n_bars).flip(1).cummin(dim=1).values.flip(1)
    share = ((place - left) / (right - left).clamp_min(1)).unsqueeze(-1).to(features.dtype)
    before, after = (features.gather(1, i.unsqueeze(-1).expand_as(features)) for i in (left, right))
    return before + share * (after - before)

"""Losses of the heads; each is 0 for a perfect prediction and counts known targets only."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["class_loss", "level_loss", "pinball_loss", "reconstruction_loss"]


def pinball_loss(quantiles: Tensor, returns: Tensor, levels: Tensor) -> Tensor:
    """Mean pinball loss over the known returns, horizons and levels.

    Args:
        quantiles: (..., H × Q) predicted quantiles, horizon by horizon.
        returns: (..., H) forward returns in σ·√h, NaN where unknown.
        levels: (Q,) in (0, 1).

    Returns:
        Scalar >= 0, 0 where every quantile equals the return; 0 if no return is known.

    Source: Koenker and Bassett (1978), Econometrica 46(1), 33-50.
    """
    known = ~returns.isnan()
    error = returns.nan_to_num().unsqueeze(-1) - quantiles.reshape(*returns.shape, len(levels))
    loss = torch.maximum(levels * error, (levels - 1.0) * error).mean(-1)
    return (loss * known).sum() / known.sum().clamp_min(1)


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the known labels.

    Args:
        logits: (..., C).
        labels: (...) class numbers, -1 where unknown.

    Returns:
        Scalar >= 0, towards 0 as the right class takes all the probability; 0 if no label is known.
    """
    total = functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index=-1, reduction="sum")
    return total / (labels >= 0).sum().clamp_min(1)


def level_loss(logits: Tensor, reacted: Tensor) -> Tensor:
    """Mean Brier score over the bands whose outcome is known.

    Args:
        logits: (..., bands) that price turns there.
        reacted: (..., bands) 1 where it did, 0 where it did not, -1 where unknown.

    Returns:
        Scalar in [0, 1], towards 0 as what happened takes all the probability; 0 if nothing is known.

    Source: Brier (1950), Monthly Weather Review 78(1), 1-3.
    """
    known = reacted >= 0
    error = logits.sigmoid() - reacted
    return (error.square() * known).sum() / known.sum().clamp_min(1)


def reconstruction_loss(predicted: Tensor, features: Tensor) -> Tensor:
    """Mean Huber loss over hidden bars and their features.

    Args:
        predicted: (n_hidden, F) features given back.
        features: (n_hidden, F) as they were before they were hidden.

    Returns:
        Scalar >= 0, 0 where every hidden bar is given back; 0 if none is hidden.
    """
    return functional.huber_loss(predicted, features, reduction="sum") / max(features.numel(), 1)

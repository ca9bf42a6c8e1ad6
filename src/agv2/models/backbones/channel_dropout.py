"""Dropout of whole channels, for all backbones."""

import torch
from torch import Tensor, nn

__all__ = ["ChannelDropout"]


class ChannelDropout(nn.Module):
    """Leaves out whole channels of a chunk, (B, T, C): cheaper than single numbers, and neighbours cannot fill in."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.keep = 1.0 - probability

    def forward(self, x: Tensor) -> Tensor:
        """X of the same shape; as it is outside training."""
        if not self.training or self.keep == 1.0:
            return x
        kept = torch.empty(x.shape[0], 1, x.shape[2], device=x.device).bernoulli_(self.keep)
        return x * (kept / self.keep)

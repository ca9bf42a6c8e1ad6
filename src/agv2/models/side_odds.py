"""How much a policy prefers a position to being flat, as one function of bars and book that gradients flow through."""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from agv2.core.arrays import Float32Array, FloatArray
from agv2.models.heads import MultiTaskHeads
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder

__all__ = ["SideOdds"]

_FLAT, _POSITIONS = 0, 3


class SideOdds(nn.Module):
    """Log-odds of one position against flat: the difference of two logits, from window and book to policy.

    Limits refuse positions outside of the network; these are the odds as if none were refused.

    Args:
        pretrained: encoder and heads.
        policy: reads embedding, head predictions and book.
        position: index of the position in the action, not that of flat.
        asset_class: of the market, its number in `ASSET_CLASSES`.
    """

    def __init__(self, pretrained: PretrainedEncoder, policy: PolicyNetwork, position: int, asset_class: int) -> None:
        super().__init__()
        self.encoder, self.heads, self.policy = pretrained.encoder.eval(), pretrained.heads.eval(), policy.eval()
        self.position, self.asset_class = position, asset_class
        self.embedding_dim = pretrained.config.embedding_dim
        self.reads_window = _reads_embedding(self.heads, policy, self.embedding_dim)
        """Whether bars before the last one matter: most policies read the heads alone, and heads that were not
        confirmed to gain by the embedding read the last bar's features alone. Then the encoder is not asked."""

    def forward(self, window: Tensor, state: Tensor) -> Tensor:
        """Log-odds, (B,).

        Args:
            window: (B, window, F) normalised features.
            state: (B, S) what the observation holds of the book, without the permissions.
        """
        if self.reads_window:
            kind = torch.full((len(window),), self.asset_class, dtype=torch.int64)
            embedding = self.encoder(window, kind).squeeze(1)
        else:
            embedding = torch.zeros(len(window), self.embedding_dim)
        said = self.heads(embedding, window[:, -1]).probabilities()
        observation = torch.cat([embedding, *said, state, torch.ones(len(window), _POSITIONS)], dim=1)
        logits = self.policy(observation).logits
        return cast(Tensor, logits[:, self.position] - logits[:, _FLAT])

    def of(self, windows: Float32Array, states: Float32Array) -> FloatArray:
        """The same of arrays, (B, window, F) and (B, S), without gradients."""
        with torch.inference_mode():
            bars, books = (torch.from_numpy(np.ascontiguousarray(one)) for one in (windows, states))
            return cast(FloatArray, self(bars, books).double().numpy())


def _reads_embedding(heads: MultiTaskHeads, policy: PolicyNetwork, width: int) -> bool:
    first = cast(nn.Linear, policy.mlp_extractor.policy_net[0]).weight[:, :width]
    asked = (heads.quantile, heads.regime, heads.pattern, heads.level_map)
    return bool(first.any()) or any(bool(head.get_buffer("embedding_share") > 0.0) for head in asked)

"""Causal attention in bands of fixed width: `transformer`."""

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from agv2.models.backbones.channel_dropout import ChannelDropout

__all__ = ["AttentionBlock", "BandedAttention"]

FEEDFORWARD_WIDTH = 2


class _Blocks(NamedTuple):
    """Queries in blocks, each with all the keys that any of its queries may read.

    Attributes:
        queries: (B·n, heads, block, D) of consecutive bars.
        keys: (B·n, heads, block + reach, D): those bars and the `reach` before them.
        values: as the keys.
        rows: queries in truth; what the last block has beyond them is filling.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    rows: int


class BandedAttention(nn.Module):
    """Attention of each bar to itself and the `reach` bars before it: (B, T, C) -> (B, T - reach, C).

    There is no padding, and no position but the distance: a score falls with it, by another slope in each head, of
    which the last reaches over the whole band. So a bar's result depends on the bars of its band alone, wherever the
    band lies. Scores are made in blocks of `reach` queries, never for all pairs of bars.

    Args:
        channels: a multiple of `heads`.
        heads: attention heads.
        reach: bars before its own that a bar reads, >= 1.

    Source: linear penalties on distance, Press, Smith and Lewis (2022), ICLR, arXiv:2108.12409.
    """

    def __init__(self, channels: int, heads: int, reach: int) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        band = reach + 1
        slopes = torch.tensor([band ** -((head + 1) / heads) for head in range(heads)])
        self.register_buffer("slopes", slopes, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Only the bars with a whole band."""
        blocks = self._blocks(x)
        read = functional.scaled_dot_product_attention(
            blocks.queries, blocks.keys, blocks.values, attn_mask=self._penalties(blocks)
        )
        return read.transpose(1, 2).reshape(x.shape[0], -1, x.shape[2]).narrow(1, 0, blocks.rows)

    def weights(self, x: Tensor) -> Tensor:
        """What each bar attends to: (B, heads, T - reach, reach + 1), rows sum to 1, the bar itself last."""
        blocks = self._blocks(x)
        scores = blocks.queries @ blocks.keys.transpose(-1, -2) / math.sqrt(blocks.queries.shape[-1])
        shares = (scores + self._penalties(blocks)).softmax(-1)
        size = shares.shape[2]
        place = torch.arange(size, device=x.device)[:, None] + torch.arange(self.reach + 1, device=x.device)
        banded = shares.gather(-1, place.expand(*shares.shape[:2], -1, -1))
        banded = banded.view(x.shape[0], -1, *banded.shape[1:]).transpose(1, 2).flatten(2, 3)
        return banded.narrow(2, 0, blocks.rows)

    def _blocks(self, x: Tensor) -> _Blocks:
        rows = x.shape[1] - self.reach
        size = min(self.reach, rows)
        count = -(-rows // size)
        filling = (0, 0, 0, count * size - rows)
        queries = functional.pad(self.query(x.narrow(1, self.reach, rows)), filling)
        queries = queries.view(-1, size, self.heads, x.shape[2] // self.heads).transpose(1, 2)
        # Filling comes last, so that only filled queries may read filled keys.
        both = functional.pad(self.key_value(x), filling).unfold(1, size + self.reach, size)
        both = both.flatten(0, 1).view(-1, 2, self.heads, x.shape[2] // self.heads, size + self.reach)
        # Contiguous: torch has no fused kernel for training on anything else, and takes twice as long without.
        keys, values = both.transpose(-1, -2).contiguous().unbind(1)
        return _Blocks(queries, keys, values, rows)

    def _penalties(self, blocks: _Blocks) -> Tensor:
        """(1, heads, block, block + reach) added to the scores: -inf outside the band."""
        size, width = blocks.queries.shape[2], blocks.keys.shape[2]
        slopes = self.get_buffer("slopes").to(blocks.queries.dtype)
        place = torch.arange(width, device=slopes.device)
        distance = self.reach + place[:size, None] - place
        fall = -slopes[:, None, None] * distance
        return fall.masked_fill((distance < 0) | (distance > self.reach), -math.inf).unsqueeze(0)


class AttentionBlock(nn.Module):
    """x + mix(attention(norm(x))), then x + perceptron(norm(x)), with x cut to the bars that see a whole band."""

    def __init__(self, channels: int, heads: int, reach: int, dropout: float) -> None:
        super().__init__()
        # Over channels only: statistics over time would let bars outside the window in.
        self.norm = nn.LayerNorm(channels)
        self.attention = BandedAttention(channels, heads, reach)
        self.mix = nn.Linear(channels, channels)
        self.feedforward = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, FEEDFORWARD_WIDTH * channels),
            nn.GELU(),
            nn.Linear(FEEDFORWARD_WIDTH * channels, channels),
        )
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T - reach, C)."""
        read = self.mix(self.attention(self.norm(x)))
        x = x.narrow(1, x.shape[1] - read.shape[1], read.shape[1]) + self.dropout(read)
        return cast(Tensor, x + self.dropout(self.feedforward(x)))

    def attention_weights(self, x: Tensor) -> Tensor:
        """The weights of the attention that `forward` uses on the same x; see `BandedAttention.weights`."""
        return self.attention.weights(self.norm(x))

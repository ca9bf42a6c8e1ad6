"""The network that turns bars into a state."""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from agv2.core.errors import ConfigError
from agv2.models.backbones.lstm import RecurrentBlock
from agv2.models.backbones.tcn import CausalConvolution, ConvolutionBlock
from agv2.models.backbones.transformer import AttentionBlock
from agv2.models.config import ASSET_CLASSES, EncoderConfig

__all__ = ["StageOneEncoder"]


class StageOneEncoder(nn.Module):
    """Embeds each bar from the `window` bars that end with it, and from nothing else.

    That is so for each row of a pass over a longer stretch as well, but for those of an `lstm`, which may have read a
    few bars from before their windows (`RecurrentBlock`).

    Args:
        n_features: normalised features per bar.
        config: backbone, widths and window.
    """

    def __init__(self, n_features: int, config: EncoderConfig) -> None:
        super().__init__()
        self.n_features, self.window = n_features, config.window
        self.stem = _stem(n_features, config)
        # From zero, so that a class which is never trained on changes nothing.
        self.asset_classes = nn.Parameter(torch.zeros(len(ASSET_CLASSES), config.channels))
        self.blocks = nn.ModuleList(_blocks(config))
        self.norm = nn.LayerNorm(config.channels)
        self.project = nn.Linear(config.channels, config.embedding_dim)
        # The policy reads the embedding beside hand-scaled numbers, so it leaves at a scale of one.
        self.scale = nn.LayerNorm(config.embedding_dim)

    def forward(self, x: Tensor, asset_class: Tensor | None = None) -> Tensor:
        """Embedding of every bar that has its whole window.

        Args:
            x: (B, T, F) normalised features, T >= window, finite.
            asset_class: (B,) number of each market's class in `ASSET_CLASSES`; None: other.

        Returns:
            (B, T - window + 1, D); entry i belongs to bar i + window - 1.

        Known at: the close of that bar.
        """
        hidden = self._stemmed(x, asset_class)
        for block in self.blocks:
            hidden = block(hidden)
        return cast(Tensor, self.scale(self.project(nn.functional.gelu(self.norm(hidden)))))

    def attention_weights(self, x: Tensor, asset_class: Tensor | None = None) -> list[Tensor]:
        """What each bar attends to in each layer of a `transformer`, from the bars up.

        Args:
            x: (B, T, F) as for `forward`.
            asset_class: (B,) likewise.

        Returns:
            One (B, heads, rows, band) a layer, whose rows sum to 1: the last row belongs to the last bar, and the last
            number of a row to the row's own bar. Each layer has `band - 1` rows fewer than the one below it.

        Raises:
            ConfigError: the backbone has no attention.
        """
        hidden, weights = self._stemmed(x, asset_class), []
        for block in self.blocks:
            if not isinstance(block, AttentionBlock):
                raise ConfigError("only the backbone transformer has attention weights")
            weights.append(block.attention_weights(hidden))
            hidden = block(hidden)
        return weights

    def _stemmed(self, x: Tensor, asset_class: Tensor | None = None) -> Tensor:
        kind = self.asset_classes[0] if asset_class is None else self.asset_classes[asset_class].unsqueeze(1)
        return cast(Tensor, self.stem(x) + kind)


def _stem(n_features: int, config: EncoderConfig) -> nn.Module:
    if config.backbone == "tcn":
        return CausalConvolution(n_features, config.channels, kernel=2, dilation=1)
    return nn.Linear(n_features, config.channels)


def _blocks(config: EncoderConfig) -> Iterator[nn.Module]:
    channels, dropout = config.channels, config.dropout
    if config.backbone == "tcn":
        for dilation in config.tcn.dilations(config.window):
            yield ConvolutionBlock(channels, config.tcn.kernel, dilation, dropout)
    elif config.backbone == "transformer":
        for reach in config.transformer.reaches(config.window):
            yield AttentionBlock(channels, config.transformer.heads, reach, dropout)
    else:
        lstm = config.lstm
        yield RecurrentBlock(channels, lstm.layers, config.window - 1, lstm.rows_per_start, dropout)

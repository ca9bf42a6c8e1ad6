"""What the embedding is asked to predict."""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from agv2.core.arrays import FloatArray
from agv2.models.config import EncoderConfig

__all__ = ["HeadPredictions", "MultiTaskHeads"]

REGIMES = 3
# exp of ± this spans e±6: a quantile gap hundreds of times the usual one is an overflow, not a forecast.
LOG_GAP_RANGE = 6.0


class HeadPredictions(NamedTuple):
    """Outputs of the heads for each embedding.

    Attributes:
        quantiles: (..., horizons × levels) of the forward return in σ·√h, rising within each horizon.
        regime_logits: (..., 3) trend, consolidation, volatile.
    """

    quantiles: Tensor
    regime_logits: Tensor


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(hidden, outputs)
    # A head starts at its bias, which is its unconditional baseline, and moves only as far as the data push it.
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), last)


class MultiTaskHeads(nn.Module):
    """Quantile, regime and reconstruction heads on one embedding.

    The quantile head predicts the median and the logarithms of the gaps between neighbouring levels, so quantiles
    cannot cross, and a change of volatility is one common shift of the logarithms.

    Args:
        n_features: features per bar, which the reconstruction head gives back.
        config: widths, horizons and levels.
    """

    def __init__(self, n_features: int, config: EncoderConfig) -> None:
        super().__init__()
        self.horizons, self.levels = len(config.horizons), len(config.quantile_levels)
        self.middle = config.quantile_levels.index(0.5)
        self.quantile = _perceptron(config.embedding_dim, config.head_channels, config.quantile_outputs)
        self.regime = _perceptron(config.embedding_dim, config.head_channels, REGIMES)
        self.reconstruction = _perceptron(config.embedding_dim, config.head_channels, n_features)

    def forward(self, embedding: Tensor) -> HeadPredictions:
        """Predictions for each embedding, (..., D)."""
        return HeadPredictions(self._quantiles(embedding), self.regime(embedding))

    def reconstruct(self, embedding: Tensor) -> Tensor:
        """(..., n_features) normalised features of the bar `mask_span` before the embedding's own."""
        return cast(Tensor, self.reconstruction(embedding))

    def start_at_baseline(self, quantiles: FloatArray, regime_frequencies: FloatArray) -> None:
        """Set the biases so that an untrained head predicts the unconditional distribution.

        Args:
            quantiles: (horizons, levels) of the training targets.
            regime_frequencies: (3,) shares of the training labels.
        """
        raw = torch.zeros(self.horizons, self.levels, dtype=torch.float64)
        values = torch.from_numpy(quantiles)
        gaps = values.diff(dim=-1).clamp_min(1e-3).log()
        raw[:, self.middle] = values[:, self.middle]
        raw[:, : self.middle] = gaps[:, : self.middle]
        raw[:, self.middle + 1 :] = gaps[:, self.middle :]
        shares = torch.from_numpy(regime_frequencies).clamp_min(1e-3)
        with torch.no_grad():
            cast(nn.Linear, self.quantile[-1]).bias.copy_(raw.flatten())
            cast(nn.Linear, self.regime[-1]).bias.copy_((shares / shares.sum()).log())

    def _quantiles(self, embedding: Tensor) -> Tensor:
        raw = self.quantile(embedding).unflatten(-1, (self.horizons, self.levels))
        below, median, above = raw.split([self.middle, 1, self.levels - self.middle - 1], dim=-1)
        below = below.clamp(-LOG_GAP_RANGE, LOG_GAP_RANGE).exp()
        above = above.clamp(-LOG_GAP_RANGE, LOG_GAP_RANGE).exp()
        lower = median - below.flip(-1).cumsum(-1).flip(-1)
        upper = median + above.cumsum(-1)
        return torch.cat([lower, median, upper], dim=-1).flatten(-2)

"""What the encoder is asked to predict."""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from agv2.core.arrays import FloatArray
from agv2.models.bar_basis import BarBasis
from agv2.models.config import EncoderConfig
from agv2.models.head_outputs import LEVEL_BANDS, PATTERNS, REGIMES

__all__ = ["HeadPredictions", "MultiTaskHeads", "UnconditionalTargets"]

# exp of ± this spans e±6: a quantile gap hundreds of times the usual one is an overflow, not a forecast.
LOG_GAP_RANGE = 6.0
LEAST_SHARE = 1e-3  # of a class that was never seen
# Gains below one hold back what is mostly noise; the penalty of the linear parts feels their squares. Volatility is
# what a bar tells best. The centre and the shape of the distribution come next. What goes through the deep embedding
# overfits first: at a gain of 0.1 quantiles on unseen bars were no better than the linear part's and soon worse; at
# 0.005 to 0.02 the damage stays small enough for the reconstruction to train the network meanwhile. Chosen on one seed
# of four files.
SHIFT_GAIN = 0.3
SHAPE_GAIN = 0.1
EMBEDDING_GAIN = 0.01


class HeadPredictions(NamedTuple):
    """Outputs of the heads for each bar.

    Attributes:
        quantiles: (..., horizons × levels) of the forward return in σ·√h, rising within each horizon.
        regime_logits: (..., 3) trend, consolidation, volatile.
        pattern_logits: (..., 3) neither, breakout, reversal; of a bar at a level.
        level_logits: (..., 16) that price turns at each band around the close.
    """

    quantiles: Tensor
    regime_logits: Tensor
    pattern_logits: Tensor
    level_logits: Tensor

    def probabilities(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quantiles, and the probabilities of regimes, patterns and levels, in the order of `HeadOutputs`."""
        regime, pattern, levels = self.regime_logits, self.pattern_logits, self.level_logits
        return self.quantiles, regime.softmax(-1), pattern.softmax(-1), levels.sigmoid()


class UnconditionalTargets(NamedTuple):
    """What the training targets were like, whatever the bar.

    Attributes:
        quantiles: (horizons, levels) of the returns.
        regime_shares: (3,) of the classes.
        pattern_shares: (3,) of the classes.
        turn_shares: (16,) of the bars after which price turned at the band.
    """

    quantiles: FloatArray
    regime_shares: FloatArray
    pattern_shares: FloatArray
    turn_shares: FloatArray


class ResidualHead(nn.Module):
    """Linear in the basis of the bar's own features, plus a small part of a perceptron on the embedding.

    It starts at zero and moves only as far as the data push it. `embedding_share` is 1, or 0 where the selection rows
    have not confirmed what came of the embedding: then the head is its linear part.
    """

    def __init__(self, basis_width: int, config: EncoderConfig, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(basis_width, outputs)
        self.hidden = nn.Linear(config.embedding_dim, config.head_channels)
        self.dropout = nn.Dropout(config.dropout)
        self.deep = nn.Linear(config.head_channels, outputs, bias=False)
        for zeroed in (self.linear.weight, self.linear.bias, self.deep.weight):
            nn.init.zeros_(zeroed)
        self.register_buffer("embedding_share", torch.ones(()))

    def forward(self, embedding: Tensor, basis: Tensor) -> Tensor:
        deep = self.deep(self.dropout(nn.functional.gelu(self.hidden(embedding))))
        return cast(Tensor, self.linear(basis) + EMBEDDING_GAIN * self.get_buffer("embedding_share") * deep)


class ReconstructionHead(nn.Module):
    """A line corrected by a perceptron on the embedding; `embedding_share` as in `ResidualHead`."""

    def __init__(self, n_features: int, config: EncoderConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(config.embedding_dim, config.head_channels)
        self.deep = nn.Linear(config.head_channels, n_features)
        nn.init.zeros_(self.deep.weight)
        nn.init.zeros_(self.deep.bias)
        self.register_buffer("embedding_share", torch.ones(()))

    def forward(self, embedding: Tensor, interpolated: Tensor) -> Tensor:
        deep = self.deep(nn.functional.gelu(self.hidden(embedding)))
        return cast(Tensor, interpolated + self.get_buffer("embedding_share") * deep)


class MultiTaskHeads(nn.Module):
    """Quantile, regime, pattern, level and reconstruction heads.

    The quantile head predicts, per horizon, the median, the logarithms of the gaps between neighbouring levels and one
    logarithm added to all of them: quantiles cannot cross, and a change of volatility is one number.

    Args:
        n_features: normalised features per bar.
        config: widths, horizons and levels.
    """

    def __init__(self, n_features: int, config: EncoderConfig) -> None:
        super().__init__()
        self.horizons, self.levels = len(config.horizons), len(config.quantile_levels)
        self.middle = config.quantile_levels.index(0.5)
        self.basis = BarBasis(n_features)
        width = self.basis.width
        self.quantile = ResidualHead(width, config, self.horizons * (1 + self.levels))
        self.regime = ResidualHead(width, config, REGIMES)
        self.pattern = ResidualHead(width, config, PATTERNS)
        self.level_map = ResidualHead(width, config, LEVEL_BANDS)
        self.reconstruction = ReconstructionHead(n_features, config)
        self.register_buffer("log_gaps", torch.zeros(self.horizons, self.levels - 1))
        self.register_buffer("medians", torch.zeros(self.horizons, 1))
        self.register_buffer("regime_start", torch.zeros(REGIMES))
        self.register_buffer("pattern_start", torch.zeros(PATTERNS))
        self.register_buffer("level_start", torch.zeros(LEVEL_BANDS))

    def forward(self, embedding: Tensor, bars: Tensor) -> HeadPredictions:
        """Predictions for each bar.

        Args:
            embedding: (..., D) of the bars.
            bars: (..., F) their normalised features.
        """
        basis = self.basis(bars)
        heads = (self.quantile, self.regime, self.pattern, self.level_map)
        return self._predictions(*(head(embedding, basis) for head in heads))

    def without_embedding(self, bars: Tensor) -> HeadPredictions:
        """What the linear parts alone say of bars, (..., F)."""
        basis = self.basis(bars)
        heads = (self.quantile, self.regime, self.pattern, self.level_map)
        return self._predictions(*(head.linear(basis) for head in heads))

    def quantiles_of(self, outputs: Tensor) -> Tensor:
        """Quantiles that outputs of the quantile head, (..., horizons × (1 + levels)), stand for."""
        by_horizon = outputs.reshape(*outputs.shape[:-1], self.horizons, 1 + self.levels)
        log_scale, shift, shape = torch.split(by_horizon, [1, 1, self.levels - 1], dim=-1)
        log_gaps = self.get_buffer("log_gaps") + log_scale + SHAPE_GAIN * shape
        gaps = log_gaps.clamp(-LOG_GAP_RANGE, LOG_GAP_RANGE).exp()
        median = self.get_buffer("medians") + SHIFT_GAIN * shift
        below, above = torch.split(gaps, [self.middle, self.levels - 1 - self.middle], dim=-1)
        lower = median - below.flip(-1).cumsum(-1).flip(-1)
        return torch.cat([lower, median, median + above.cumsum(-1)], dim=-1).flatten(-2)

    def reconstruct(self, embedding: Tensor, interpolated: Tensor) -> Tensor:
        """Normalised features of hidden bars, as a correction of the line between their visible neighbours.

        Args:
            embedding: (..., D) of the bar `mask_span` after each hidden one.
            interpolated: (..., F) features interpolated over the hidden span.
        """
        return cast(Tensor, self.reconstruction(embedding, interpolated))

    def start_at_baseline(self, targets: UnconditionalTargets) -> None:
        """Make an untrained head predict the unconditional distribution of the training targets."""
        values = torch.from_numpy(targets.quantiles)
        self.get_buffer("log_gaps").copy_(values.diff(dim=-1).clamp_min(1e-3).log())
        self.get_buffer("medians").copy_(values[:, self.middle, None])
        for name, found in (("regime_start", targets.regime_shares), ("pattern_start", targets.pattern_shares)):
            shares = torch.from_numpy(found).clamp_min(LEAST_SHARE)
            self.get_buffer(name).copy_((shares / shares.sum()).log())
        turned = torch.from_numpy(targets.turn_shares).clamp(LEAST_SHARE, 1.0 - LEAST_SHARE)
        self.get_buffer("level_start").copy_(turned.logit())

    def _predictions(self, quantile: Tensor, regime: Tensor, pattern: Tensor, level_map: Tensor) -> HeadPredictions:
        return HeadPredictions(
            quantiles=self.quantiles_of(quantile),
            regime_logits=self.get_buffer("regime_start") + regime,
            pattern_logits=self.get_buffer("pattern_start") + pattern,
            level_logits=self.get_buffer("level_start") + level_map,
        )

"""What the encoder looks like and how it is pretrained."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agv2.models.backbones.config import LstmConfig, TcnConfig, TransformerConfig
from agv2.utils.config import Config

__all__ = ["ASSET_CLASSES", "EncoderConfig", "HeadWeights"]

ASSET_CLASSES = ("other", "crypto", "metal", "index", "forex")
"""What the encoder may know about a market beside its bars, by the names of `markets.yaml`; its place is its number."""

PositiveInt = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Weight = Annotated[float, Field(ge=0.0)]


class HeadWeights(Config):
    """Share of each head in the training loss; 0 switches a head's training off."""

    quantiles: Weight = 1.0
    regime: Weight = 0.05
    pattern: Weight = 0.05
    levels: Weight = 0.05
    reconstruction: Weight = 0.1


class EncoderConfig(Config):
    """The encoder, its heads and its training, apart from the number of steps.

    The number of gradient steps belongs to the run profile, because it is what a run's time depends on. Of the groups
    `tcn`, `transformer` and `lstm` only that of the backbone has any effect.
    """

    backbone: Literal["tcn", "transformer", "lstm"] = "tcn"
    window: PositiveInt = 512
    channels: PositiveInt = 64
    tcn: TcnConfig = TcnConfig()
    transformer: TransformerConfig = TransformerConfig()
    lstm: LstmConfig = LstmConfig()
    embedding_dim: PositiveInt = 256
    head_channels: PositiveInt = 64
    horizons: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 3, 12)
    quantile_levels: Annotated[tuple[float, ...], Field(min_length=1)] = (0.05, 0.25, 0.5, 0.75, 0.95)
    dropout: Fraction = 0.1
    mask_ratio: Fraction = 0.15
    mask_span: PositiveInt = 8
    masked_chunks: Fraction = 0.25
    head_weights: HeadWeights = HeadWeights()
    head_weighting: Literal["fixed", "uncertainty"] = "fixed"
    learning_rate: Annotated[float, Field(gt=0.0)] = 3e-4
    weight_decay: Weight = 0.01
    gradient_norm: Annotated[float, Field(gt=0.0)] = 1.0
    chunk: PositiveInt = 1024
    batch_chunks: PositiveInt = 4
    validation_fraction: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15
    evaluations: PositiveInt = 8
    patience: PositiveInt = 3
    embargo_bars: Annotated[int, Field(ge=0)] = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @property
    def exact_in_one_pass(self) -> bool:
        """Whether one pass over a history equals window after window, but for rounding."""
        return self.backbone != "lstm" or self.lstm.rows_per_start == 1

    @property
    def in_effect(self) -> "EncoderConfig":
        """The same encoder with the shipped settings for what other backbones than its own have."""
        others = {"tcn": TcnConfig(), "transformer": TransformerConfig(), "lstm": LstmConfig()}
        del others[self.backbone]
        return self.model_copy(update=others)

    def shortened(self, window: int, channels: int) -> "EncoderConfig":
        """A network of the same kind, of about `window` bars and `channels` channels, or as it was if that is less."""
        window = min(self.window, getattr(self, self.backbone).fitting_window(window))
        if self.backbone == "transformer":
            channels = self.transformer.fitting_channels(channels)
        return self.model_copy(
            update={
                "window": window,
                "channels": min(self.channels, channels),
                "mask_span": min(self.mask_span, max(1, window // 2)),
            }
        )

    @property
    def quantile_outputs(self) -> int:
        """Width of the quantile head: horizons × levels, horizon by horizon."""
        return len(self.horizons) * len(self.quantile_levels)

    @model_validator(mode="after")
    def _consistent(self) -> "EncoderConfig":
        levels = self.quantile_levels
        if list(levels) != sorted(set(levels)) or not all(0.0 < level < 1.0 for level in levels) or 0.5 not in levels:
            raise ValueError(f"quantile_levels must rise strictly within (0, 1) and hold 0.5, got {levels}")
        if list(self.horizons) != sorted(set(self.horizons)):
            raise ValueError(f"horizons must rise strictly, got {self.horizons}")
        self._require_met_exactly()
        if not any(self.head_weights.model_dump().values()):
            raise ValueError("every one of head_weights is 0, so there is nothing to train; give one a weight")
        if self.mask_span >= self.window:
            raise ValueError(f"mask_span {self.mask_span} must be shorter than the window {self.window}")
        return self

    def _require_met_exactly(self) -> None:
        """Refuse a network that would read fewer or more bars than the window, or cannot be built."""
        fitting = getattr(self, self.backbone).fitting_window(self.window)
        if fitting != self.window:
            what = {
                "tcn": f"kernels of {self.tcn.kernel}: window - 2 must be a multiple of {self.tcn.kernel - 1}",
                "transformer": f"{self.transformer.layers} layers, each of which must look back at least a bar",
                "lstm": "an lstm, which needs two bars",
            }[self.backbone]
            raise ValueError(f"window {self.window} cannot be met exactly by {what}; the next that can is {fitting}")
        if self.backbone == "transformer" and self.channels % self.transformer.heads:
            raise ValueError(
                f"channels {self.channels} cannot be shared equally by transformer.heads {self.transformer.heads}; "
                f"the next number that can is {self.transformer.fitting_channels(self.channels)}"
            )

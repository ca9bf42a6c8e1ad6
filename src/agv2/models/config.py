"""What the encoder looks like and how it is pretrained."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agv2.utils.config import Config

__all__ = ["EncoderConfig", "HeadWeights"]

PositiveInt = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Weight = Annotated[float, Field(ge=0.0)]


class HeadWeights(Config):
    """Share of each head in the training loss; 0 switches a head's training off."""

    quantiles: Weight = 1.0
    regime: Weight = 0.05
    reconstruction: Weight = 0.1


class EncoderConfig(Config):
    """The encoder, its heads and its training, apart from the number of steps.

    The number of gradient steps belongs to the run profile, because it is what a run's time depends on.
    """

    backbone: Literal["tcn"] = "tcn"
    window: PositiveInt = 512
    channels: PositiveInt = 64
    kernel: Annotated[int, Field(ge=2)] = 3
    embedding_dim: PositiveInt = 256
    head_channels: PositiveInt = 64
    horizons: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 3, 12)
    quantile_levels: Annotated[tuple[float, ...], Field(min_length=1)] = (0.05, 0.25, 0.5, 0.75, 0.95)
    dropout: Fraction = 0.1
    mask_ratio: Fraction = 0.15
    mask_span: PositiveInt = 8
    masked_chunks: Fraction = 0.25
    head_weights: HeadWeights = HeadWeights()
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    weight_decay: Weight = 0.01
    gradient_norm: Annotated[float, Field(gt=0.0)] = 1.0
    chunk: PositiveInt = 1024
    batch_chunks: PositiveInt = 4
    validation_fraction: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15
    evaluations: PositiveInt = 8
    patience: PositiveInt = 3
    embargo_bars: Annotated[int, Field(ge=0)] = 0

    @property
    def dilations(self) -> tuple[int, ...]:
        """Dilation of each residual block, after the stem, so that the receptive field is exactly `window`.

        Doubling from 1; the last one makes up the rest.
        """
        left = (self.window - 2) // (self.kernel - 1)
        dilations: list[int] = []
        while left > 0:
            dilations.append(min(2 ** len(dilations), left))
            left -= dilations[-1]
        return tuple(dilations)

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
        if self.window < 2 or (self.window - 2) % (self.kernel - 1):
            raise ValueError(
                f"window {self.window} cannot be met exactly by kernels of {self.kernel}: "
                f"window - 2 must be a multiple of {self.kernel - 1}"
            )
        if self.mask_span >= self.window:
            raise ValueError(f"mask_span {self.mask_span} must be shorter than the window {self.window}")
        return self

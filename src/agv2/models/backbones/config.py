"""Settings that only one backbone has, and how far each of its layers looks back."""

from typing import Annotated

from pydantic import Field

from agv2.utils.config import Config

__all__ = ["LstmConfig", "TcnConfig", "TransformerConfig"]

PositiveInt = Annotated[int, Field(ge=1)]


class TcnConfig(Config):
    """A temporal convolution network: a stem of two bars, then residual convolutions."""

    kernel: Annotated[int, Field(ge=2)] = 3

    def dilations(self, window: int) -> tuple[int, ...]:
        """Dilation of each residual block, after the stem, so that the receptive field is exactly `window`.

        Doubling from 1; the last one makes up the rest.
        """
        left = (window - 2) // (self.kernel - 1)
        dilations: list[int] = []
        while left > 0:
            dilations.append(min(2 ** len(dilations), left))
            left -= dilations[-1]
        return tuple(dilations)

    def fitting_window(self, at_least: int) -> int:
        """The shortest window of `at_least` bars or more that the kernels meet exactly."""
        taps = self.kernel - 1
        return 2 + -(-max(at_least - 2, 0) // taps) * taps


class TransformerConfig(Config):
    """Causal attention in bands: each layer looks back a fixed number of bars."""

    layers: PositiveInt = 4
    heads: PositiveInt = 4

    def reaches(self, window: int) -> tuple[int, ...]:
        """Bars before its own that each layer reads, so that all layers together read exactly `window`.

        A layer's band is one bar wider than its reach, hence Σ(bandᵢ - 1) = window - 1. Reaches double from layer to
        layer; the last one makes up the rest.
        """
        reaches: list[int] = []
        left = window - 1
        for layer in range(self.layers - 1):
            share = (window - 1) * 2**layer // (2**self.layers - 1)
            reaches.append(min(max(share, 1), left - (self.layers - 1 - layer)))
            left -= reaches[-1]
        return (*reaches, left)

    def fitting_window(self, at_least: int) -> int:
        """The shortest window of `at_least` bars or more of which each layer has a share."""
        return max(at_least, self.layers + 1)

    def fitting_channels(self, at_least: int) -> int:
        """The fewest channels, `at_least` or more, that the heads divide."""
        return -(-at_least // self.heads) * self.heads


class LstmConfig(Config):
    """A recurrent network that starts each window from the zero state.

    A pass over a history starts anew only every `rows_per_start` rows, `window - 1` bars early: its first row after a
    start is exact, the others have read up to `rows_per_start - 1` bars too many. With 1 every row is exact.
    """

    layers: PositiveInt = 1
    rows_per_start: PositiveInt = 128

    def fitting_window(self, at_least: int) -> int:
        """Any window of two bars or more fits."""
        return max(at_least, 2)

"""Residual convolutions without padding: `tcn`."""

import torch
from torch import Tensor, nn

from agv2.models.backbones.channel_dropout import ChannelDropout

__all__ = ["CausalConvolution", "ConvolutionBlock"]


class CausalConvolution(nn.Module):
    """Dilated convolution without padding, time-major: (B, T, in) -> (B, T - (kernel - 1)·dilation, out).

    One matrix product per tap, on shifted views. On a CPU that is several times faster than `conv1d`, dilated or not.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.taps = nn.Parameter(torch.empty(kernel, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        bound = (kernel * inputs) ** -0.5
        nn.init.uniform_(self.taps, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Only the bars with all their taps."""
        steps = x.shape[1] - (self.kernel - 1) * self.dilation
        total = nn.functional.linear(x.narrow(1, 0, steps), self.taps[0], self.bias)
        for k in range(1, self.kernel):
            total = total + nn.functional.linear(x.narrow(1, k * self.dilation, steps), self.taps[k])
        return total


class ConvolutionBlock(nn.Module):
    """x + mix(GELU(convolution(norm(x)))), with x cut to the bars that the convolution can see in full."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        # Over channels only: statistics over time would let bars outside the window in.
        self.norm = nn.LayerNorm(channels)
        self.convolution = CausalConvolution(channels, channels, kernel, dilation)
        self.mix = nn.Linear(channels, channels)
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T - (kernel - 1)·dilation, C)."""
        y = nn.functional.gelu(self.convolution(self.norm(x)))
        mixed: Tensor = self.dropout(self.mix(y))
        return x.narrow(1, x.shape[1] - y.shape[1], y.shape[1]) + mixed

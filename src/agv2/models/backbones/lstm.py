"""A recurrent network over windows: `lstm`."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from agv2.models.backbones.channel_dropout import ChannelDropout

__all__ = ["RecurrentBlock"]

FORGOTTEN = 8.0  # time constants of the slowest unit in a window: what lies before it is worth e^-8 when untrained


class RecurrentBlock(nn.Module):
    """x + mix(lstm(norm(x))), with x cut to the bars that have a whole window: (B, T, C) -> (B, T - reach, C).

    The state is zero `reach` bars before a row. That is exact for the only row of a window and for the first of every
    `rows_per_start` rows of a longer stretch; the rows between them share its start, and so have read up to
    `rows_per_start - 1` bars from before their windows. No row reads a bar after its own.

    The forget gates start with time constants spread between one bar and an eighth of the window. As torch would start
    them, half of the state is forgotten at each bar, and the far end of a window could never be heard.

    Args:
        channels: width of input, state and output.
        layers: stacked LSTMs.
        reach: bars before its own that a row reads, >= 1.
        rows_per_start: rows between two starts; 1 is window after window.
        dropout: of whole channels.

    Source: Tallec and Ollivier (2018), ICLR, arXiv:1804.11188, for the gates.
    """

    def __init__(self, channels: int, layers: int, reach: int, rows_per_start: int, dropout: float) -> None:
        super().__init__()
        self.reach, self.rows_per_start = reach, rows_per_start
        self.norm = nn.LayerNorm(channels)
        self.lstm = nn.LSTM(channels, channels, layers, batch_first=True)
        self.mix = nn.Linear(channels, channels)
        self.dropout = ChannelDropout(dropout)
        with torch.no_grad():
            for layer in range(layers):
                bars = 1.0 + torch.rand(channels) * max((reach + 1) / FORGOTTEN - 1.0, 0.0)
                # Gates in torch's order: input, forget, cell, output. The odds that a state of so many bars is kept.
                forget = bars.log()
                gates = torch.cat([-forget, forget, torch.zeros(2 * channels)])
                getattr(self.lstm, f"bias_ih_l{layer}").copy_(gates)
                getattr(self.lstm, f"bias_hh_l{layer}").zero_()

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T - reach, C)."""
        n_chunks, n_bars, channels = x.shape
        rows = n_bars - self.reach
        size = min(self.rows_per_start, rows)
        count = -(-rows // size)
        # Filling comes last, where no row that is kept can read it.
        filled = functional.pad(self.norm(x), (0, 0, 0, count * size - rows))
        stretches = filled.unfold(1, self.reach + size, size).transpose(2, 3).flatten(0, 1)
        states = self.lstm(stretches)[0].narrow(1, self.reach, size)
        read = self.mix(states.reshape(n_chunks, count * size, channels).narrow(1, 0, rows))
        return cast(Tensor, x.narrow(1, self.reach, rows) + self.dropout(read))

"""What the heads read of a bar itself: its features, bent so that a linear function of them can be curved."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from agv2.core.arrays import BoolArray

__all__ = ["BarBasis", "LinearInputs"]

SMALLEST_SPREAD = 1e-3  # in scales of a feature: less is a feature that stands still


@dataclass(frozen=True, slots=True)
class LinearInputs:
    """Which features the heads' linear parts read; all others reach the heads through the embedding alone.

    Attributes:
        every_head: (n_features,) True where quantiles, regimes, patterns and turns read it.
        patterns_too: (n_features,) True where patterns alone read it, beside the former.
        nearest: columns of the distances to the nearest level above and below, of which patterns read the smaller.
    """

    every_head: BoolArray
    patterns_too: BoolArray
    nearest: tuple[int, int]


class BarBasis(nn.Module):
    """Each feature of a bar as it is, its size, and what of it lies beyond one scale; last, the nearer level's.

    A sum of such pieces bends at -1, 0 and 1 scales: volatility follows the size of a move rather than its sign, the
    hours of a day are no sine, and a trend in volatility levels off. What no sum of functions of one feature can say is
    how near the nearer of two levels is, whichever side it is on; a pattern is about that level.

    Args:
        n_features: normalised features per bar.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.n_inputs = n_features + 1
        self.width = 3 * self.n_inputs
        self.register_buffer("nearest", torch.zeros(2, dtype=torch.int64))
        self.register_buffer("nearest_mean", torch.zeros(1))
        self.register_buffer("nearest_spread", torch.ones(1))

    def forward(self, bars: Tensor) -> Tensor:
        """(..., F) normalised features -> (..., width)."""
        near = (self._nearer(bars) - self.get_buffer("nearest_mean")) / self.get_buffer("nearest_spread")
        inputs = torch.cat([bars, near], dim=-1)
        return torch.cat([inputs, inputs.abs(), inputs - inputs.clamp(-1.0, 1.0)], dim=-1)

    def read_nearest(self, columns: tuple[int, int], bars: Tensor) -> None:
        """From now on scale the smaller of two features by `bars`, (n, F): those that touch a level, so all are near.

        Without a bar the scale is that of the features.
        """
        self.get_buffer("nearest").copy_(torch.tensor(columns))
        if len(bars):
            near = self._nearer(bars)
            self.get_buffer("nearest_mean").copy_(near.mean(0))
            self.get_buffer("nearest_spread").copy_(near.std(0, correction=0).clamp_min(SMALLEST_SPREAD))

    def columns(self, read: BoolArray, *, nearest: bool) -> Tensor:
        """(k,) columns of the basis that come from the features `read`, and from the nearer level if wanted."""
        inputs = torch.cat([torch.from_numpy(read), torch.tensor([nearest])])
        return inputs.repeat(3).nonzero().squeeze(-1)

    def _nearer(self, bars: Tensor) -> Tensor:
        return bars.index_select(-1, self.get_buffer("nearest")).amin(dim=-1, keepdim=True)

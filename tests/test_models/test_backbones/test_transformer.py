import math

import pytest
import torch
from torch import Tensor

from agv2.models.backbones.transformer import BandedAttention


def _attention(heads: int, reach: int) -> BandedAttention:
    torch.manual_seed(0)
    return BandedAttention(8, heads, reach).double()


def _bar_by_bar(attention: BandedAttention, x: Tensor) -> tuple[Tensor, Tensor]:
    """The definition: one query at a time, over its own band."""
    heads, reach, width = attention.heads, attention.reach, x.shape[-1] // attention.heads
    keys, values = attention.key_value(x).chunk(2, dim=-1)
    rows, shares = [], []
    for bar in range(reach, x.shape[1]):
        query = attention.query(x[:, bar])
        row, share = [], []
        for head in range(heads):
            of = slice(head * width, (head + 1) * width)
            band = slice(bar - reach, bar + 1)
            scores = (keys[:, band, of] @ query[:, of, None])[..., 0] / math.sqrt(width)
            slope = (reach + 1) ** -((head + 1) / heads)
            distance = torch.arange(reach, -1, -1)
            weight = (scores - slope * distance).softmax(-1)
            share.append(weight)
            row.append((weight[:, None] @ values[:, band, of])[:, 0])
        rows.append(torch.cat(row, dim=-1))
        shares.append(torch.stack(share, dim=1))
    return torch.stack(rows, dim=1), torch.stack(shares, dim=2)


@pytest.mark.parametrize(("heads", "reach", "n_bars"), [(2, 5, 6), (2, 5, 11), (4, 3, 22), (1, 7, 60), (2, 1, 9)])
def test_blocks_give_what_each_bar_gives_alone(heads: int, reach: int, n_bars: int) -> None:
    attention = _attention(heads, reach)
    x = torch.randn(2, n_bars, 8, dtype=torch.float64)
    expected, shares = _bar_by_bar(attention, x)
    torch.testing.assert_close(attention(x), expected, rtol=1e-6, atol=1e-7)  # the slopes are float32
    torch.testing.assert_close(attention.weights(x), shares, rtol=1e-6, atol=1e-7)


def test_weights_are_shares_of_the_band() -> None:
    weights = _attention(2, 9).weights(torch.randn(3, 40, 8, dtype=torch.float64))
    assert weights.shape == (3, 2, 31, 10)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 31, dtype=torch.float64))


def test_heads_differ_in_how_far_they_look() -> None:
    attention = _attention(4, 63)
    with torch.no_grad():
        attention.query.weight.zero_()
        attention.query.bias.zero_()  # scores are then the penalties alone
    ages = torch.arange(63, -1, -1, dtype=torch.float64)
    mean_age = (attention.weights(torch.randn(1, 64, 8, dtype=torch.float64))[0, :, 0] * ages).sum(-1)
    assert mean_age.diff().min() > 0
    assert mean_age[0] < 5
    assert mean_age[-1] > 20

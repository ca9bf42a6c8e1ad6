import pytest
import torch

from agv2.models.config import EncoderConfig
from agv2.models.encoder import StageOneEncoder

WINDOW = EncoderConfig().window
AROUND = 20  # bars before the window and after the bar in question


@pytest.fixture
def encoder() -> StageOneEncoder:
    torch.manual_seed(0)
    return StageOneEncoder(3, EncoderConfig(channels=8, embedding_dim=16)).eval()


def test_the_gradient_reaches_all_512_bars_and_no_other(encoder: StageOneEncoder) -> None:
    bars = torch.randn(1, AROUND + WINDOW + AROUND, 3, requires_grad=True)
    embedding = encoder(bars)[0, AROUND]
    # A random direction: the plain sum of a LayerNorm's output is constant.
    (embedding * torch.randn(16)).sum().backward()
    assert bars.grad is not None
    reached = (bars.grad[0] != 0).any(dim=-1)
    expected = torch.zeros(AROUND + WINDOW + AROUND, dtype=torch.bool)
    expected[AROUND : AROUND + WINDOW] = True
    assert torch.equal(reached, expected)


def test_erasing_any_of_the_512_bars_moves_the_embedding_and_no_other_does(encoder: StageOneEncoder) -> None:
    encoder = encoder.double()  # the far end's influence is small: let rounding not hide it
    bars = torch.randn(AROUND + WINDOW + AROUND, 3, dtype=torch.float64)
    moved = []
    with torch.inference_mode():
        before = encoder(bars[None])[0, AROUND]
        for start in range(0, len(bars), 46):
            erased = bars.repeat(min(46, len(bars) - start), 1, 1)
            for row in range(len(erased)):
                erased[row, start + row] = 0.0
            moved += (encoder(erased)[:, AROUND] != before).any(dim=-1).tolist()
    assert moved == [AROUND <= bar < AROUND + WINDOW for bar in range(len(bars))]


def test_one_embedding_per_bar_with_a_whole_window(encoder: StageOneEncoder) -> None:
    assert encoder(torch.zeros(2, WINDOW, 3)).shape == (2, 1, 16)
    assert encoder(torch.zeros(2, WINDOW + 7, 3)).shape == (2, 8, 16)


def test_the_embedding_leaves_at_a_scale_of_one(encoder: StageOneEncoder) -> None:
    embedding = encoder(100.0 * torch.randn(1, WINDOW + 50, 3))
    assert embedding.std().item() == pytest.approx(1.0, abs=0.05)

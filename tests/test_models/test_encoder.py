import pytest
import torch

from agv2.core.errors import ConfigError
from agv2.models.backbones.transformer import AttentionBlock
from agv2.models.config import EncoderConfig
from agv2.models.encoder import StageOneEncoder

WINDOW = EncoderConfig().window
AROUND = 20  # bars before the window and after the bar in question
# An lstm is defined by its windows: only with a start for each row is a pass over a longer stretch the same.
KINDS = {"tcn": {}, "transformer": {}, "lstm": {"lstm": {"rows_per_start": 1}}}


def _encoder(backbone: str) -> StageOneEncoder:
    torch.manual_seed(0)
    settings = {"backbone": backbone, "channels": 8, "embedding_dim": 16} | KINDS[backbone]
    # Double precision: the far end's influence is small, and rounding shall not hide it.
    return StageOneEncoder(3, EncoderConfig.model_validate(settings)).double().eval()


@pytest.fixture(params=KINDS)
def encoder(request: pytest.FixtureRequest) -> StageOneEncoder:
    return _encoder(request.param)


def test_the_gradient_reaches_all_512_bars_and_no_other(encoder: StageOneEncoder) -> None:
    bars = torch.randn(1, AROUND + WINDOW + AROUND, 3, dtype=torch.float64, requires_grad=True)
    embedding = encoder(bars)[0, AROUND]
    # A random direction: the plain sum of a LayerNorm's output is constant.
    (embedding * torch.randn(16)).sum().backward()
    assert bars.grad is not None
    reached = (bars.grad[0] != 0).any(dim=-1)
    expected = torch.zeros(AROUND + WINDOW + AROUND, dtype=torch.bool)
    expected[AROUND : AROUND + WINDOW] = True
    assert torch.equal(reached, expected)


def test_erasing_any_of_the_512_bars_moves_the_embedding_and_no_other_does(encoder: StageOneEncoder) -> None:
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
    assert encoder(torch.zeros(2, WINDOW, 3, dtype=torch.float64)).shape == (2, 1, 16)
    assert encoder(torch.zeros(2, WINDOW + 7, 3, dtype=torch.float64)).shape == (2, 8, 16)


def test_the_embedding_leaves_at_a_scale_of_one(encoder: StageOneEncoder) -> None:
    embedding = encoder(100.0 * torch.randn(1, WINDOW + 50, 3, dtype=torch.float64))
    assert embedding.std().item() == pytest.approx(1.0, abs=0.05)


def test_attention_weights_belong_to_bands_that_add_up_to_the_window() -> None:
    encoder = _encoder("transformer")
    weights = encoder.attention_weights(torch.randn(2, WINDOW + 3, 3, dtype=torch.float64))
    assert [each.shape[-1] for each in weights] == [35, 69, 137, 274]
    assert sum(each.shape[-1] - 1 for each in weights) == WINDOW - 1
    assert weights[-1].shape == (2, 4, 4, 274)


def test_attention_weights_are_those_that_the_embedding_is_made_with() -> None:
    """Attention with the given weights, put in place of the block's own, changes nothing."""
    encoder = _encoder("transformer")
    x = torch.randn(1, WINDOW + 40, 3, dtype=torch.float64)
    hidden = encoder.stem(x)
    for block, weights in zip(encoder.blocks, encoder.attention_weights(x), strict=True):
        assert isinstance(block, AttentionBlock)
        normed = block.norm(hidden)
        values = block.attention.key_value(normed)[..., 8:].unflatten(-1, (4, 2))
        bands = values.unfold(1, weights.shape[-1], 1)
        read = torch.einsum("bhtk,bthdk->bthd", weights, bands).flatten(2)
        torch.testing.assert_close(block.attention(normed), read)
        hidden = block(hidden)


@pytest.mark.parametrize("backbone", ["tcn", "lstm"])
def test_a_backbone_without_attention_says_so(backbone: str) -> None:
    with pytest.raises(ConfigError, match="only the backbone transformer"):
        _encoder(backbone).attention_weights(torch.zeros(1, WINDOW, 3, dtype=torch.float64))

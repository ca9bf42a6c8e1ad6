import numpy as np
import torch

from agv2.models.config import EncoderConfig
from agv2.models.head_outputs import LEVEL_BANDS
from agv2.models.heads import MultiTaskHeads, UnconditionalTargets

CONFIG = EncoderConfig(embedding_dim=16)
SHARES = np.array([0.5, 0.3, 0.2])
PATTERN_SHARES = np.array([0.6, 0.25, 0.15])
TURN_SHARES = np.linspace(0.1, 0.7, LEVEL_BANDS)
QUANTILES = np.array([[-1.6, -0.6, 0.05, 0.7, 1.8], [-1.5, -0.5, 0.1, 0.6, 1.9], [-2.0, -0.7, 0.2, 0.8, 2.5]])


def test_quantiles_rise_for_any_weights() -> None:
    torch.manual_seed(0)
    for scale in (0.1, 1.0, 30.0):
        heads = MultiTaskHeads(4, CONFIG).eval()
        with torch.no_grad():
            for weight in heads.parameters():
                weight.normal_(0.0, scale)
            quantiles = heads(torch.randn(500, 16), torch.randn(500, 4)).quantiles.reshape(500, 3, 5)
        assert torch.isfinite(quantiles).all()
        assert (quantiles.diff(dim=-1) >= 0).all()


def test_an_untrained_head_predicts_the_unconditional_distribution() -> None:
    heads = MultiTaskHeads(4, CONFIG).eval()
    heads.start_at_baseline(UnconditionalTargets(QUANTILES, SHARES, PATTERN_SHARES, TURN_SHARES))
    predictions = heads(torch.randn(9, 16), torch.randn(9, 4))
    np.testing.assert_allclose(predictions.quantiles.detach().numpy(), np.tile(QUANTILES.flatten(), (9, 1)), atol=1e-5)
    said = predictions.probabilities()
    for probs, shares in zip(said[1:], (SHARES, PATTERN_SHARES, TURN_SHARES), strict=True):
        np.testing.assert_allclose(probs.detach().numpy(), np.tile(shares, (9, 1)), atol=1e-6)


def test_what_never_happened_is_unlikely_but_not_impossible() -> None:
    heads = MultiTaskHeads(4, CONFIG).eval()
    never = UnconditionalTargets(QUANTILES, np.array([1.0, 0.0, 0.0]), PATTERN_SHARES, np.tile([0.0, 1.0], 8))
    heads.start_at_baseline(never)
    predictions = heads(torch.zeros(1, 16), torch.zeros(1, 4))
    for probs in predictions.probabilities()[1:]:
        assert ((probs > 1e-4) & (probs < 1.0 - 1e-4)).all()


def test_an_untrained_reconstruction_is_the_interpolated_line() -> None:
    line = torch.randn(6, 4)
    assert torch.equal(MultiTaskHeads(4, CONFIG).reconstruct(torch.randn(6, 16), line), line)


def test_predictions_read_the_embedding_and_the_bar() -> None:
    torch.manual_seed(0)
    heads = MultiTaskHeads(4, CONFIG).eval()
    with torch.no_grad():
        for weight in heads.parameters():
            weight.normal_()
    embedding, bars = torch.randn(1, 16), torch.randn(1, 4)
    both = heads(embedding, bars)
    for other in (heads(embedding + 1.0, bars), heads(embedding, bars + 1.0)):
        assert not torch.equal(both.quantiles, other.quantiles)
        assert not torch.equal(both.regime_logits, other.regime_logits)
        assert not torch.equal(both.pattern_logits, other.pattern_logits)
        assert not torch.equal(both.level_logits, other.level_logits)

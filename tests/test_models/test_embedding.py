import numpy as np
import pytest
import torch

from agv2.core.arrays import Float32Array
from agv2.core.errors import DataError, ShapeError
from agv2.models.backbones.config import LstmConfig
from agv2.models.config import EncoderConfig
from agv2.models.embedding import embed_history, evaluating
from agv2.models.masked_model import MaskedModel
from tests.test_models.markets import N_FEATURES, SMALL, TINY


def _model(config: EncoderConfig = TINY) -> MaskedModel:
    torch.manual_seed(0)
    model = MaskedModel(N_FEATURES, config).eval()
    with torch.no_grad():
        for weight in model.heads.parameters():
            weight.normal_(0.0, 0.3)
    return model


def _features(n_bars: int) -> Float32Array:
    return np.random.default_rng(0).standard_normal((n_bars, N_FEATURES)).astype(np.float32)


EXACT = [
    TINY,
    EncoderConfig(dropout=0.5),
    SMALL["transformer"],
    EncoderConfig(backbone="transformer"),
    SMALL["lstm"].model_copy(update={"lstm": LstmConfig(rows_per_start=1)}),
]


@pytest.mark.parametrize("config", EXACT)
def test_one_pass_equals_window_after_window(config: EncoderConfig) -> None:
    model, features = _model(config), _features(config.window + 60)
    whole = embed_history(model.encoder, model.heads, features, chunk=25)
    for bar in range(config.window - 1, len(features)):
        alone = embed_history(model.encoder, model.heads, features[bar - config.window + 1 : bar + 1])
        # Untrained weights make quantiles of dozens, whose last bit is more than 1e-6.
        np.testing.assert_allclose(whole.rows()[bar], alone.rows()[-1], rtol=1e-6, atol=1e-5)


def test_bars_without_a_whole_window_are_nan_and_no_others() -> None:
    model = _model()
    for outputs in (embed_history(model.encoder, model.heads, _features(100)),):
        assert np.isnan(outputs.rows()[: TINY.window - 1]).all()
        assert np.isfinite(outputs.rows()[TINY.window - 1 :]).all()


@pytest.mark.parametrize("n_bars", [0, 1, TINY.window - 1])
def test_a_history_shorter_than_the_window_is_all_nan(n_bars: int) -> None:
    model = _model()
    outputs = embed_history(model.encoder, model.heads, _features(n_bars))
    assert outputs.embedding.shape == (n_bars, TINY.embedding_dim)
    assert outputs.quantiles.shape == (n_bars, TINY.quantile_outputs)
    assert outputs.regime_probs.shape == (n_bars, 3)
    assert np.isnan(outputs.embedding).all()


@pytest.mark.parametrize("backbone", SMALL)
def test_scrambling_the_future_moves_nothing_before_it(backbone: str) -> None:
    model, features = _model(SMALL[backbone]), _features(200)
    scrambled = features.copy()
    scrambled[120:] = np.random.default_rng(1).standard_normal((80, N_FEATURES))
    # Chunks of another length would round otherwise: the same bars in the same chunks must agree exactly.
    before, after = (embed_history(model.encoder, model.heads, x, chunk=30) for x in (features, scrambled))
    for name in ("embedding", "quantiles", "regime_probs", "pattern_probs", "level_probs"):
        np.testing.assert_allclose(getattr(before, name)[:120], getattr(after, name)[:120], atol=1e-6)
        assert not np.allclose(getattr(before, name)[120:], getattr(after, name)[120:])


def test_a_feature_that_is_not_finite_is_named_by_row() -> None:
    model, features = _model(), _features(50)
    features[41, 1] = np.inf
    with pytest.raises(DataError, match="row 41"):
        embed_history(model.encoder, model.heads, features)


def test_another_number_of_features_is_refused() -> None:
    model = _model()
    with pytest.raises(ShapeError, match=r"\(n_bars, 4\)"):
        embed_history(model.encoder, model.heads, np.zeros((50, 3), dtype=np.float32))


def test_every_part_gets_its_own_mode_back() -> None:
    model = _model().train()
    model.encoder.eval()
    with evaluating(model):
        assert not any(part.training for part in model.modules())
    assert model.training
    assert model.heads.training
    assert not any(part.training for part in model.encoder.modules())

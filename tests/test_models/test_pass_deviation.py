import numpy as np
import pytest
import torch

from agv2.core.arrays import Float32Array
from agv2.core.errors import DataError
from agv2.models.backbones.config import LstmConfig
from agv2.models.config import EncoderConfig
from agv2.models.embedding import embed_history
from agv2.models.masked_model import MaskedModel
from agv2.models.pass_deviation import PassDeviation, pass_deviation
from tests.test_models.markets import N_FEATURES, SMALL


def _model(config: EncoderConfig) -> MaskedModel:
    torch.manual_seed(0)
    model = MaskedModel(N_FEATURES, config).eval()
    with torch.no_grad():
        for weight in model.heads.parameters():
            weight.normal_(0.0, 0.1)  # quantiles of a scale of one, as trained heads have them
    return model


def _features(n_bars: int = 300) -> Float32Array:
    return np.random.default_rng(0).standard_normal((n_bars, N_FEATURES)).astype(np.float32)


def _deviation(config: EncoderConfig, features: Float32Array, n_bars: int = 64) -> PassDeviation:
    model = _model(config)
    return pass_deviation(model.encoder, model.heads, features, np.random.default_rng(0), n_bars=n_bars)


@pytest.mark.parametrize("backbone", ["tcn", "transformer"])
def test_rounding_alone_parts_an_exact_pass_from_its_windows(backbone: str) -> None:
    assert SMALL[backbone].exact_in_one_pass
    found = _deviation(SMALL[backbone], _features())
    assert found.bars == 64
    assert max(found[1:]) < 1e-5


def test_an_approximate_pass_deviates_and_the_deviation_is_the_largest_there_is() -> None:
    config = SMALL["lstm"]
    assert not config.exact_in_one_pass
    features, model = _features(), _model(config)
    found = pass_deviation(model.encoder, model.heads, features, np.random.default_rng(0), n_bars=10_000)
    lead = config.window - 1
    assert found.bars == len(features) - lead  # all of them
    whole = embed_history(model.encoder, model.heads, features)
    for name in ("embedding", "quantiles", "regime_probs", "pattern_probs", "level_probs"):
        alone = [
            getattr(embed_history(model.encoder, model.heads, features[bar - lead : bar + 1]), name)[-1]
            for bar in range(lead, len(features))
        ]
        assert getattr(found, name) == np.abs(getattr(whole, name)[lead:] - np.stack(alone)).max()
    assert 1e-4 < found.embedding < 0.5


def test_an_lstm_with_a_start_for_each_row_is_exact() -> None:
    config = SMALL["lstm"].model_copy(update={"lstm": LstmConfig(rows_per_start=1)})
    assert config.exact_in_one_pass
    assert max(_deviation(config, _features())[1:]) < 1e-5


def test_bars_without_a_window_are_refused() -> None:
    with pytest.raises(DataError, match="31 bars hold no window of 32"):
        _deviation(SMALL["lstm"], _features(31))

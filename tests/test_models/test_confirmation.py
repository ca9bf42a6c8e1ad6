from dataclasses import replace

import numpy as np
import torch

from agv2.models.confirmation import confirmed_heads
from agv2.models.embedding import embed_history
from agv2.models.heads import EMBEDDING_GAIN
from agv2.models.masked_model import MaskedModel
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import N_FEATURES, TINY, a_series

ROWS = range(200, 1100)


def _model_and_series() -> tuple[MaskedModel, TrainingSeries]:
    """A model whose regime head says 1 where the first number of the embedding is above 0, and bars where it is so."""
    torch.manual_seed(0)
    model = MaskedModel(N_FEATURES, TINY).eval()
    with torch.no_grad():
        model.heads.regime.hidden.weight.zero_()
        model.heads.regime.hidden.bias.zero_()
        for unit, sign in enumerate((1.0, -1.0)):  # gelu(x) - gelu(-x) = x
            model.heads.regime.hidden.weight[unit, 0] = sign
            model.heads.regime.deep.weight[1, unit] = sign / EMBEDDING_GAIN
    series = a_series()
    high = embed_history(model.encoder, model.heads, series.features).embedding[:, 0] > 0.0
    regime = np.where(high, 1, np.arange(len(series)) % 2 * 2)
    shares = np.bincount(regime) / len(regime)
    model.heads.get_buffer("regime_start").copy_(torch.from_numpy(shares).log())
    return model, replace(series, regime=regime)


def test_what_the_embedding_knows_is_confirmed_for_the_head_that_reads_it() -> None:
    model, series = _model_and_series()
    assert confirmed_heads(model, [series], [ROWS], TINY) == {"regime"}


def test_what_it_does_not_know_is_not_confirmed() -> None:
    model, series = _model_and_series()
    shuffled = np.random.default_rng(0).permutation(series.regime)
    assert not confirmed_heads(model, [replace(series, regime=shuffled)], [ROWS], TINY)


def test_a_gain_in_one_stretch_alone_is_not_beyond_chance() -> None:
    model, series = _model_and_series()
    shuffled = np.random.default_rng(0).permutation(series.regime)
    lucky = np.where(np.arange(len(series)) < 500, series.regime, shuffled)
    assert not confirmed_heads(model, [replace(series, regime=lucky)], [ROWS], TINY)


def test_heads_without_a_known_target_and_series_without_rows_are_passed_over() -> None:
    model, series = _model_and_series()
    unknown = replace(series, regime=np.full(len(series), -1), pattern=np.full(len(series), -1))
    assert not confirmed_heads(model, [unknown, series], [ROWS, range(40, 40)], TINY)

"""Where a decision came from: the sum is what there is to explain, and erasure agrees."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from agv2.backtest.attribution import attention_rollout, integrated_gradients
from agv2.backtest.erasure import erase
from agv2.core.arrays import Float32Array
from agv2.core.errors import ConfigError
from tests.side_models import N_FEATURES, N_STATE, small_odds

BACKBONES = ("tcn", "transformer", "lstm")


def inputs_of(seed: int, window: int = 32) -> tuple[Float32Array, Float32Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(window, N_FEATURES)).astype(np.float32), rng.normal(size=N_STATE).astype(np.float32)


class Product(nn.Module):
    """What the first feature of the last bar makes of the first number of the book."""

    def forward(self, window: Tensor, state: Tensor) -> Tensor:
        return 3.0 * window[:, -1, 0] * state[:, 0] + 2.0 * window[:, 4, 1]


def test_a_product_is_shared_in_halves_and_a_line_by_its_slope() -> None:
    window, state = inputs_of(1)
    found = integrated_gradients(Product(), window, state)  # type: ignore[arg-type]  # any module of two inputs
    half = 1.5 * window[-1, 0] * state[0]
    assert found.window[-1, 0] == pytest.approx(half, rel=1e-5)
    assert found.state[0] == pytest.approx(half, rel=1e-5)
    assert found.window[4, 1] == pytest.approx(2.0 * window[4, 1], rel=1e-5)
    assert np.count_nonzero(found.window) == 2
    assert found.baseline == 0.0


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_shares_sum_to_what_there_is_to_explain(backbone: str, seed: int) -> None:
    odds = small_odds(backbone, seed)
    found = integrated_gradients(odds, *inputs_of(seed), tolerance=0.005)
    explained = found.log_odds - found.baseline
    assert abs(explained) > 0.01
    assert abs(found.gap) <= 0.005 * max(abs(explained), 0.1)
    assert np.abs(found.window[:-1]).sum() > 0.0, "the window before the last bar takes part"


@pytest.mark.parametrize("backbone", BACKBONES)
def test_shares_of_features_rank_as_erasing_each_does(backbone: str) -> None:
    agreements = []
    for seed in range(4):
        odds, (window, state) = small_odds(backbone, seed, reads_embedding=False), inputs_of(seed)
        assert odds.reads_window
        shares = integrated_gradients(odds, window, state).window.sum(axis=0)
        falls = erase(odds.of, window, state, list(np.eye(N_FEATURES, dtype=bool)))
        agreements.append(spearmanr(shares, falls).statistic)
    assert np.mean(agreements) > 0.8


@pytest.mark.parametrize("backbone", BACKBONES)
def test_erasing_what_spoke_most_for_it_moves_the_odds_more_than_chance(backbone: str) -> None:
    rng, k = np.random.default_rng(3), 12
    moved_by_top, moved_by_chance = [], []
    for seed in range(4):
        odds, (window, state) = small_odds(backbone, seed), inputs_of(seed)
        shares = integrated_gradients(odds, window, state).window
        cells = [np.argsort(shares, axis=None)[-k:], *(rng.permutation(shares.size)[:k] for _ in range(20))]
        masks = [np.isin(np.arange(shares.size), chosen).reshape(shares.shape) for chosen in cells]
        falls = erase(odds.of, window, state, masks)
        moved_by_top.append(falls[0])
        moved_by_chance.append(np.abs(falls[1:]).mean())
    assert min(moved_by_top) > 0.0
    assert np.mean(moved_by_top) > 2.0 * np.mean(moved_by_chance)


def test_an_encoder_that_nobody_reads_is_left_out_without_a_difference() -> None:
    asked, (window, state) = small_odds("tcn", reads_embedding=False, share=0.0), inputs_of(4)
    assert not asked.reads_window
    found = integrated_gradients(asked, window, state)
    asked.reads_window = True
    whole = integrated_gradients(asked, window, state)
    assert found.log_odds == whole.log_odds
    np.testing.assert_allclose(found.window, whole.window, atol=1e-7)
    assert np.count_nonzero(found.window[:-1]) == 0


def test_the_same_decision_is_explained_to_the_same_bits() -> None:
    odds, inputs = small_odds("tcn"), inputs_of(5)
    one, other = (integrated_gradients(odds, *inputs) for _ in range(2))
    assert (one.window == other.window).all()
    assert (one.state == other.state).all()


def test_rollout_is_the_product_of_all_layers_attention_and_the_residual_path() -> None:
    encoder = small_odds("transformer").encoder
    window, _ = inputs_of(2)
    found = attention_rollout(encoder, window)
    assert found.shape == (32,)
    assert found.min() >= 0.0
    assert found.sum() == pytest.approx(1.0)
    n_bars, product = 32, np.eye(32)
    for weights in encoder.attention_weights(torch.from_numpy(window[np.newaxis])):
        attended = weights[0].mean(dim=0).detach().numpy()
        rows, band = attended.shape
        layer = np.zeros((n_bars, n_bars))
        for row in range(rows):
            end = n_bars - rows + row
            layer[end, end - band + 1 : end + 1] = attended[row]
        product = (0.5 * layer + 0.5 * np.eye(n_bars)) @ product
    np.testing.assert_allclose(found, product[-1], atol=1e-6)


def test_rollout_needs_attention() -> None:
    with pytest.raises(ConfigError, match="only the backbone transformer"):
        attention_rollout(small_odds("tcn").encoder, inputs_of(0)[0])

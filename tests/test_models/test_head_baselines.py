from dataclasses import replace

import numpy as np
import pytest

from agv2.models.head_baselines import (
    class_baselines,
    class_shares,
    quantile_baselines,
    reconstruction_baselines,
    turn_shares,
)
from agv2.models.row_losses import log_loss_rows, pinball_rows
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import a_series

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def pinball(series: TrainingSeries, train: range, score: range) -> dict[str, float]:
    """Mean loss of each baseline over the scored rows and the horizons."""
    said = quantile_baselines([series], [train], series, score, LEVELS)
    came = series.future[score.start : score.stop]
    return {name: float(np.nanmean(pinball_rows(quantiles, came, LEVELS))) for name, quantiles in said.items()}


def test_har_and_ewma_beat_unconditional_quantiles_when_volatility_clusters() -> None:
    losses = pinball(a_series(n_bars=6000), range(500, 5000), range(5100, 6000))
    assert losses["HAR"] < 0.99 * losses["unconditional"]
    assert losses["EWMA"] < 0.99 * losses["unconditional"]


def test_no_baseline_knows_more_than_its_bar_does() -> None:
    """What is said of one bar depends on neither its own target nor anything later."""
    series, bar = a_series(n_bars=2000), 1500
    later = replace(series, future=series.future.copy(), sigma=series.sigma.copy())
    later.future[bar:] *= 50.0
    later.sigma[bar + 1 :] *= 50.0
    before, after = (
        quantile_baselines([one], [range(500, 1400)], one, range(bar - 1, bar + 2), LEVELS) for one in (series, later)
    )
    assert list(before) == ["unconditional", "EWMA", "HAR"]
    for name in before:
        np.testing.assert_array_equal(before[name][:2], after[name][:2], err_msg=name)
        if name != "unconditional":
            assert (before[name][2] != after[name][2]).all()  # the next bar has seen that target


def test_a_symbol_without_a_past_is_told_what_the_others_are_like() -> None:
    one, other = a_series(n_bars=2000), a_series("OTHER", n_bars=700, seed=3)
    said = quantile_baselines([one], [range(500, 1900)], other, range(100, 600), LEVELS)
    assert all(np.isfinite(quantiles).all() and quantiles.shape == (500, 3, 5) for quantiles in said.values())


def test_unconditional_quantiles_score_the_known_pinball_loss_of_a_normal() -> None:
    future = np.random.default_rng(0).standard_normal((60_000, 3))
    losses = pinball(replace(a_series(n_bars=60_000), future=future), range(500, 30_000), range(30_000, 60_000))
    # The expected pinball loss of a standard normal's own q-quantile is the normal density there.
    densities = np.array([0.10313564, 0.31777657, 0.39894228, 0.31777657, 0.10313564])
    assert losses["unconditional"] == pytest.approx(densities.mean(), rel=0.01)


def test_class_frequencies_score_their_entropy() -> None:
    labels = np.repeat([0, 1, 2, -1], [500, 300, 200, 50])
    losses = {name: np.nanmean(log_loss_rows(said, labels)) for name, said in class_baselines(labels, 1050).items()}
    shares = np.array([0.5, 0.3, 0.2])
    assert losses["class frequencies"] == pytest.approx(-(shares * np.log(shares)).sum())
    assert losses["majority class"] > losses["class frequencies"]


def test_no_known_label_means_equal_shares() -> None:
    np.testing.assert_array_equal(class_shares(np.array([-1, -1])), np.full(3, 1 / 3))


def test_turn_shares_are_those_of_each_band_and_a_half_where_nothing_is_known() -> None:
    reacted = np.array([[1, 0, -1], [1, 1, -1], [-1, 0, -1], [1, 0, -1]], dtype=np.int8)
    np.testing.assert_allclose(turn_shares(reacted), [1.0, 0.25, 0.5])


def test_interpolation_is_exact_on_straight_lines_and_the_last_value_on_constants() -> None:
    masked = np.zeros(30, dtype=np.bool_)
    masked[10:18] = True
    lines = np.stack([np.arange(30.0), 5.0 - 2.0 * np.arange(30.0)], axis=1).astype(np.float32)
    sloping = reconstruction_baselines(lines, masked, masked)
    np.testing.assert_allclose(sloping["linear interpolation"], lines[masked], atol=1e-6)
    np.testing.assert_array_equal(sloping["last value"], np.tile(lines[9], (8, 1)))
    assert not sloping["zero"].any()


def test_only_counted_bars_are_guessed() -> None:
    masked = np.zeros(30, dtype=np.bool_)
    masked[10:18] = True
    counted = masked & (np.arange(30) >= 15)
    guesses = reconstruction_baselines(np.ones((30, 2), dtype=np.float32), masked, counted)
    assert {guess.shape for guess in guesses.values()} == {(3, 2)}

from dataclasses import replace

import numpy as np
import pytest

from agv2.models.head_baselines import (
    class_baselines,
    class_shares,
    quantile_baselines,
    reconstruction_baselines,
)
from tests.test_models.markets import a_series

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def test_har_and_ewma_beat_unconditional_quantiles_when_volatility_clusters() -> None:
    losses = quantile_baselines([a_series(n_bars=6000)], [range(500, 5000)], [range(5100, 6000)], LEVELS)
    assert losses["HAR"] < 0.99 * losses["unconditional"]
    assert losses["EWMA"] < 0.99 * losses["unconditional"]


def test_no_baseline_knows_more_than_its_bar_does() -> None:
    """Scored at one bar, a loss may depend on that bar's own target alone, and on nothing later."""
    series, bar = a_series(n_bars=2000), 1500
    later = replace(series, future=series.future.copy(), sigma=series.sigma.copy())
    later.future[bar + 1 :] *= 50.0
    later.sigma[bar + 1 :] *= 50.0
    before, after = (
        quantile_baselines([one], [range(500, 1400)], [range(bar, bar + 1)], LEVELS) for one in (series, later)
    )
    assert before == after
    later.future[bar] *= 50.0
    assert quantile_baselines([later], [range(500, 1400)], [range(bar, bar + 1)], LEVELS) != before


def test_unconditional_quantiles_score_the_known_pinball_loss_of_a_normal() -> None:
    series = a_series(n_bars=60_000)
    future = np.random.default_rng(0).standard_normal((60_000, 3))
    losses = quantile_baselines([replace(series, future=future)], [range(500, 30_000)], [range(30_000, 60_000)], LEVELS)
    # The expected pinball loss of a standard normal's own q-quantile is the normal density there.
    densities = np.array([0.10313564, 0.31777657, 0.39894228, 0.31777657, 0.10313564])
    assert losses["unconditional"] == pytest.approx(densities.mean(), rel=0.01)


def test_class_frequencies_score_their_entropy() -> None:
    labels = np.repeat([0, 1, 2, -1], [500, 300, 200, 50])
    losses = class_baselines(labels, labels)
    shares = np.array([0.5, 0.3, 0.2])
    assert losses["class frequencies"] == pytest.approx(-(shares * np.log(shares)).sum())
    assert losses["majority class"] > losses["class frequencies"]


def test_no_known_label_means_equal_shares() -> None:
    np.testing.assert_array_equal(class_shares(np.array([-1, -1])), np.full(3, 1 / 3))


def test_interpolation_is_exact_on_straight_lines_and_the_last_value_on_constants() -> None:
    masked = np.zeros(30, dtype=np.bool_)
    masked[10:18] = True
    lines = np.stack([np.arange(30.0), 5.0 - 2.0 * np.arange(30.0)], axis=1).astype(np.float32)
    sloping = reconstruction_baselines(lines, masked, masked)
    assert sloping["linear interpolation"] == pytest.approx(0.0, abs=1e-6)
    assert sloping["last value"] > 1.0
    flat = reconstruction_baselines(np.full((30, 2), 0.4, dtype=np.float32), masked, masked)
    assert flat["last value"] == 0.0
    assert flat["zero"] == pytest.approx(0.08)

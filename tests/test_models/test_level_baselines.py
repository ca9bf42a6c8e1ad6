from dataclasses import replace

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.models.level_baselines import level_baselines
from agv2.models.row_losses import brier_rows
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import a_series

N_BARS, BANDS = 12_000, 16
TRAIN, SCORE = range(8000), range(8100, 12_000)


def market(at_levels: float, elsewhere: float = 0.2) -> TrainingSeries:
    """Levels at random distances; price turns with one probability in the bands that hold one, another elsewhere."""
    rng = np.random.default_rng(0)
    distance = rng.uniform(0.0, 8.0, (N_BARS, 2))
    distance[rng.random((N_BARS, 2)) < 0.1] = np.nan
    low = np.arange(BANDS) - 8
    holds = [(low <= place) & (place < low + 1) for place in (distance[:, :1], -distance[:, 1:])]
    turned = rng.random((N_BARS, BANDS)) < np.where(holds[0] | holds[1], at_levels, elsewhere)
    return replace(a_series(n_bars=N_BARS), level_distance=distance, reacted=turned.astype(np.int8))


def said_of(series: TrainingSeries, seed: int = 1) -> dict[str, FloatArray]:
    return level_baselines([series], [TRAIN], series, SCORE, np.random.default_rng(seed))


def brier(series: TrainingSeries) -> dict[str, float]:
    turned = series.reacted[SCORE.start : SCORE.stop]
    return {name: float(brier_rows(probs, turned).mean()) for name, probs in said_of(series).items()}


def test_where_price_turns_at_levels_their_distance_says_so_and_random_levels_do_not() -> None:
    losses = brier(market(at_levels=0.8))
    assert losses["distance to level"] < 0.85 * losses["band frequencies"]
    assert losses["random levels"] == pytest.approx(losses["band frequencies"], rel=0.005)


def test_where_levels_mean_nothing_their_distance_costs_nothing() -> None:
    losses = brier(market(at_levels=0.2))
    assert losses["distance to level"] == pytest.approx(losses["band frequencies"], rel=0.002)


def test_probabilities_are_those_of_the_band_and_its_distance() -> None:
    series = market(at_levels=0.8)
    probs = said_of(series)["distance to level"]
    levels = series.level_distance[SCORE.start : SCORE.stop]
    row = int(
        np.flatnonzero((levels[:, 0] > 2.0) & (levels[:, 0] < 3.0) & (levels[:, 1] > 6.0) & (levels[:, 1] < 7.0))[0]
    )
    assert probs[row, 10] == pytest.approx(0.8, abs=0.1)  # from 2 to 3 σ above the close
    assert probs[row, 1] == pytest.approx(0.8, abs=0.1)  # from 6 to 7 σ below it
    assert np.delete(probs[row], [1, 10]).max() < 0.35


def test_a_bar_without_levels_has_its_own_probabilities() -> None:
    series = market(at_levels=0.2)
    nothing = np.isnan(series.level_distance).all(axis=1)
    series.reacted[nothing] = 1
    levels = series.level_distance[SCORE.start : SCORE.stop]
    probs = said_of(series)["distance to level"]
    assert probs[np.isnan(levels).all(axis=1)].min() > probs[~np.isnan(levels).all(axis=1)].max()


def test_few_rows_are_drawn_to_the_share_of_the_band() -> None:
    """A cell seen once must not say that price always turns there."""
    series = market(at_levels=0.2)
    probs = level_baselines([series], [range(20)], series, SCORE, np.random.default_rng(0))
    share = probs["band frequencies"]
    assert np.abs(probs["distance to level"] - share).max() < 0.2


def test_nothing_after_the_training_rows_moves_what_is_said() -> None:
    series = market(at_levels=0.8)
    other = replace(series, reacted=series.reacted.copy())
    other.reacted[TRAIN.stop :] = 1 - other.reacted[TRAIN.stop :]
    for one, two in zip(said_of(series).values(), said_of(other).values(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_random_levels_depend_on_the_generator_alone() -> None:
    series = market(at_levels=0.8)
    first, again, other = (said_of(series, seed)["random levels"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_random_levels_are_those_of_another_bar() -> None:
    series, bar = market(at_levels=0.8), SCORE.start + 7
    moved = replace(series, level_distance=series.level_distance.copy())
    moved.level_distance[bar] = np.nan
    changed = (said_of(series)["random levels"] != said_of(moved)["random levels"]).any(axis=1)
    assert changed.sum() == 1
    assert not changed[7]

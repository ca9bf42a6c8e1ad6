from dataclasses import replace

import numpy as np
import pytest

from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.errors import DataError, ShapeError
from agv2.models.boosted_baseline import BoostedPrediction, boosted_probs
from agv2.models.discrimination import balanced_accuracy
from agv2.models.row_losses import log_loss_rows
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import no_levels

N_FEATURES, N_BARS = 6, 4000
TRAIN, SCORE, PURGE = range(50, 3000), range(3100, 4000), 20


def noise(seed: int, n_bars: int = N_BARS) -> Float32Array:
    return np.random.default_rng(seed).standard_normal((n_bars, N_FEATURES)).astype(np.float32)


def series_of(features: Float32Array, first_ns: int = 0) -> TrainingSeries:
    n_bars = len(features)
    return TrainingSeries(
        symbol="TEST",
        ts_ns=first_ns + np.arange(n_bars, dtype=np.int64),
        features=features,
        sigma=np.ones(n_bars),
        future=np.zeros((n_bars, 1)),
        regime=np.zeros(n_bars, dtype=np.int64),
        **no_levels(n_bars),
    )


def chance(seed: int) -> IntArray:
    return np.random.default_rng(seed).choice(3, size=N_BARS, p=[0.5, 0.3, 0.2])


def boosted(features: Float32Array, labels: IntArray, train: range = TRAIN) -> BoostedPrediction:
    return boosted_probs([series_of(features)], [labels], [train], [SCORE], PURGE)


def mean_loss(probs: FloatArray, labels: IntArray) -> float:
    return float(np.nanmean(log_loss_rows(probs, labels[SCORE.start : SCORE.stop])))


def test_classes_that_the_features_decide_are_separated() -> None:
    features = noise(1)
    labels = (features[:, 0] > 0.0).astype(np.int64) + ((features[:, 0] > 0.0) & (features[:, 1] > 0.0))
    found = boosted(features, labels)
    assert mean_loss(found.probs, labels) < 0.05
    assert balanced_accuracy(found.probs, labels[SCORE.start : SCORE.stop], found.shares) > 0.98
    np.testing.assert_allclose(found.probs.sum(axis=1), 1.0, atol=1e-6)


def test_only_trees_see_an_interaction() -> None:
    """What a straight line through the features cannot find."""
    features = noise(2)
    labels = (features[:, 0] * features[:, 1] > 0.0).astype(np.int64)
    found = boosted(features, labels)
    assert mean_loss(found.probs, labels) < 0.2


def test_nothing_is_found_in_noise() -> None:
    """Over ten markets the loss is no better than that of the class shares, beyond chance."""
    gains = []
    for seed in range(10):
        labels = chance(100 + seed)
        found = boosted(noise(seed), labels)
        gains.append(mean_loss(np.tile(found.shares, (len(SCORE), 1)), labels) - mean_loss(found.probs, labels))
    spread = np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert np.mean(gains) < 2.0 * spread + 1e-12
    assert min(gains) > -0.02  # and stopping early costs next to nothing


def test_unknown_labels_neither_teach_nor_stop() -> None:
    features = noise(3)
    labels = (features[:, 0] > 0.0).astype(np.int64)
    unknown = np.random.default_rng(4).random(N_BARS) < 0.3
    masked = np.where(unknown, -1, labels)
    spoiled = features.copy()
    spoiled[unknown] = 1e6
    one, two = boosted(features, masked), boosted(spoiled, masked)
    known = ~unknown[SCORE.start : SCORE.stop]
    np.testing.assert_array_equal(one.probs[known], two.probs[known])
    assert one.fit_rows == int((masked[TRAIN.start : TRAIN.stop] >= 0).sum())


def test_nothing_outside_the_training_rows_moves_the_trees() -> None:
    features, labels = noise(5), chance(6)
    labels = np.where(features[:, 0] > 0.5, 2, labels)
    elsewhere = features.copy()
    elsewhere[TRAIN.stop : SCORE.start] = 1e3
    relabelled = labels.copy()
    relabelled[TRAIN.stop :] = 0
    one, two = boosted(features, labels), boosted(elsewhere, relabelled)
    assert one.rounds > 0
    np.testing.assert_array_equal(one.probs, two.probs)


def test_rows_that_stop_are_later_than_those_that_teach_and_purged() -> None:
    """A feature that counts the bars predicts blocks of labels in between, but none of a tail that comes later."""
    features = noise(7)
    features[:, 0] = np.arange(N_BARS)
    labels = np.random.default_rng(8).integers(0, 3, N_BARS // 40 + 1).repeat(40)[:N_BARS]
    found = boosted(features, labels)
    shares = np.tile(found.shares, (len(SCORE), 1))
    assert mean_loss(found.probs, labels) < mean_loss(shares, labels) + 0.05


def test_rows_before_the_tail_are_purged() -> None:
    features = noise(9)
    labels = (features[:, 0] > 0.0).astype(np.int64)
    for purge_bars, is_fitted in ((2200, True), (2300, False)):  # of 2,360 rows before the tail; 100 are needed
        found = boosted_probs([series_of(features)], [labels], [TRAIN], [SCORE], purge_bars)
        assert (found.rounds > 0) == is_fitted


def test_tail_is_the_latest_time_of_all_symbols_and_not_of_each() -> None:
    """The later symbol, almost all of the tail, contradicts the earlier one: no tree helps on it."""
    features = noise(10)
    labels = (features[:, 0] > 0.0).astype(np.int64)
    both = [series_of(features), series_of(features, first_ns=100_000)]
    found = boosted_probs(both, [labels, 1 - labels], [TRAIN, range(50, 750)], [SCORE, range(0)], PURGE)
    assert found.rounds == 0
    agreed = boosted_probs(both, [labels, labels], [TRAIN, range(50, 750)], [SCORE, range(0)], PURGE)
    assert agreed.rounds > 0
    assert agreed.fit_rows == len(TRAIN) + 700
    assert len(agreed.probs) == len(SCORE)


def test_more_rows_than_are_needed_are_thinned_evenly() -> None:
    features = noise(10, 45_000)
    labels = (features[:, 0] > 0.0).astype(np.int64)
    found = boosted_probs([series_of(features)], [labels], [range(44_000)], [range(44_100, 45_000)], PURGE)
    assert 10_000 < found.fit_rows <= 20_000


def test_same_rows_same_trees() -> None:
    features, labels = noise(11), chance(12)
    labels = np.where(features[:, 1] > 0.3, 1, labels)
    np.testing.assert_array_equal(boosted(features, labels).probs, boosted(features, labels).probs)


@pytest.mark.parametrize("only", [np.full(N_BARS, -1), np.full(N_BARS, 2)])
def test_no_label_or_one_class_alone_gives_the_shares(only: IntArray) -> None:
    found = boosted(noise(13), only)
    assert found.rounds == 0
    np.testing.assert_array_equal(found.probs, np.tile(found.shares, (len(SCORE), 1)))


def test_a_class_that_first_appears_in_the_tail_does_no_harm() -> None:
    features = noise(14)
    labels = (features[:, 0] > 0.0).astype(np.int64)
    labels[2700:3000] = 2
    found = boosted(features, labels)
    assert found.probs.shape == (len(SCORE), 3)
    np.testing.assert_allclose(found.probs.sum(axis=1), 1.0, atol=1e-6)


def test_too_few_rows_give_the_shares() -> None:
    features = noise(15)
    found = boosted(features, (features[:, 0] > 0.0).astype(np.int64), range(50, 150))
    assert found.rounds == 0


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="TEST: 10 labels for 4000 bars"):
        boosted(noise(16), np.zeros(10, dtype=np.int64))
    with pytest.raises(DataError, match="found 0 to 3"):
        boosted(noise(16), np.arange(N_BARS) % 4)


def test_a_series_keeps_its_own_regimes_out_of_it() -> None:
    """The labels are those handed in: patterns are learnt from the same series as regimes."""
    features = noise(17)
    labels = (features[:, 0] > 0.0).astype(np.int64)
    other = replace(series_of(features), regime=np.full(N_BARS, 2))
    found = boosted_probs([other], [labels], [TRAIN], [SCORE], PURGE)
    np.testing.assert_array_equal(found.probs, boosted(features, labels).probs)

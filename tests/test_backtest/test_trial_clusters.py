"""Trials that are alike, planted and found."""

import numpy as np
import pytest

from agv2.backtest.trial_clusters import TrialClusters, cluster_trials
from agv2.core.arrays import FloatArray

DAYS = np.arange(1000, 1500)


def planted(sizes: list[int], likeness: float, seed: int = 1) -> list[FloatArray]:
    """Returns of clusters of trials whose correlation within a cluster is `likeness`, and none across."""
    rng = np.random.default_rng(seed)
    found: list[FloatArray] = []
    for size in sizes:
        common = rng.standard_normal(DAYS.size)
        for _ in range(size):
            own = rng.standard_normal(DAYS.size)
            found.append(0.01 * (np.sqrt(likeness) * common + np.sqrt(1.0 - likeness) * own))
    return found


def clustered(returns: list[FloatArray]) -> TrialClusters:
    return cluster_trials([(DAYS, each) for each in returns])


@pytest.mark.parametrize("sizes", [[5, 5, 5, 5], [12, 3, 2], [1, 6, 1, 4]])
@pytest.mark.parametrize("likeness", [0.99, 0.8])
def test_planted_clusters_are_found_trial_by_trial(sizes: list[int], likeness: float) -> None:
    found = clustered(planted(sizes, likeness))
    assert found.labels.tolist() == [cluster for cluster, size in enumerate(sizes) for _ in range(size)]
    assert found.n_effective == pytest.approx(sum(likeness + (1.0 - likeness) * size for size in sizes), rel=0.08)
    assert found.silhouette > 0.3


def test_the_order_of_trials_means_nothing() -> None:
    returns = planted([5, 3, 1], 0.9)
    shuffled = [returns[place] for place in np.random.default_rng(2).permutation(len(returns))]
    assert clustered(shuffled).n_effective == pytest.approx(clustered(returns).n_effective)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_trials_without_anything_in_common_count_nearly_one_each(seed: int) -> None:
    found = clustered(planted([1] * 12, 0.0, seed))
    assert found.n_effective > 11.9
    assert found.labels.max() == 0, "chance alone puts nothing together"


def test_one_trial_made_over_and_over_counts_once() -> None:
    assert clustered(planted([9], 1.0)).n_effective == pytest.approx(1.0)


def test_clusters_are_told_apart_where_one_mean_correlation_would_blur_them() -> None:
    sizes, likeness = [5, 5, 5, 5], 0.95
    pairs = 20 * 19 / 2
    mean = likeness * 4 * 10 / pairs
    blurred = mean + (1.0 - mean) * 20
    assert clustered(planted(sizes, likeness)).n_effective < 0.4 * blurred


def test_a_mirrored_trial_is_another_one() -> None:
    (own,) = planted([1], 0.0)
    assert clustered([own, own, -own, -own]).n_effective == pytest.approx(2.0)


def test_flat_trials_and_short_overlaps_count_as_unlike() -> None:
    (own,) = planted([1], 0.0)
    assert clustered([own, np.zeros(DAYS.size), np.zeros(DAYS.size)]).n_effective == pytest.approx(3.0)
    far = [(DAYS, own), (DAYS + 490, own), (DAYS + 980, own)]
    assert cluster_trials(far).n_effective == pytest.approx(3.0)


def test_one_and_two_trials_need_no_clusters() -> None:
    one, twin = planted([1], 0.0) * 2
    assert clustered([one]).labels.tolist() == [0]
    assert clustered([one]).n_effective == 1.0
    assert clustered([one, twin]).n_effective == pytest.approx(1.0)


def test_many_trials_of_a_search_are_still_clustered() -> None:
    found = clustered(planted([30] * 5, 0.9))
    assert found.labels.max() == 4

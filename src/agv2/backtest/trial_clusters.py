"""How many independent trials a number of alike ones amount to."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray

__all__ = ["TrialClusters", "cluster_trials"]

_MIN_OVERLAP_DAYS = 20
_CHANCE_ERRORS = 3.0
_LEAST_TO_CLUSTER = 3
# Of 4 to 30 trials with nothing in common the best cut of 60 to 500 days had less in 95 % of draws (0.13 where they
# were fewest), clusters with a correlation of 0.3 had 0.16: below it chance alone joins trials.
_LEAST_SILHOUETTE = 0.1
_MOST_CUTS = 64  # tried: of a thousand trials of a search not every number of clusters


class TrialClusters(NamedTuple):
    """Trials in groups that made money on the same days."""

    labels: IntArray
    """(n_trials,) number of each trial's cluster, from 0 in order of first appearance."""
    silhouette: float
    """Mean silhouette of the trials, -1 to 1; 0 where there is nothing to tell apart."""
    n_effective: float
    """Independent trials that they amount to, 1 to n_trials."""


def cluster_trials(series: Sequence[tuple[IntArray, FloatArray]]) -> TrialClusters:
    """Cluster trials by the correlation of their daily returns.

    Trials are joined by average linkage of the distances sqrt((1 - ρ) / 2); of the ways to cut the tree the one with
    the largest mean silhouette is taken, or none where that is no larger than chance makes it. A cluster of n trials
    with a mean correlation of ρ among them counts for ρ + (1 - ρ) n, so that one of identical trials counts once.
    Correlations are over common days; those within three standard errors of nothing count as nothing, as do trials
    that share fewer than 20 days or do not move.

    Args:
        series: (days, returns) of each trial; days rise.

    Source: López de Prado and Lewis (2019), Quantitative Finance 19(9), 1555-1565: clusters of trials by silhouette,
        there with k-means. Bailey and López de Prado (2014), Journal of Portfolio Management 40(5), appendix 3: the
        count within one. Rousseeuw (1987), Journal of Computational and Applied Mathematics 20, 53-65: silhouettes.
    """
    n = len(series)
    alike = _correlations(series)
    labels, silhouette = np.zeros(n, dtype=np.int64), 0.0
    if n >= _LEAST_TO_CLUSTER:
        labels, silhouette = _best_cut(np.sqrt(np.maximum(0.5 * (1.0 - alike), 0.0)))
    effective = sum(_count_of(alike[np.ix_(own, own)]) for own in _members(labels))
    return TrialClusters(labels, silhouette, float(effective))


def _best_cut(distance: FloatArray) -> tuple[IntArray, float]:
    """Labels and mean silhouette of the best number of clusters, 2 to n - 1; one where none is better than that."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from sklearn.metrics import silhouette_score

    n = len(distance)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="average")
    best, silhouette = np.zeros(n, dtype=np.int64), _LEAST_SILHOUETTE
    many = n - 2 > _MOST_CUTS
    for k in np.unique(np.geomspace(2, n - 1, _MOST_CUTS).round().astype(int)).tolist() if many else range(2, n):
        labels = fcluster(tree, k, criterion="maxclust")
        if not 2 <= np.unique(labels).size <= n - 1:  # equal distances are not cut apart
            continue
        found = float(silhouette_score(distance, labels, metric="precomputed"))
        if found > silhouette:
            best, silhouette = labels, found
    first = {label: place for place, label in enumerate(dict.fromkeys(best.tolist()))}
    found_any = len(first) > 1
    return np.array([first[label] for label in best.tolist()], dtype=np.int64), silhouette if found_any else 0.0


def _members(labels: IntArray) -> list[IntArray]:
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _count_of(alike: FloatArray) -> float:
    """ρ + (1 - ρ) n of the trials of one cluster."""
    n = len(alike)
    if n == 1:
        return 1.0
    likeness = min(max(float(alike[np.triu_indices(n, 1)].mean()), 0.0), 1.0)
    return likeness + (1.0 - likeness) * n


def _correlations(series: Sequence[tuple[IntArray, FloatArray]]) -> FloatArray:
    """(n, n) over the common days of each pair; 0 for a pair with too few of them or a constant series."""
    calendar = np.unique(np.concatenate([days for days, _ in series]))
    value = np.zeros((len(series), calendar.size))
    present = np.zeros((len(series), calendar.size))
    for row, (days, returns) in enumerate(series):
        at = np.searchsorted(calendar, days)
        value[row, at], present[row, at] = returns, 1.0
    shared = present @ present.T
    sums = value @ present.T  # [i, j]: of series i on the days it shares with j
    scatter = np.square(value) @ present.T - np.square(sums) / np.maximum(shared, 1.0)
    together = value @ value.T - sums * sums.T / np.maximum(shared, 1.0)
    scale = np.sqrt(np.maximum(scatter * scatter.T, 0.0))
    varies = scale > 1e-12 * np.maximum(np.square(value).sum(axis=1), 1e-300)
    usable = (shared >= _MIN_OVERLAP_DAYS) & varies & varies.T
    alike = np.clip(np.divide(together, scale, out=np.zeros_like(scale), where=usable), -1.0, 1.0)
    found: FloatArray = np.where(np.abs(alike) * np.sqrt(np.maximum(shared, 1.0)) < _CHANCE_ERRORS, 0.0, alike)
    return found

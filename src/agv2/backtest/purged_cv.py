"""K-fold cross-validation of bars without a common bar between what teaches and what tests, in one order or in all.

A sample is a bar: it reads `lookback` bars, itself the last, and its label reads the `horizon` bars after it. So each
test fold purges training samples on both sides.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.errors import DataError

__all__ = ["CombinatorialPurgedCV", "PurgedKFold", "Split"]


@dataclass(frozen=True, slots=True)
class Split:
    """What teaches and what tests.

    Attributes:
        train: samples, rising.
        tests: one range of samples a test fold, in order.
        folds: numbers of the test folds, from 0.
    """

    train: IntArray
    tests: tuple[range, ...]
    folds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CombinatorialPurgedCV:
    """Every choice of `n_test_folds` among `n_folds` adjacent folds is a test once; the rest teaches, purged.

    A training sample is dropped where its label reaches a test bar or a bar that a test label reads, where it reads a
    test bar itself, and for `embargo_bars` more after each test fold.

    Args:
        n_folds: adjacent folds of equal length, the last with what is left over.
        n_test_folds: tested together, < n_folds.
        horizon: bars after a sample that its label reads.
        lookback: bars that a sample reads, itself included; 1 where only labels overlap.
        embargo_bars: further bars after each test fold that do not teach.

    Source: López de Prado (2018), Advances in Financial Machine Learning, chapters 7 and 12.
    """

    n_folds: int = 6
    n_test_folds: int = 2
    horizon: int = 0
    lookback: int = 1
    embargo_bars: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n_test_folds < self.n_folds or min(self.horizon, self.embargo_bars, self.lookback - 1) < 0:
            raise DataError(
                f"purged folds need 1 <= n_test_folds < n_folds, lookback >= 1 and no negative lengths; found "
                f"{self.n_test_folds} of {self.n_folds}, lookback {self.lookback}, horizon {self.horizon}, "
                f"embargo_bars {self.embargo_bars}"
            )

    @property
    def n_splits(self) -> int:
        """How often a model is trained."""
        return math.comb(self.n_folds, self.n_test_folds)

    @property
    def n_paths(self) -> int:
        """How often each fold is tested, which is how many whole histories the tests make up."""
        return math.comb(self.n_folds - 1, self.n_test_folds - 1)

    def split(self, n_samples: int) -> tuple[Split, ...]:
        """All splits, in the order of `itertools.combinations`.

        Args:
            n_samples: consecutive bars.

        Raises:
            DataError: a fold would be empty, or purging leaves nothing to train on.
        """
        length = n_samples // self.n_folds
        if length < 1:
            raise DataError(
                f"{n_samples:,} bars cannot be cut into {self.n_folds} folds; give more bars or fewer folds"
            )
        edges = [*range(0, length * self.n_folds, length), n_samples]
        folds = [range(low, high) for low, high in itertools.pairwise(edges)]
        return tuple(self._split(n_samples, folds, chosen) for chosen in self._choices())

    def paths(self) -> IntArray:
        """(n_paths, n_folds) which split tests each fold on each path; a path is one whole history of tests."""
        found: list[list[int]] = [[] for _ in range(self.n_folds)]
        for split, chosen in enumerate(self._choices()):
            for fold in chosen:
                found[fold].append(split)
        return np.array(found, dtype=np.int64).T

    def _choices(self) -> list[tuple[int, ...]]:
        return list(itertools.combinations(range(self.n_folds), self.n_test_folds))

    def _split(self, n_samples: int, folds: Sequence[range], chosen: tuple[int, ...]) -> Split:
        teaches = np.ones(n_samples, dtype=np.bool_)
        after = max(self.horizon, self.lookback - 1) + self.embargo_bars
        for fold in chosen:
            teaches[max(0, folds[fold].start - self.horizon) : folds[fold].stop + after] = False
        train = np.flatnonzero(teaches)
        if train.size == 0:
            raise DataError(
                f"{n_samples:,} bars in {self.n_folds} folds leave nothing to train on beside test folds "
                f"{', '.join(str(fold + 1) for fold in chosen)}: {self.horizon:,} bars are purged before and {after:,} "
                "after each; give more bars, or fewer or shorter test folds"
            )
        return Split(train, tuple(folds[fold] for fold in chosen), chosen)


def PurgedKFold(  # noqa: N802 - reads as the class that it makes
    n_folds: int = 5, horizon: int = 0, lookback: int = 1, embargo_bars: int = 0
) -> CombinatorialPurgedCV:
    """Each fold is a test once: the combinatorial kind with one test fold, which has one path."""
    return CombinatorialPurgedCV(n_folds, 1, horizon, lookback, embargo_bars)

"""Every sample is tested once a path, and nothing that teaches shares a bar with what tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.backtest.purged_cv import CombinatorialPurgedCV, PurgedKFold
from agv2.core.errors import DataError


def spans(samples: np.ndarray, before: int, after: int) -> set[int]:
    """All bars from `before` bars before to `after` bars after each sample."""
    return {bar for sample in samples for bar in range(int(sample) - before, int(sample) + after + 1)}


@settings(max_examples=150, deadline=None)
@given(
    n_samples=st.integers(2, 160),
    n_folds=st.integers(2, 7),
    n_test_folds=st.integers(1, 4),
    horizon=st.integers(0, 6),
    lookback=st.integers(1, 8),
    embargo_bars=st.integers(0, 4),
)
def test_no_bar_is_shared_and_each_sample_is_tested_once_a_path(
    n_samples: int, n_folds: int, n_test_folds: int, horizon: int, lookback: int, embargo_bars: int
) -> None:
    try:
        cv = CombinatorialPurgedCV(n_folds, n_test_folds, horizon, lookback, embargo_bars)
        splits = cv.split(n_samples)
    except DataError:
        return
    assert len(splits) == cv.n_splits
    for split in splits:
        tested = np.concatenate([np.asarray(fold) for fold in split.tests])
        # neither labels overlap, nor does a training sample read a test bar
        assert not spans(split.train, 0, horizon) & spans(tested, 0, horizon)
        assert not spans(split.train, lookback - 1, 0) & set(tested.tolist())
        for fold in split.tests:
            behind = set(range(fold.stop, fold.stop + horizon + embargo_bars))
            assert not behind & set(split.train.tolist())
    paths = cv.paths()
    assert paths.shape == (cv.n_paths, n_folds)
    for path in paths:
        seen = [
            sample
            for fold, number in enumerate(path)
            for sample in splits[number].tests[splits[number].folds.index(fold)]
        ]
        assert seen == list(range(n_samples))
    assert len({(int(split), fold) for path in paths for fold, split in enumerate(path)}) == paths.size


def test_no_more_is_dropped_than_must_be() -> None:
    (_, middle, _) = PurgedKFold(3, horizon=2, lookback=5, embargo_bars=1).split(30)
    assert middle.tests == (range(10, 20),)
    assert middle.train.tolist() == [*range(8), *range(25, 30)]
    assert PurgedKFold(3).split(31)[2].train.tolist() == list(range(20))


def test_paths_by_hand() -> None:
    """Four folds, two tested at a time: six splits, three histories."""
    cv = CombinatorialPurgedCV(4, 2)
    assert [split.folds for split in cv.split(8)] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert cv.paths().tolist() == [[0, 0, 1, 2], [1, 3, 3, 4], [2, 4, 5, 5]]


@pytest.mark.parametrize(("purged", "embargo"), [(0, 0), (3, 0), (3, 4), (0, 2)])
def test_it_is_skfolio_s_where_only_labels_overlap(purged: int, embargo: int) -> None:
    model_selection = pytest.importorskip(
        "skfolio.model_selection", reason="needs peers: python bootstrap.py test --with peers"
    )
    theirs = model_selection.CombinatorialPurgedCV(n_folds=6, n_test_folds=2, purged_size=purged, embargo_size=embargo)
    ours = CombinatorialPurgedCV(6, 2, horizon=purged, embargo_bars=embargo)
    found = ours.split(200)
    expected = list(theirs.split(np.zeros((200, 1))))
    assert len(found) == len(expected) == theirs.n_splits
    for split, (train, tests) in zip(found, expected, strict=True):
        assert split.train.tolist() == train.tolist()
        assert sorted(tuple(fold) for fold in split.tests) == sorted(tuple(fold.tolist()) for fold in tests)
    assert ours.n_paths == theirs.n_test_paths


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(DataError, match="4 bars cannot be cut into 5 folds"):
        PurgedKFold(5).split(4)
    with pytest.raises(DataError, match="nothing to train on beside test folds 2: 9 bars are purged before and 9"):
        PurgedKFold(3, horizon=9).split(15)
    with pytest.raises(DataError, match="3 of 3"):
        CombinatorialPurgedCV(3, 3)
    with pytest.raises(DataError, match="lookback 0"):
        PurgedKFold(3, lookback=0)

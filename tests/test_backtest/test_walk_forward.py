import re
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.backtest.walk_forward import Fold, portfolio_walk_forward, require_purged, walk_forward
from agv2.core.errors import DataError, LeakError

Mode = Literal["expanding", "rolling"]
MODES: tuple[Mode, ...] = ("expanding", "rolling")


def test_expanding_folds_by_hand() -> None:
    found = walk_forward(110, n_folds=3, first_train_frac=0.4, horizon=4, embargo_bars=2, warmup=10, mode="expanding")
    assert found == (Fold(10, 44, 50, 70), Fold(10, 64, 70, 90), Fold(10, 84, 90, 110))


def test_rolling_folds_move_their_start_with_the_test() -> None:
    found = walk_forward(110, n_folds=3, first_train_frac=0.4, horizon=4, embargo_bars=2, warmup=10, mode="rolling")
    assert found == (Fold(10, 44, 50, 70), Fold(30, 64, 70, 90), Fold(50, 84, 90, 110))


@settings(max_examples=200, deadline=None)
@given(
    n_bars=st.integers(0, 3000),
    n_folds=st.integers(1, 8),
    first_train_frac=st.floats(0.05, 0.95),
    horizon=st.integers(0, 30),
    embargo_bars=st.integers(0, 30),
    warmup=st.integers(0, 200),
    min_train_bars=st.integers(1, 100),
    mode=st.sampled_from(MODES),
)
def test_every_test_bar_is_in_one_fold_and_no_label_reaches_it(
    n_bars: int,
    n_folds: int,
    first_train_frac: float,
    horizon: int,
    embargo_bars: int,
    warmup: int,
    min_train_bars: int,
    mode: Mode,
) -> None:
    def split(n: int) -> tuple[Fold, ...]:
        return walk_forward(
            n,
            n_folds=n_folds,
            first_train_frac=first_train_frac,
            horizon=horizon,
            embargo_bars=embargo_bars,
            warmup=warmup,
            mode=mode,
            min_train_bars=min_train_bars,
        )

    try:
        folds = split(n_bars)
    except DataError as error:
        found = re.search(r"([\d,]+) needed", str(error))
        assert found is not None
        needed = int(found[1].replace(",", ""))
        assert needed > n_bars
        assert len(split(needed)) == n_folds  # what it asks for is enough,
        with pytest.raises(DataError):
            split(needed - 1)  # and not more than enough
        return
    assert len(folds) == n_folds
    tested = np.concatenate([np.arange(fold.test_lo, fold.test_hi) for fold in folds])
    assert tested.tolist() == list(range(folds[0].test_lo, n_bars))
    for fold in folds:
        assert fold.train_hi + horizon + embargo_bars <= fold.test_lo
        assert warmup <= fold.train_lo
        assert fold.train_hi - fold.train_lo >= min_train_bars
        assert fold.test_hi - fold.test_lo >= 3
        if mode == "expanding":
            assert fold.train_lo == warmup


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from(MODES), st.sampled_from([0, 17]))
def test_portfolio_folds_share_their_times(seed: int, n_folds: int, mode: Mode, offset: int) -> None:
    rng = np.random.default_rng(seed)
    step = 60
    grid = np.arange(2000) * step
    stamps = [
        np.sort(rng.choice(grid[low:high], size=size, replace=False)) + shift
        for low, high, size, shift in ((0, 1900, 1500, 0), (100, 2000, 900, offset))
    ]
    folds = portfolio_walk_forward(
        stamps, n_folds=n_folds, first_train_frac=0.4, horizon=3, embargo_bars=1, warmups=[20, 5], mode=mode
    )
    end = min(series[-1] for series in stamps)
    for k in range(n_folds):
        first_test_stamp = min(series[folds[i][k].test_lo] for i, series in enumerate(stamps))
        for i, series in enumerate(stamps):
            fold = folds[i][k]
            assert fold.test_hi - fold.test_lo >= 3
            assert fold.train_lo >= (20, 5)[i]
            # the last bar any label looks at has closed before any symbol's test begins
            assert series[fold.train_hi - 1 + 3 + 1] + step <= first_test_stamp
            if k:
                assert fold.test_lo == folds[i][k - 1].test_hi
                previous_end = max(other[folds[j][k - 1].test_hi - 1] for j, other in enumerate(stamps))
                assert previous_end < first_test_stamp
    for i, series in enumerate(stamps):
        assert folds[i][-1].test_hi == np.searchsorted(series, end, side="right")


def test_files_that_do_not_overlap_are_refused_by_name() -> None:
    early, late = np.arange(1000), np.arange(5000, 6000)
    with pytest.raises(DataError, match=r"GOLD, ETHUSD have 0 common stamps"):
        portfolio_walk_forward(
            [early, late],
            n_folds=2,
            first_train_frac=0.5,
            horizon=1,
            embargo_bars=0,
            warmups=[5, 5],
            symbols=("GOLD", "ETHUSD"),
        )


def test_a_symbol_with_a_hole_where_a_fold_should_be_is_refused_by_name() -> None:
    dense, holed = np.arange(1000), np.r_[0:500, 998:1000]
    with pytest.raises(DataError, match=r"ETHUSD: \d bars in a test fold, 3 needed"):
        portfolio_walk_forward(
            [dense, holed],
            n_folds=2,
            first_train_frac=0.4,
            horizon=1,
            embargo_bars=0,
            warmups=[5, 5],
            symbols=("GOLD", "ETHUSD"),
        )


def test_a_series_that_ends_in_its_warm_up_is_refused() -> None:
    with pytest.raises(DataError, match="do not outlast a warm-up of 50"):
        portfolio_walk_forward(
            [np.arange(50)], n_folds=1, first_train_frac=0.5, horizon=0, embargo_bars=0, warmups=[50]
        )


@pytest.mark.parametrize("frac", [0.0, 1.0, -0.2])
def test_a_senseless_plan_is_refused(frac: float) -> None:
    with pytest.raises(DataError, match="first_train_frac"):
        walk_forward(1000, n_folds=2, first_train_frac=frac, horizon=1, embargo_bars=0, warmup=0)


def test_folds_that_know_their_tests_are_stopped() -> None:
    good = (Fold(100, 488, 500, 600), Fold(100, 588, 600, 700))
    require_purged(good, 12, 0)
    with pytest.raises(LeakError, match="fold 2: training ends before bar 589"):
        require_purged((good[0], good[1]._replace(train_hi=589)), 12, 0)
    with pytest.raises(LeakError, match=r"fold 1: .*embargo 1"):
        require_purged(good, 12, 1)
    with pytest.raises(LeakError, match="fold 1 ends with bar 598, the next begins with 600"):
        require_purged((good[0]._replace(test_hi=599), good[1]), 12, 0)

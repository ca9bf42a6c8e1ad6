from dataclasses import replace

import numpy as np
import pytest

from agv2.core.errors import DataError, ShapeError
from agv2.models.training_rows import purged_rows
from tests.test_models.markets import TINY, a_series

LONGEST = TINY.horizons[-1]


def test_the_gap_is_window_minus_one_plus_the_longest_horizon() -> None:
    (rows,) = purged_rows([a_series()], TINY)
    assert rows.select.start - rows.train.stop == TINY.window - 1 + LONGEST


def test_no_validation_window_holds_a_bar_that_a_training_target_reads() -> None:
    (rows,) = purged_rows([a_series()], TINY)
    last_bar_taught = rows.train[-1] + LONGEST
    first_bar_validated = rows.select[0] - (TINY.window - 1)
    assert last_bar_taught < first_bar_validated
    # and not one bar more than needed is given up
    assert last_bar_taught + 1 == first_bar_validated


def test_no_selection_target_is_a_scoring_target() -> None:
    (rows,) = purged_rows([a_series()], TINY)
    assert rows.select[-1] + LONGEST <= rows.score[0]


def test_the_embargo_widens_the_gap() -> None:
    (rows,) = purged_rows([a_series()], TINY)
    (later,) = purged_rows([a_series()], TINY.model_copy(update={"embargo_bars": 25}))
    assert later.train.stop == rows.train.stop - 25
    assert later.select == rows.select


def test_the_last_part_validates_half_of_it_scores() -> None:
    (rows,) = purged_rows([a_series(n_bars=2000)], TINY)
    usable = 2000 - (TINY.window - 1)
    assert rows.train.start == TINY.window - 1
    assert rows.score.stop == 2000
    assert 2000 - rows.select.start == pytest.approx(TINY.validation_fraction * usable, abs=2)
    assert len(rows.score) == pytest.approx((2000 - rows.select.start) / 2, abs=2)


def test_symbols_are_cut_at_the_same_moments() -> None:
    early, late = a_series("A"), a_series("B", n_bars=900, start_ns=300 * 3600 * 10**9)
    first, second = purged_rows([early, late], TINY)
    assert early.ts_ns[first.select.start] == late.ts_ns[second.select.start]
    assert early.ts_ns[first.score.start] == late.ts_ns[second.score.start]


@pytest.mark.parametrize("n_bars", [10, 31, 120])
def test_too_few_bars_are_an_error_that_says_what_is_needed(n_bars: int) -> None:
    with pytest.raises(DataError, match="give more bars"):
        purged_rows([a_series(n_bars=max(n_bars, 13))], TINY)


def test_a_feature_that_is_not_finite_is_named_by_row() -> None:
    series = a_series()
    features = series.features.copy()
    features[17, 2] = np.nan
    with pytest.raises(DataError, match="TEST: features at row 17"):
        replace(series, features=features)


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ShapeError, match="one length"):
        replace(a_series(), regime=np.zeros(3, dtype=np.int64))

import math

import numpy as np
import pytest

from agv2.features.price_features import log_return, opening_gap, wick_fractions


def test_log_return_looks_back_its_horizon() -> None:
    returns = log_return(np.log([1.0, 2.0, 4.0, 2.0]), 2)
    assert np.isnan(returns[:2]).all()
    assert returns[2:].tolist() == [math.log(4.0), 0.0]


def test_wicks_are_the_parts_outside_the_body() -> None:
    wicks = wick_fractions(np.array([2.0]), np.array([5.0]), np.array([1.0]), np.array([4.0]))
    assert wicks.upper.tolist() == [0.25]
    assert wicks.lower.tolist() == [0.25]


def test_wicks_do_not_care_which_way_the_body_points() -> None:
    up = wick_fractions(np.array([2.0]), np.array([6.0]), np.array([1.0]), np.array([4.0]))
    down = wick_fractions(np.array([4.0]), np.array([6.0]), np.array([1.0]), np.array([2.0]))
    assert (up.upper[0], up.lower[0]) == (down.upper[0], down.lower[0]) == (0.4, 0.2)


def test_a_bar_without_range_has_no_wicks() -> None:
    flat = np.array([3.0])
    wicks = wick_fractions(flat, flat, flat, flat)
    assert (wicks.upper[0], wicks.lower[0]) == (0.0, 0.0)


def test_opening_gap_compares_with_the_close_before() -> None:
    gaps = opening_gap(np.log([1.0, 4.0]), np.log([2.0, 9.0]))
    assert np.isnan(gaps[0])
    assert gaps[1] == pytest.approx(math.log(2.0))

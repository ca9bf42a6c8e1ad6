import math

import numpy as np
import pytest

from agv2.features.scaling import in_sigmas, log_ratio


def test_a_move_is_measured_in_volatilities_of_its_length_and_cut() -> None:
    moves = np.array([0.06, -0.06, 9.0, -9.0, np.nan, 0.06])
    sigma = np.array([0.01, 0.01, 0.01, 0.01, 0.01, np.nan])
    found = in_sigmas(moves, sigma, 2.0, -20.0)
    assert found[:4].tolist() == pytest.approx([3.0, -3.0, 20.0, -20.0])
    assert np.isnan(found[4:]).all()
    assert in_sigmas(moves, sigma, 2.0, 0.0)[1] == 0.0


def test_a_volatility_is_compared_as_a_logarithm_and_cut() -> None:
    estimate = np.array([0.02, 0.0, 1e5, 0.0, np.nan, 0.01])
    sigma = np.array([0.01, 1e-5, 0.01, 0.5, 0.01, np.nan])
    found = log_ratio(estimate, sigma)
    assert found[:4].tolist() == pytest.approx([math.log(2.0), 0.0, 6.0, -6.0])
    assert np.isnan(found[4:]).all()

import math
from dataclasses import replace

import numpy as np
import pytest

from agv2.models.variance_filter import EWMA, GarchParams, filtered_variance, past_returns
from tests.test_models.markets import a_series

GARCH = GarchParams(omega=0.1, alpha=0.2, beta=0.7, degrees=math.nan)


def test_the_recursion_by_hand() -> None:
    found = filtered_variance(np.array([1.0, 2.0]), GARCH, 0.5, 1e-12)
    first = 0.1 + 0.2 * 1.0 + 0.7 * 0.5
    np.testing.assert_allclose(found, [first, 0.1 + 0.2 * 4.0 + 0.7 * first])


def test_an_unknown_return_moves_the_variance_as_its_expectation_would() -> None:
    found = filtered_variance(np.array([math.nan]), GARCH, 0.5, 1e-12)
    assert found[0] == pytest.approx(0.1 + (0.2 + 0.7) * 0.5)
    assert filtered_variance(np.array([math.nan]), EWMA, 0.5, 1e-12)[0] == pytest.approx(0.5)


def test_a_standstill_ends_at_the_floor() -> None:
    assert filtered_variance(np.zeros(500), EWMA, 1.0, 1e-6)[-1] == 1e-6


def test_past_returns_are_the_targets_of_the_bars_before() -> None:
    series = a_series(n_bars=200)
    past = past_returns(series)
    assert math.isnan(past[0])
    np.testing.assert_allclose(past[1:], series.features[1:, 0] * series.sigma[1:], rtol=1e-5)  # its first feature
    unknown = replace(series, future=series.future.copy())
    unknown.future[57, 0] = math.nan
    assert np.flatnonzero(np.isnan(past_returns(unknown))).tolist() == [0, 58]

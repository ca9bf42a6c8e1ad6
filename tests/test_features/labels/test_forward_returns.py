import math

import numpy as np
import pytest

from agv2.core.errors import ShapeError
from agv2.features.labels.forward_returns import forward_returns


def test_it_is_the_log_return_ahead_in_volatilities_of_its_horizon() -> None:
    close = np.exp(np.array([0.0, 0.1, 0.3, 0.2]))
    sigma = np.array([0.1, 0.2, 0.1, 0.1])
    found = forward_returns(close, sigma, (1, 3))
    assert found[:3, 0] == pytest.approx([1.0, 1.0, -1.0])
    assert found[0, 1] == pytest.approx(0.2 / (0.1 * math.sqrt(3)))


def test_the_last_bars_of_each_horizon_are_unknown() -> None:
    found = forward_returns(np.ones(20), np.full(20, 0.1))
    assert np.isnan(found).sum(axis=0).tolist() == [1, 3, 12]
    assert np.isnan(found[-1]).all()


def test_bars_without_volatility_have_no_label() -> None:
    sigma = np.array([np.nan, np.nan, 0.1, 0.1])
    assert np.isnan(forward_returns(np.ones(4), sigma, (1,))[:, 0]).tolist() == [True, True, False, True]


def test_a_history_shorter_than_the_horizon_has_none() -> None:
    assert np.isnan(forward_returns(np.ones(5), np.ones(5), (12,))).all()


def test_a_label_reads_its_own_close_and_the_one_at_its_horizon_only() -> None:
    close = np.exp(np.random.default_rng(0).normal(size=40))
    sigma = np.full(40, 0.1)
    other = close.copy()
    other[20] *= 2.0
    pairs = zip(forward_returns(close, sigma).T, forward_returns(other, sigma).T, strict=True)
    moved = [np.flatnonzero((one != two) & ~np.isnan(one)).tolist() for one, two in pairs]
    assert moved == [[19, 20], [17, 20], [8, 20]]


def test_lengths_must_agree() -> None:
    with pytest.raises(ShapeError):
        forward_returns(np.ones(5), np.ones(4))

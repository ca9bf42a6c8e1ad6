import numpy as np
import pytest

from agv2.features.rolling import windowed_mean, windowed_means


@pytest.mark.parametrize("lookback", [1, 2, 7, 256])
def test_it_is_the_mean_of_each_window(lookback: int) -> None:
    values = np.random.default_rng(0).normal(size=5000)  # longer than two blocks
    expected = np.lib.stride_tricks.sliding_window_view(values, lookback).mean(axis=1)
    means = windowed_mean(values, lookback)
    assert np.isnan(means[: lookback - 1]).all()
    np.testing.assert_allclose(means[lookback - 1 :], expected, rtol=0, atol=1e-14)


def test_what_lies_before_a_window_moves_no_bit_of_it() -> None:
    values = np.random.default_rng(1).normal(size=9000) * 10.0 ** np.random.default_rng(2).integers(-8, 8, 9000)
    whole = windowed_mean(values, 60)
    for start in (1, 17, 2048, 4999):
        assert windowed_mean(values[start:], 60)[59:].tobytes() == whole[start + 59 :].tobytes()


def test_an_unknown_value_spoils_only_the_windows_that_hold_it() -> None:
    values = np.ones(10)
    values[3] = np.nan
    assert np.flatnonzero(np.isnan(windowed_mean(values, 3))).tolist() == [0, 1, 3, 4, 5]


def test_a_series_shorter_than_the_window_has_no_mean() -> None:
    assert np.isnan(windowed_mean(np.ones(3), 4)).all()


def test_a_mean_is_the_same_whatever_other_windows_are_asked_for() -> None:
    values = np.random.default_rng(3).normal(size=3000)
    together = windowed_means(values, (12, 256, 1, 100))
    for lookback, found in zip((12, 256, 1, 100), together, strict=True):
        assert found.tobytes() == windowed_mean(values, lookback).tobytes()


def test_no_values_have_no_means() -> None:
    assert windowed_means(np.empty(0), (3, 5)).shape == (2, 0)

"""Swing lows and highs: when one arises, how near is near, when it breaks, and that nothing else counts."""

import math

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.features.swing_levels import SWING_LOOKBACK, swing_levels

SIGMA = 0.01


def a_path(*legs: tuple[int, float]) -> FloatArray:
    """Log closes: a lead that does not move, so that only the straight legs after it make swings."""
    found = [np.zeros(SWING_LOOKBACK)]
    level = 0.0
    for n_bars, target in legs:
        found.append(level + (target - level) * np.arange(1, n_bars + 1) / n_bars)
        level = target
    return np.concatenate(found)


def closeness(path: FloatArray) -> tuple[FloatArray, FloatArray]:
    return swing_levels(path, np.full(path.size, SIGMA))


# Down by ten volatilities, up again, and back to the low after twenty bars above it.
DIP = ((10, -10 * SIGMA), (10, 0.0), (20, 0.0))


def test_price_that_comes_back_to_a_low_is_near_support_and_one_that_comes_back_to_a_high_near_resistance() -> None:
    path = a_path(*DIP, (10, -10 * SIGMA))
    support, resistance = closeness(path)
    assert support[-1] > 0.6
    up_support, up_resistance = closeness(-path)
    np.testing.assert_array_equal(up_resistance, support)
    np.testing.assert_array_equal(up_support, resistance)
    assert support[SWING_LOOKBACK + 25] == 0.0, "ten volatilities away"


def test_weight_grows_with_the_bars_that_it_stood_and_falls_with_distance_to_nothing() -> None:
    low = -10 * SIGMA
    for n_stood in (5, 20):
        path = a_path((10, low), (1, 0.0), (n_stood - 1, 0.0), (1, low + SIGMA), (1, low + 2.6 * SIGMA))
        near, far = closeness(path)[0][-2:]
        assert near == pytest.approx(n_stood / (n_stood + 12.0) * (1.0 - (1.0 / 2.5) ** 2) ** 2)
        assert far == 0.0


def test_a_close_beyond_it_breaks_it_and_a_pierce_does_not() -> None:
    low = -10 * SIGMA
    pierced = closeness(a_path(*DIP, (10, low - 1.2 * SIGMA), (1, low)))[0]
    broken = closeness(a_path(*DIP, (10, low - 1.3 * SIGMA), (1, low)))[0]
    assert pierced[-1] > 0.6
    assert broken[-1] == 0.0


def test_a_low_that_price_never_left_far_is_none() -> None:
    shallow = tuple((n_bars, 0.28 * target) for n_bars, target in DIP)
    assert closeness(a_path(*shallow, (10, -2.8 * SIGMA)))[0][SWING_LOOKBACK:].max() == 0.0


def test_it_is_forgotten() -> None:
    low = -10 * SIGMA
    for n_bars, is_known in ((452, True), (453, False)):
        support = closeness(a_path((10, low), (10, 0.0), (n_bars - 20, 0.0), (10, low)))[0]
        # What is left are the bars on the way up from it, each of which was the lowest of the last 49 for once.
        assert support[-1] > 0.6 if is_known else support[-1] < 0.1, n_bars


def test_rows_depend_on_the_last_bars_alone() -> None:
    rng = np.random.default_rng(3)
    path = np.cumsum(rng.normal(0.0, SIGMA, 3_000))
    sigma = SIGMA * np.exp(rng.normal(0.0, 0.2, 3_000))
    whole = swing_levels(path, sigma)
    assert np.isnan(whole.support[: SWING_LOOKBACK - 1]).all()
    assert 0.05 < np.mean(whole.support[SWING_LOOKBACK:] > 0.0) < 0.6
    assert whole.support[SWING_LOOKBACK - 1 :].max() <= 1.0
    for stop in (1_000, 1_777, 3_000):
        part = slice(stop - SWING_LOOKBACK, stop)
        alone = swing_levels(path[part], sigma[part])
        assert (alone.support[-1], alone.resistance[-1]) == (whole.support[stop - 1], whole.resistance[stop - 1])
        early = swing_levels(path[:stop], sigma[:stop])
        np.testing.assert_array_equal(early.support, whole.support[:stop])


def test_where_volatility_is_unknown_nothing_is_said() -> None:
    path = a_path(*DIP)
    sigma = np.full(path.size, SIGMA)
    sigma[-1] = math.nan
    assert np.isnan(swing_levels(path, sigma).support[-1])

import math

import numpy as np
import pytest

from agv2.data.synthetic import synthetic_bars
from agv2.features.bar_volatility import bar_volatility
from agv2.features.natural_log import natural_log
from agv2.features.volatility import (
    average_true_range,
    parkinson_volatility,
    realized_volatilities,
    realized_volatility,
)


def test_realized_volatility_is_the_root_mean_square_return() -> None:
    found = realized_volatility(np.array([0.0, 0.3, -0.1, -0.1]), 2)
    assert np.isnan(found[:2]).all()
    assert found[2:] == pytest.approx([math.sqrt((0.09 + 0.16) / 2), math.sqrt(0.16 / 2)])


def test_parkinson_agrees_with_the_formula() -> None:
    log_high, log_low = np.array([0.2, 0.4]), np.array([0.0, 0.1])
    expected = math.sqrt((0.2**2 + 0.3**2) / 2 / (4 * math.log(2)))
    assert parkinson_volatility(log_high, log_low, 2)[1] == pytest.approx(expected)


def test_true_range_counts_the_gap_before_the_bar() -> None:
    log_high, log_low, log_close = np.log([[1.0, 4.0], [1.0, 3.0], [2.0, 3.0]])
    assert average_true_range(log_high, log_low, log_close, 1)[1] == pytest.approx(math.log(4.0 / 2.0))


def test_both_estimates_find_the_volatility_of_a_market_that_we_made() -> None:
    bars = synthetic_bars("trend", 8760, 5)
    annual = 0.45 / math.sqrt(8760)
    assert realized_volatility(np.log(bars.close), 8000)[-1] == pytest.approx(annual, rel=0.05)
    # A path of 16 steps misses the extremes of a continuous one, so the range falls short.
    assert parkinson_volatility(np.log(bars.high), np.log(bars.low), 8000)[-1] == pytest.approx(0.84 * annual, rel=0.05)


def test_bar_volatility_is_the_fast_estimate_until_the_market_freezes() -> None:
    rng = np.random.default_rng(0)
    close = np.exp(np.cumsum(np.where(np.arange(900) < 600, rng.normal(0.0, 0.01, 900), 0.0)))
    sigma = bar_volatility(close)
    fast, slow = realized_volatilities(natural_log(close), (64, 256))
    assert sigma[599] == fast[599]
    assert sigma[700] == 0.5 * slow[700] > 0.002
    assert sigma[899] == 1e-5

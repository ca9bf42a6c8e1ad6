"""The difference of two Sharpe ratios, and how sure of it one may be."""

import math

import numpy as np
import pytest

from agv2.backtest.sharpe_difference import sharpe_difference
from agv2.core.errors import ShapeError


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_value_is_the_difference_of_the_annual_ratios() -> None:
    own, base = rng().normal(0.001, 0.01, (2, 300))
    found = sharpe_difference(own, base, 252.0, rng())
    ratios = [each.mean() / each.std(ddof=1) * math.sqrt(252.0) for each in (own, base)]
    assert found.value == pytest.approx(ratios[0] - ratios[1])
    assert found.low < found.value < found.high


def test_an_account_does_not_differ_from_itself() -> None:
    own = rng().normal(0.001, 0.01, 300)
    assert sharpe_difference(own, own.copy(), 252.0, rng()) == (0.0, 0.0, 0.0)


def test_what_both_owe_to_the_market_cancels_out() -> None:
    market = rng().normal(0.0, 0.01, 500)
    near = sharpe_difference(market + rng(2).normal(0.0, 0.001, 500), market, 252.0, rng())
    apart = sharpe_difference(rng(2).normal(0.0, 0.01, 500), market, 252.0, rng())
    assert near.high - near.low < 0.25 * (apart.high - apart.low)


def test_an_interval_of_95_per_cent_holds_the_truth_about_so_often() -> None:
    held = 0
    for trial in range(200):
        own, base = rng(trial).normal([[0.0012], [0.0002]], 0.01, (2, 400))
        found = sharpe_difference(own, base, 252.0, rng(trial + 1000), n_resamples=400)
        held += found.low <= 0.1 * math.sqrt(252.0) <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_a_higher_level_gives_a_wider_interval() -> None:
    own, base = rng().normal(0.001, 0.01, (2, 300))
    usual, sure = (sharpe_difference(own, base, 252.0, rng(), level=level) for level in (0.95, 0.999))
    assert sure.low < usual.low < usual.high < sure.high


def test_an_account_that_stays_flat_counts_as_nothing_earned() -> None:
    own = rng().normal(0.001, 0.01, 300)
    found = sharpe_difference(np.zeros(300), own, 252.0, rng())
    assert found.value == pytest.approx(-own.mean() / own.std(ddof=1) * math.sqrt(252.0))


def test_too_few_days_say_nothing() -> None:
    assert all(math.isnan(each) for each in sharpe_difference(np.ones(19), np.zeros(19), 252.0, rng()))


def test_accounts_of_other_days_are_refused() -> None:
    with pytest.raises(ShapeError):
        sharpe_difference(np.ones(30), np.ones(31), 252.0, rng())

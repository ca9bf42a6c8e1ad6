import math
from statistics import NormalDist

import numpy as np
import pytest

from agv2.backtest.significance import (
    deflated_sharpe_ratio,
    deflation_benchmark,
    expected_best_sharpe,
    probabilistic_sharpe_ratio,
    return_moments,
    sharpe_z_score,
)


def test_moments_by_hand() -> None:
    moments = return_moments(np.array([1.0, 2.0, 3.0, 6.0]))  # mean 3; deviations -2, -1, 0, 3
    variance = (4 + 1 + 0 + 9) / 4
    assert moments.n == 4
    assert float(moments.sharpe) == pytest.approx(3 / math.sqrt(14 / 3))
    assert float(moments.skew) == pytest.approx((-8 - 1 + 27) / 4 / variance**1.5)
    assert float(moments.kurtosis) == pytest.approx((16 + 1 + 81) / 4 / variance**2)


def test_raw_kurtosis_of_a_normal_sample_is_three() -> None:
    moments = return_moments(np.random.default_rng(0).standard_normal(400_000))
    assert float(moments.kurtosis) == pytest.approx(3.0, abs=0.05)
    assert float(moments.skew) == pytest.approx(0.0, abs=0.02)


def test_psr_reproduces_the_papers_example() -> None:
    # Bailey and López de Prado (2012): monthly Sharpe 0.458, skew -2.448, kurtosis 10.164, two years: PSR(0) 0.913
    moments = return_moments(np.arange(24.0))._replace(
        n=24, sharpe=np.array(0.458), skew=np.array(-2.448), kurtosis=np.array(10.164)
    )
    assert NormalDist().cdf(float(sharpe_z_score(moments))) == pytest.approx(0.913, abs=0.002)


def test_dsr_reproduces_the_papers_example() -> None:
    # Bailey and López de Prado (2014): 100 trials, variance 1/2 annual, five years of days: SR* 0.1132, DSR 0.9004
    benchmark = expected_best_sharpe(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=2e-4)
    moments = return_moments(np.arange(5.0))._replace(
        n=1250, sharpe=np.array(2.5 / math.sqrt(250)), skew=np.array(-3.0), kurtosis=np.array(10.0)
    )
    assert NormalDist().cdf(float(sharpe_z_score(moments, benchmark))) == pytest.approx(0.9004, abs=1e-3)


def test_dsr_of_one_trial_is_the_psr_exactly() -> None:
    returns = np.random.default_rng(1).standard_t(4, 500) * 0.01 + 0.0005
    assert deflated_sharpe_ratio(returns, 1) == probabilistic_sharpe_ratio(returns)
    assert deflation_benchmark(returns, 1, ()) == 0.0


def test_more_trials_never_raise_the_dsr() -> None:
    returns = np.random.default_rng(1).standard_t(4, 500) * 0.01 + 0.001
    earlier = (0.02, -0.03, 0.05)
    found = [deflated_sharpe_ratio(returns, n, earlier) for n in (1, 2, 4, 20, 500)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] + 0.1


def test_unknown_earlier_results_take_the_sampling_variance() -> None:
    returns = np.random.default_rng(2).standard_normal(401) * 0.01
    unknown = deflation_benchmark(returns, 5, ())
    assert unknown == pytest.approx(expected_best_sharpe(5, 1 / 400))
    assert deflation_benchmark(returns, 5, (math.nan,)) == unknown


@pytest.mark.parametrize("returns", [np.zeros(50), np.full(50, 0.1), np.array([0.1, -0.1])])
def test_without_variation_or_days_the_probability_is_undefined(returns: np.ndarray) -> None:
    assert math.isnan(probabilistic_sharpe_ratio(returns))
    assert math.isnan(deflated_sharpe_ratio(returns, 3, (0.1, 0.2)))


def test_psr_is_uniform_on_noise() -> None:
    noise = np.random.default_rng(3).standard_normal((4000, 250))
    z = sharpe_z_score(return_moments(noise))
    share = float((z >= NormalDist().inv_cdf(0.95)).mean())
    assert share == pytest.approx(0.05, abs=0.012)


def test_trials_that_stayed_flat_or_are_alike_do_not_undo_the_deflation() -> None:
    returns = np.random.default_rng(3).normal(0.001, 0.01, 500)
    own = float(return_moments(returns).sharpe)
    unknown = deflation_benchmark(returns, 10, ())
    assert deflation_benchmark(returns, 10, [math.nan] * 9) >= unknown > 0.05
    assert deflation_benchmark(returns, 10, [own] * 9) == pytest.approx(unknown)
    assert deflation_benchmark(returns, 10, [0.5, -0.5] * 4) > unknown

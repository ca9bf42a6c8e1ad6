import numpy as np
import pytest

from agv2.backtest.evaluation import MeasuredAccount
from agv2.backtest.judgement import judge
from agv2.backtest.metrics import EquityCurve, daily_returns, performance, sharpe_ratio
from agv2.backtest.significance import probabilistic_sharpe_ratio
from agv2.backtest.trial_ledger import PastTrial, TrialCount
from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError

FIRST = TrialCount(1, (), ())


def an_account(seed: int, n_days: int = 300, drift: float = 0.0005) -> MeasuredAccount:
    growth: FloatArray = np.random.default_rng(seed).standard_normal(n_days) * 0.01 + drift
    days = np.arange(n_days, dtype=np.int64)
    equity: FloatArray = np.cumprod(1 + growth, dtype=np.float64) * 1000
    curve = EquityCurve(days * 86_400_000_000_000, days, equity, np.zeros(n_days))
    none = np.array([], dtype=np.int64)
    report = performance(curve, (), none, none.astype(np.float64), 252.0)
    return MeasuredAccount(curve, (), report, days, daily_returns(curve), 252.0)


def test_a_first_trial_has_dsr_equal_to_psr_and_no_selection_tests() -> None:
    oos = an_account(1)
    found = judge(oos, an_account(2), FIRST, np.random.default_rng(0)).significance
    assert found.psr == found.dsr == probabilistic_sharpe_ratio(oos.returns)
    assert (found.n_trials, found.n_effective_trials) == (1, 1.0)
    assert np.isnan([found.pbo, found.spa_p_value]).all()
    assert found.undefined["pbo"] == "not implemented yet, and needs 8 trials on these bars: 1 counted"
    low, high = found.bootstrap_sharpe_ci
    assert low < sharpe_ratio(oos.returns, 252.0) < high


def test_earlier_trials_deflate_and_say_what_is_not_built() -> None:
    oos = an_account(1)
    days = np.arange(300)
    past = [np.random.default_rng(seed).standard_normal(300) * 0.01 for seed in range(8)]
    earlier = tuple(PastTrial(days, item, item.mean() / item.std(), 0.01 * index) for index, item in enumerate(past))
    found = judge(oos, an_account(2), TrialCount(9, earlier, ()), np.random.default_rng(0)).significance
    assert found.dsr < found.psr
    assert 8.0 < found.n_effective_trials <= 9.0
    assert found.undefined["pbo"] == found.undefined["spa_p_value"] == "not implemented yet"


def test_the_same_seed_gives_the_same_judgement() -> None:
    one, two = (judge(an_account(1), an_account(2), FIRST, np.random.default_rng(5)) for _ in range(2))
    assert (one.significance, one.verdict, one.intervals) == (two.significance, two.verdict, two.intervals)
    assert one.excess_returns == pytest.approx(an_account(1).returns - an_account(2).returns)


def test_accounts_of_other_days_are_not_compared() -> None:
    with pytest.raises(DataError, match="300 trading days"):
        judge(an_account(1), an_account(2, n_days=299), FIRST, np.random.default_rng(0))

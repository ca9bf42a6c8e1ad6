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
    assert found.undefined["pbo"] == "needs 8 trials on these bars: 1 counted"
    low, high = found.bootstrap_sharpe_ci
    assert low < sharpe_ratio(oos.returns, 252.0) < high


def past_trials(n: int, first_day: int = 0) -> tuple[PastTrial, ...]:
    days = first_day + np.arange(300)
    past = [np.random.default_rng(seed).standard_normal(300) * 0.01 for seed in range(n)]
    return tuple(PastTrial(days, item, item.mean() / item.std(), 0.01 * index) for index, item in enumerate(past))


def test_earlier_trials_deflate_and_are_tested_for_selection() -> None:
    oos, hold = an_account(1), an_account(2)
    count = TrialCount(9, past_trials(8), ())
    found = judge(oos, hold, count, np.random.default_rng(0)).significance
    assert found.dsr < found.psr
    assert found.n_effective_trials == pytest.approx(8.0, abs=0.01), (
        "one of the eight is this very account, but for its drift"
    )
    assert 0.0 < found.pbo < 1.0
    assert 0.0 < found.spa_p_value <= 1.0
    skilled = judge(an_account(1, drift=0.005), hold, count, np.random.default_rng(0)).significance
    assert skilled.pbo < 0.01
    assert skilled.spa_p_value < 0.01


def test_a_trial_must_beat_buy_and_hold_too() -> None:
    """An account that is buy and hold itself, on a market that rose."""
    oos = an_account(1, drift=0.005)
    found = judge(oos, oos, TrialCount(9, past_trials(8), ()), np.random.default_rng(0)).significance
    assert found.pbo < 0.01
    assert found.spa_p_value > 0.3


def test_trials_that_cannot_be_compared_are_no_selection_tests() -> None:
    oos, hold = an_account(1), an_account(2)
    unread = TrialCount(9, past_trials(6), ("trial ledger: one is damaged",) * 2)
    found = judge(oos, hold, unread, np.random.default_rng(0)).significance
    assert np.isnan([found.pbo, found.spa_p_value]).all()
    assert found.undefined["pbo"] == "needs 8 trials on these bars: 9 counted, of which 7 can be read"
    apart = judge(oos, hold, TrialCount(9, past_trials(8, first_day=250), ()), np.random.default_rng(0)).significance
    assert apart.undefined["spa_p_value"] == "needs 60 days that all trials have: 50 found"


def test_trials_measured_before_the_tests_count_but_are_not_ranked() -> None:
    oos, hold = an_account(1), an_account(2)
    here, before = past_trials(8), past_trials(20, first_day=-400)
    alone = judge(oos, hold, TrialCount(9, here, ()), np.random.default_rng(0)).significance
    found = judge(oos, hold, TrialCount(29, (*here, *before), ()), np.random.default_rng(0)).significance
    assert (found.pbo, found.spa_p_value) == (alone.pbo, alone.spa_p_value)
    assert found.n_trials == 29
    assert found.dsr < alone.dsr
    tuned = judge(oos, hold, TrialCount(21, before, ()), np.random.default_rng(0)).significance
    assert tuned.undefined["pbo"] == "needs 8 trials on these bars: 21 counted, of which 1 have results on these days"


def test_the_same_seed_gives_the_same_judgement() -> None:
    one, two = (judge(an_account(1), an_account(2), FIRST, np.random.default_rng(5)) for _ in range(2))
    assert (one.significance, one.verdict, one.intervals) == (two.significance, two.verdict, two.intervals)
    assert one.excess_returns == pytest.approx(an_account(1).returns - an_account(2).returns)


def test_accounts_of_other_days_are_not_compared() -> None:
    with pytest.raises(DataError, match="300 trading days"):
        judge(an_account(1), an_account(2, n_days=299), FIRST, np.random.default_rng(0))

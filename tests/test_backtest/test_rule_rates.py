import math
import time
from statistics import NormalDist

import numpy as np
import pytest

from agv2.backtest.rule_rates import Rate, RuleRates, measure_rule_rates

Z = NormalDist().inv_cdf(0.95)


def rates(
    n_days: int = 500,
    benchmarks: tuple[float, float] = (0.0, 0.0),
    hold: tuple[float, float] = (0.0, 0.0),
    seed: int = 1,
) -> RuleRates:
    return measure_rule_rates(n_days, 252.0, Z, benchmarks, hold[0], hold[1], np.random.default_rng(seed))


def test_wilson_interval_by_hand() -> None:
    # 10 of 100: Wilson (1927) gives 0.0552 to 0.1744
    assert Rate.of(10, 100) == pytest.approx((0.1, 0.0552, 0.1744, 100), abs=1e-4)
    assert Rate.of(0, 100).low == 0.0
    assert 0.03 < Rate.of(0, 100).high < 0.04
    assert Rate.of(100, 100).high == 1.0


def test_without_buy_and_hold_the_false_alarm_rate_is_the_level() -> None:
    found = rates().false_alarm
    assert found.low <= 0.05 <= found.high
    assert found.n_samples == 2000


def test_asking_both_questions_raises_fewer_false_alarms_and_costs_power() -> None:
    one, both = rates(), rates(hold=(1.0, 0.3))
    assert both.false_alarm.high < one.false_alarm.rate
    assert both.power[0].rate < one.power[0].rate


def test_power_is_that_of_theory_and_grows_with_the_edge_and_the_days() -> None:
    weak, strong = rates(n_days=1000).power
    expected = 1 - NormalDist().cdf(Z - math.sqrt(1000 / 252))
    assert weak.rate == pytest.approx(expected, abs=0.05)
    assert rates(n_days=250).power[0].rate < weak.rate < strong.rate


def test_a_higher_bar_lowers_every_rate() -> None:
    low, high = rates(), rates(benchmarks=(0.05, 0.05))
    assert high.false_alarm.rate < low.false_alarm.rate
    assert high.power[0].rate < low.power[0].rate


def test_an_account_that_is_buy_and_hold_raises_no_alarm() -> None:
    assert rates(hold=(1.0, 1.0)).false_alarm.rate == 0.0


def test_same_seed_same_rates() -> None:
    assert rates(seed=4) == rates(seed=4)


def test_long_runs_take_fewer_samples_and_little_time() -> None:
    start = time.perf_counter()
    assert rates(n_days=10_000).false_alarm.n_samples == 300
    assert time.perf_counter() - start < 5.0

"""Our measures against quantstats, where both mean the same; where not, the difference is pinned down here."""

import math
from typing import Any

import numpy as np
import pytest

from agv2.backtest.metrics import (
    EquityCurve,
    conditional_value_at_risk,
    daily_returns,
    max_drawdown,
    performance,
    sharpe_ratio,
    sortino_ratio,
)
from agv2.core.arrays import FloatArray

PERIODS = 260


@pytest.fixture(scope="module")
def stats() -> Any:
    return pytest.importorskip("quantstats.stats", reason="needs peers: python bootstrap.py test --with peers")


def same(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


def returns_of(seed: int, n_days: int = 700) -> FloatArray:
    found: FloatArray = 0.01 * np.random.default_rng(seed).standard_t(4, n_days) + 0.0004
    return found


def as_series(returns: FloatArray) -> Any:
    pandas = pytest.importorskip("pandas", reason="needs peers: python bootstrap.py test --with peers")
    return pandas.Series(returns, index=pandas.date_range("2020-01-01", periods=returns.size))


@pytest.mark.parametrize("seed", range(5))
def test_ratios_drawdown_and_growth_are_the_same(stats: Any, seed: int) -> None:
    returns = returns_of(seed)
    series = as_series(returns)
    equity = np.concatenate([[1.0], np.cumprod(1.0 + returns)]) * 1e5
    assert sharpe_ratio(returns, PERIODS) == same(stats.sharpe(series, periods=PERIODS))
    assert sortino_ratio(returns, PERIODS) == same(stats.sortino(series, periods=PERIODS))
    assert max_drawdown(equity) == same(-stats.max_drawdown(series))

    days = np.concatenate([[0], np.arange(returns.size)])
    curve = EquityCurve(np.arange(days.size) * 86_400_000_000_000, days, equity, np.zeros(days.size))
    none = np.array([], dtype=np.int64)
    found = performance(curve, (), none, none.astype(np.float64), float(PERIODS))
    np.testing.assert_allclose(daily_returns(curve), returns, rtol=1e-9, atol=1e-12)
    assert found.calmar == same(stats.calmar(series, periods=PERIODS))
    assert found.net_return == same(stats.comp(series))


def test_the_tail_is_the_same_where_it_is_a_whole_number_of_days(stats: Any) -> None:
    """quantstats averages all days at or below an interpolated quantile; ours takes a share of the next day."""
    returns = returns_of(1, 701)  # 35.05 days in the tail
    theirs = -stats.cvar(as_series(returns), confidence=0.95, method="historical")
    worst = np.sort(returns)
    assert theirs == pytest.approx(-worst[:36].mean(), rel=1e-9)
    expected = -(worst[:35].sum() + 0.05 * worst[35]) / 35.05
    assert conditional_value_at_risk(returns, 0.95) == pytest.approx(expected, rel=1e-9)
    even = returns_of(1, 700)
    assert conditional_value_at_risk(even, 0.95) == pytest.approx(
        -stats.cvar(as_series(even), confidence=0.95, method="historical"), rel=1e-9
    )


def test_what_is_undefined_is_not_infinite_or_zero(stats: Any) -> None:
    """Without a losing day quantstats divides by zero; we say that there is no such ratio."""
    rising = as_series(np.full(50, 0.01) + 0.001 * np.arange(50))
    with np.errstate(divide="ignore"):
        assert not math.isfinite(stats.sortino(rising, periods=PERIODS))
    assert math.isnan(sortino_ratio(rising.to_numpy(), PERIODS))

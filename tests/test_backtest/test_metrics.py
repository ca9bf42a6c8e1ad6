import math

import numpy as np
import pytest

from agv2.backtest.metrics import (
    EquityCurve,
    PerformanceReport,
    conditional_value_at_risk,
    daily_returns,
    max_drawdown,
    performance,
    sharpe_ratio,
    sortino_ratio,
)
from agv2.backtest.trades import Trade
from agv2.core.errors import ShapeError

NAMES = [
    "net_return", "sharpe", "sortino", "calmar", "max_drawdown", "underwater_bars", "hit_rate", "profit_factor",
    "expectancy_r", "turnover_per_day", "trades", "trades_per_day", "exposure", "cvar_95", "cvar_99",
    "break_even_cost_frac",
]  # fmt: skip


def a_curve(equity: list[float], days: list[int] | None = None, gross: list[float] | None = None) -> EquityCurve:
    n = len(equity)
    return EquityCurve(
        np.arange(n, dtype=np.int64),
        np.array(days if days is not None else range(n), dtype=np.int64),
        np.array(equity),
        np.array(gross if gross is not None else [0.0] * n),
    )


def a_trade(net_pnl: float, risk: float = math.nan, notional: float = 200.0, cost: float = 1.0) -> Trade:
    return Trade("GOLD", 0, 1, 1.0, 1, 2, 0, 1, 100.0, 101.0, 100.0, notional, cost, 0.0, net_pnl, risk, "exit")


def measure(
    curve: EquityCurve, *trades: Trade, at: list[int] | None = None, notional: float = 50.0
) -> PerformanceReport:
    stamps = np.array(at or [], dtype=np.int64)
    return performance(curve, trades, stamps, np.full(stamps.size, notional), 252.0)


def test_days_close_with_their_last_bar_and_compound_to_the_net_return() -> None:
    returns = daily_returns(a_curve([100.0, 110.0, 99.0, 99.0, 120.0], days=[5, 5, 6, 6, 9]))
    assert returns == pytest.approx([0.10, -0.10, 120 / 99 - 1])
    assert np.prod(1 + returns) - 1 == pytest.approx(0.2)


def test_after_ruin_the_days_return_nothing() -> None:
    assert daily_returns(a_curve([100.0, 50.0, -20.0, 30.0])) == pytest.approx([0.0, -0.5, -1.0, 0.0])


def test_sharpe_by_hand() -> None:
    # mean 0.01, deviations 0.01, 0, -0.01: standard deviation with n - 1 is 0.01
    assert sharpe_ratio(np.array([0.02, 0.01, 0.0]), 252.0) == pytest.approx(math.sqrt(252.0))


def test_sharpe_of_constant_or_single_returns_is_undefined() -> None:
    assert math.isnan(sharpe_ratio(np.full(50, 0.1), 252.0))
    assert math.isnan(sharpe_ratio(np.zeros(50), 252.0))
    assert math.isnan(sharpe_ratio(np.array([0.1]), 252.0))


def test_sortino_by_hand() -> None:
    # mean 0.01; downside sqrt((0.02² + 0 + 0) / 3)
    returns = np.array([-0.02, 0.02, 0.03])
    assert sortino_ratio(returns, 1.0) == pytest.approx(0.01 / math.sqrt(0.0004 / 3))
    assert math.isnan(sortino_ratio(np.array([0.0, 0.1]), 1.0))


def test_max_drawdown_is_of_the_running_peak() -> None:
    assert max_drawdown(np.array([100.0, 120.0, 90.0, 130.0, 117.0])) == pytest.approx(0.25)
    assert max_drawdown(np.array([1.0, 2.0, 3.0])) == 0.0


def test_cvar_takes_the_next_observation_in_part() -> None:
    returns = np.array([-0.10, -0.06] + [0.01] * 28)  # the worst 5 % are 1.5 observations
    assert conditional_value_at_risk(returns, 0.95) == pytest.approx((0.10 + 0.5 * 0.06) / 1.5)
    assert conditional_value_at_risk(np.r_[-0.2, np.zeros(19)], 0.95) == pytest.approx(0.2)
    assert math.isnan(conditional_value_at_risk(np.zeros(19), 0.95))
    assert conditional_value_at_risk(np.full(40, 0.01), 0.95) == pytest.approx(-0.01)


def test_every_measure_of_an_account_by_hand() -> None:
    curve = a_curve([100.0, 105.0, 100.0, 103.0, 110.0, 104.5], days=[0, 0, 1, 1, 2, 2], gross=[0, 105, 50, 0, 55, 0])
    trades = (a_trade(6.0, risk=3.0), a_trade(-2.0, risk=4.0), a_trade(0.5))
    report = measure(curve, *trades, at=[1, 3, 5])
    returns = np.array([0.05, 103 / 105 - 1, 104.5 / 103 - 1])
    assert report.net_return == pytest.approx(0.045)
    assert report.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(252))
    assert report.max_drawdown == pytest.approx(0.05)
    assert report.calmar == pytest.approx((1.045 ** (252 / 3) - 1) / 0.05)
    assert report.underwater_bars == 2
    assert report.hit_rate == pytest.approx(2 / 3)
    assert report.profit_factor == pytest.approx(6.5 / 2)
    assert report.expectancy_r == pytest.approx((2.0 - 0.5) / 2)
    assert report.turnover_per_day == pytest.approx((50 / 100 + 50 / 100 + 50 / 110) / 3)
    assert (report.trades, report.trades_per_day) == (3, 1.0)
    assert report.exposure == pytest.approx((0 + 1 + 0.5 + 0 + 0.5 + 0) / 6)
    assert report.break_even_cost_frac == pytest.approx((4.5 + 3.0) / 600)
    assert list(report.values()) == NAMES
    assert report.undefined == {
        "cvar_95": "3 trading days, at least 20 needed",
        "cvar_99": "3 trading days, at least 100 needed",
    }


def test_at_the_break_even_cost_the_same_trade_nets_zero() -> None:
    buy, sell, units = 100.0, 103.0, 2.0
    mid_trade = a_trade(units * (sell - buy), notional=units * (buy + sell), cost=0.0)
    cost = measure(a_curve([100.0, 101.0]), mid_trade).break_even_cost_frac
    assert units * (sell * (1 - cost) - buy * (1 + cost)) == pytest.approx(0.0, abs=1e-12)


def test_a_flat_account_says_why_its_ratios_are_undefined() -> None:
    report = measure(a_curve([100.0] * 200))
    values = report.values()
    nulls = {name for name, value in values.items() if value is None}
    assert nulls == set(report.undefined)
    assert nulls == {
        "sharpe", "sortino", "calmar", "hit_rate", "profit_factor", "expectancy_r", "break_even_cost_frac",
    }  # fmt: skip
    assert report.undefined["sharpe"] == "daily returns do not vary"
    assert (values["net_return"], values["max_drawdown"], values["cvar_99"], values["exposure"]) == (0.0, 0.0, 0.0, 0.0)


def test_ruin_keeps_every_measure_defined_or_explained() -> None:
    report = measure(a_curve([100.0, 50.0, -10.0, -10.0], gross=[0, 400, 300, 0]), a_trade(-110.0), at=[1, 3])
    assert report.net_return == pytest.approx(-1.1)
    assert report.max_drawdown == pytest.approx(1.1)  # as the audit computes it: a debt is more than everything
    assert report.calmar == pytest.approx(-1 / 1.1)
    assert report.exposure == pytest.approx((0 + 8) / 2)
    assert report.turnover_per_day == pytest.approx(50 / 100 / 4)
    assert set(report.undefined) == {name for name, value in report.values().items() if value is None}


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ShapeError):
        EquityCurve(np.arange(3), np.arange(3), np.ones(2), np.zeros(3))
    with pytest.raises(ShapeError):
        a_curve([])

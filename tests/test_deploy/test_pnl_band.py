import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError
from agv2.deploy.pnl_band import PnlBand, PnlState

WINDOWS = (1, 5, 20, 60)


def usual_days(n_days: int, seed: int) -> FloatArray:
    found: FloatArray = 0.0005 + 0.01 * np.random.default_rng(seed).standard_normal(n_days)
    return found


@pytest.fixture(scope="module")
def band() -> PnlBand:
    return PnlBand.calibrated(usual_days(500, 0), WINDOWS, 250.0, np.random.default_rng(1))


def lived(band: PnlBand, returns: FloatArray) -> PnlState:
    equity, state = 100.0, band.observe(band.fresh(), 0, 100.0)
    for day, one in enumerate(returns):
        equity *= 1.0 + float(one)
        state = band.observe(band.observe(state, day, equity), day + 1, equity)
    return state


def days_to_alarm(band: PnlBand, returns: FloatArray) -> int | None:
    return next((n for n in range(1, returns.size + 1) if band.finding(lived(band, returns[:n])).halted), None)


def test_a_crash_is_noticed_on_its_day_and_told_in_money(band: PnlBand) -> None:
    found = band.finding(lived(band, np.array([0.001, -0.002, -0.09])))
    assert found.halted
    assert not found.flatten
    assert "-9.00% in 1 trading day is less than the backtest's band" in found.reason
    assert -0.09 < float(found.evidence["low"]) < 0.0 < float(found.evidence["high"]) < 0.09


def test_a_slow_leak_is_noticed_by_a_long_sum(band: PnlBand) -> None:
    returns = usual_days(150, 2) - 0.008
    days = days_to_alarm(band, returns)
    assert days is not None
    assert 5 <= days <= 60
    assert float(band.finding(lived(band, returns[:days])).evidence["window_days"]) > 1.0


def test_results_that_are_too_good_are_outside_as_well(band: PnlBand) -> None:
    found = band.finding(lived(band, np.array([0.09])))
    assert found.halted
    assert "more than the backtest's band" in found.reason


def test_quiet_years_raise_about_the_alarms_that_were_asked_for() -> None:
    alarms = 0
    for seed in range(8):
        tested = usual_days(500, 200 + seed)
        band = PnlBand.calibrated(tested, WINDOWS, 250.0, np.random.default_rng(seed))
        state, equity = band.observe(band.fresh(), 0, 100.0), 100.0
        for day, one in enumerate(usual_days(250, 100 + seed)):
            equity *= 1.0 + float(one)
            state = band.observe(band.observe(state, day, equity), day + 1, equity)
            if band.finding(state).halted:
                alarms, state = alarms + 1, band.forgotten(state)
    assert 2 <= alarms <= 20  # 8 are asked for


def test_a_day_under_way_does_not_count_yet(band: PnlBand) -> None:
    state = band.observe(band.observe(band.fresh(), 5, 100.0), 5, 80.0)
    assert not band.finding(state).halted
    assert band.finding(band.observe(state, 6, 80.0)).halted


def test_after_weeks_without_a_trade_a_usual_day_is_usual(band: PnlBand) -> None:
    assert not band.finding(lived(band, np.concatenate([np.zeros(200), [0.008]]))).halted


def test_a_longer_backtest_knows_its_edge_better() -> None:
    short, long = (
        PnlBand.calibrated(usual_days(n_days, 0), WINDOWS, 250.0, np.random.default_rng(1)) for n_days in (60, 2000)
    )
    assert long.spread[-1] < short.spread[-1]


def test_the_fan_widens_from_the_start(band: PnlBand) -> None:
    assert (band.fan.low <= band.fan.median).all()
    assert (band.fan.median <= band.fan.high).all()
    assert band.fan.high[249] - band.fan.low[249] > 3.0 * (band.fan.high[9] - band.fan.low[9])


@given(st.lists(st.floats(-0.99, 2.0), max_size=80))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_to_the_account_the_guard_answers_with_finite_numbers(
    band: PnlBand, returns: list[float]
) -> None:
    found = band.finding(lived(band, np.array(returns)))
    assert all(math.isfinite(value) for value in found.evidence.values() if not isinstance(value, str))


def test_a_ruined_account_is_outside_of_any_band(band: PnlBand) -> None:
    assert band.finding(lived(band, np.array([-1.0]))).halted


def test_a_state_survives_a_restart(band: PnlBand) -> None:
    state = lived(band, usual_days(80, 3))
    assert PnlState.from_json(json.loads(json.dumps(state.as_json()))) == state
    assert len(state.residuals) == 60


def test_too_short_a_backtest_and_one_that_never_traded_are_refused() -> None:
    with pytest.raises(DataError, match="19 days of backtest are too few"):
        PnlBand.calibrated(usual_days(19, 0), WINDOWS, 250.0, np.random.default_rng(1))
    with pytest.raises(DataError, match="never moved"):
        PnlBand.calibrated(np.zeros(100), WINDOWS, 250.0, np.random.default_rng(1))

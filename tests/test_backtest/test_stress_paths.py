"""Crises written into a market's bars."""

import math
from dataclasses import replace

import numpy as np
import pytest

from agv2.backtest.stress_paths import MarketPace, crisis_bars, crisis_length
from agv2.backtest.stress_shapes import CRISES, Crisis
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.data.synthetic import synthetic_bars

AT = 1000
PACE = MarketPace(24.0, 0.01)
BY_NAME = {crisis.name: crisis for crisis in CRISES}


def hourly(n_bars: int = 4000, timeframe: str = "1h") -> Bars:
    return synthetic_bars("noise", n_bars, 3, timeframe=timeframe)


def written(crisis: Crisis, bars: Bars, *, mirrored: bool = False, seed: int = 1) -> Bars:
    return crisis_bars(bars, AT, crisis, PACE, np.random.default_rng(seed), mirrored=mirrored)


@pytest.mark.parametrize("crisis", CRISES, ids=lambda crisis: crisis.name)
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_bar_is_a_bar_and_the_past_is_untouched(crisis: Crisis, mirrored: bool) -> None:
    bars = hourly()
    found = written(crisis, bars, mirrored=mirrored)
    assert len(found) == AT + crisis_length(crisis, PACE, 60)
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(getattr(found, name)[:AT], getattr(bars, name)[:AT])
    assert np.array_equal(found.ts_ns, bars.ts_ns[: len(found)])
    body = np.stack([found.open, found.close])
    assert (found.low > 0.0).all()
    assert (found.low <= body.min(axis=0)).all()
    assert (found.high >= body.max(axis=0)).all()


@pytest.mark.parametrize("crisis", CRISES, ids=lambda crisis: crisis.name)
def test_it_ends_where_the_shape_ends_whatever_chance_does(crisis: Crisis) -> None:
    bars = hourly()
    for seed, sign in ((1, 1.0), (2, -1.0)):
        found = written(crisis, bars, mirrored=sign < 0.0, seed=seed)
        moved = math.log(found.close[-1] / bars.close[AT - 1])
        assert moved == pytest.approx(sign * crisis.knots[-1][1] * PACE.daily_volatility, abs=1e-9)


def test_a_market_twice_as_wild_falls_twice_as_far() -> None:
    quiet, bars = replace(BY_NAME["2008"], loudness=0.0), hourly()
    rng = np.random.default_rng(1)
    falls = [
        -math.log(crisis_bars(bars, AT, quiet, MarketPace(24.0, daily), rng).low[AT:].min() / bars.close[AT - 1])
        for daily in (0.01, 0.02)
    ]
    lowest = -min(height for _, height in quiet.knots)
    assert falls == pytest.approx([0.01 * lowest, 0.02 * lowest])


def test_the_shape_of_2008_is_the_index_itself_in_a_market_as_volatile_as_the_index() -> None:
    closes = [1251.70 * math.exp(0.012 * height) for _, height in BY_NAME["2008"].knots]
    assert min(closes) == pytest.approx(752.44)
    assert closes[-1] == pytest.approx(896.24)


def test_a_flash_within_an_hour_is_in_the_low_of_the_bar_though_not_in_its_close() -> None:
    flash, bars = replace(BY_NAME["flash crash"], loudness=0.0), hourly()
    found = crisis_bars(bars, AT, flash, PACE, np.random.default_rng(1))
    before = math.log(bars.close[AT - 1])
    assert math.log(found.low[AT]) - before == pytest.approx(-5.0 * 0.01)
    assert math.log(found.close[AT]) - before == pytest.approx(-1.2 * 0.01)
    minutes = hourly(timeframe="1m")
    slow = crisis_bars(minutes, AT, flash, MarketPace(1440.0, 0.01), np.random.default_rng(1))
    fall = np.log(slow.close[AT : AT + 40]) - math.log(minutes.close[AT - 1])
    assert fall.argmin() == 12, "minute by minute the low comes in the thirteenth"
    assert fall[-1] == pytest.approx(-1.2 * 0.01)


def test_bars_around_the_shape_are_as_loud_as_it_says() -> None:
    crisis, bars = BY_NAME["2008"], hourly()
    usual = np.diff(np.log(bars.close[:AT])).std()
    found = np.diff(np.log(written(crisis, bars).close[AT:])).std()
    assert 1.7 * usual < found < 2.6 * usual


def test_known_spreads_widen_and_keep_their_share_of_the_price() -> None:
    bars = hourly()
    bars = replace(bars, spread=0.001 * bars.close)
    found = written(BY_NAME["march 2020"], bars)
    assert found.spread[:AT] == pytest.approx(0.001 * found.close[:AT])
    assert found.spread[AT:] == pytest.approx(0.004 * found.close[AT:])


def test_too_few_bars_are_refused() -> None:
    with pytest.raises(DataError, match="Autumn 2008 takes 1,296 bars from bar 1,000 on; there are 2,000"):
        written(BY_NAME["2008"], hourly(2000))

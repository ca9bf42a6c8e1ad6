"""Simple sides: known when they say, turned as often as they should, traded like a policy's."""

import numpy as np
import pytest

from agv2.backtest.side_baselines import (
    follow_sides,
    forecast_sides,
    momentum_sides,
    shuffled_sides,
    turn_costs,
)
from agv2.core.arrays import FloatArray
from tests.tapes import a_tape, costs


def test_momentum_looks_back_whole_days_once_a_day() -> None:
    """Four bars a day; closes of days 0, 1, 2, 3 are 1, 3, 2, 2."""
    close = np.array([9.0, 9.0, 9.0, 1.0, 9.0, 9.0, 9.0, 3.0, 9.0, 9.0, 9.0, 2.0, 9.0, 9.0, 9.0, 2.0, 9.0])
    day = np.repeat([5, 6, 7, 9, 10], [4, 4, 4, 4, 1])
    found = momentum_sides(close, day, n_days=1)
    assert found.tolist() == [0.0] * 8 + [1.0] * 4 + [-1.0] * 4 + [0.0]
    assert momentum_sides(close, day, n_days=30).tolist() == [0.0] * 17


def test_momentum_knows_nothing_of_its_own_day() -> None:
    rng = np.random.default_rng(0)
    close, day = np.exp(rng.normal(size=400).cumsum() * 0.01), np.arange(400) // 8
    for cut in (200, 203, 207):
        later = close.copy()
        later[cut:] *= np.exp(rng.normal(size=400 - cut))
        np.testing.assert_array_equal(momentum_sides(later, day, 5)[:cut], momentum_sides(close, day, 5)[:cut])


def test_a_forecast_is_followed_where_it_pays_and_left_where_it_turns() -> None:
    move = np.array([0.0, 0.5, 1.5, 0.2, -0.1, -0.9, -1.2, np.nan, -0.3, 0.4, 2.0])
    found = forecast_sides(move, np.ones(11))
    assert found.tolist() == [0, 0, 1, 1, 0, 0, -1, -1, -1, 0, 1]


def test_shuffled_sides_turn_as_often_and_earn_what_chance_does() -> None:
    rng = np.random.default_rng(3)
    gains = rng.normal(size=4_000)
    blocks: FloatArray = np.repeat(rng.choice((0.0, 1.0, -1.0), size=400), 10)
    clever = np.abs(blocks) * np.repeat(np.sign(gains.reshape(400, 10).sum(axis=1)), 10)
    found = shuffled_sides(clever, gains, np.full(4_000, 0.05), np.random.default_rng(1))
    assert np.abs(found).sum() == np.abs(clever).sum()
    assert np.abs(np.diff(found)).sum() == pytest.approx(np.abs(np.diff(clever)).sum(), rel=0.3)
    spread = np.sqrt(np.abs(clever).sum())
    assert abs((found * gains).sum()) < spread
    assert (clever * gains).sum() > 10 * spread
    again = shuffled_sides(clever, gains, np.full(4_000, 0.05), np.random.default_rng(1))
    np.testing.assert_array_equal(found, again)
    assert not shuffled_sides(np.zeros(50), gains[:50], np.ones(50), rng).any()


def test_sides_are_traded_like_a_policy_s() -> None:
    tape = a_tape()
    sides = np.zeros(tape.bars.size)
    sides[3:7], sides[7:9] = 1.0, -1.0
    done = follow_sides([tape], [sides], [1e5])
    units = np.array([row.units for row in done.equity])
    assert np.sign(units[:10]).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, -1, -1]
    expected = 1e5 * tape.params.target_volatility / tape.volatility[3] / tape.bars["close"][3]
    assert units[4] == pytest.approx(expected, rel=1e-3)
    fills = [fill for _, fill in done.fills]
    assert [fill.ts_ns for fill in fills[:2]] == tape.bars["ts_ns"][[4, 8]].tolist()


def test_costs_of_a_turn_are_those_that_fills_pay() -> None:
    tape = a_tape(costs=costs(half_spread_frac=1e-4, slippage_frac=2e-5, commission_frac=3e-5))
    np.testing.assert_allclose(turn_costs(tape), 1.5e-4, rtol=1e-9)

from dataclasses import replace

import numpy as np
import pytest

from agv2.backtest.held_returns import held_returns
from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array
from agv2.decision.decider import PolicyOutput
from tests.factories import bars_of
from tests.tapes import a_tape, costs, limits


class Sides:
    """Flat 0, long 1, short 2, one a bar; full size, widest stop and target."""

    def __init__(self, *positions: int) -> None:
        self._left = list(positions)

    def act(self, observations: Float32Array) -> PolicyOutput:
        return PolicyOutput(np.array([[self._left.pop(0), 3, 3, 3]]), np.zeros(1), np.zeros(1))


def traded(close: list[float], *positions: int, **paid: float) -> tuple[ReplayResult, MarketTape]:
    tape = a_tape(bars_of(close), sigma=0.02, params=limits(target_volatility=0.01), costs=costs(**paid))
    return replay([tape], Sides(*positions), [100_000.0]), tape


def test_by_hand() -> None:
    """Decided at the close of bar 0, bought at the open of bar 1 = 100; left at the open of bar 3 = 103."""
    result, tape = traded([100.0, 101.0, 103.0, 102.0, 102.0], 1, 1, 0, 0)
    (earned,) = held_returns(result, [tape]).T
    wilder = replace(tape, volatility=np.array([0.02, 0.04, 0.08, 0.16, 0.32]))
    known_before = held_returns(result, [wilder])[[1, 2], 0]
    assert known_before == pytest.approx([0.01 / 0.02, 2.0 / 101.0 / 0.04])
    assert earned[[1, 2, 3]] == pytest.approx([0.01 / 0.02, 2.0 / 101.0 / 0.02, 0.0])
    assert np.isnan(earned[[0, 4]]).all()


def test_a_short_earns_what_falls_and_costs_are_paid_by_the_position_that_they_end() -> None:
    result, tape = traded([100.0, 99.0, 99.0, 99.0], 2, 0, 0, half_spread_frac=0.001)
    (earned,) = held_returns(result, [tape]).T
    notional = 100.0 * 0.999  # paid for at the open of bar 1
    assert earned[1] == pytest.approx((0.01 * 100.0 - 0.1) / notional / 0.02)
    assert earned[2] == pytest.approx(-0.001 / 0.02)


def test_a_position_that_opens_and_stops_within_a_bar_is_not_forgotten() -> None:
    """The stop of 10 volatilities is 80; the bar falls through it to 70."""
    result, tape = traded([100.0, 70.0, 70.0], 1, 0)
    (earned,) = held_returns(result, [tape]).T
    assert earned[1] == pytest.approx(-0.2 / 0.02)
    assert np.isnan(earned[2])


def test_markets_meet_on_the_merged_clock() -> None:
    result, tape = traded([100.0, 101.0, 103.0, 102.0], 1, 1, 1)
    other = MarketTape("OTHER", tape.bars[1:], tape.volatility[1:], tape.levels[1:], tape.market_rows[1:],
                       tape.market, tape.params, tape.costs)  # fmt: skip
    quiet = replay([other], Sides(0, 0), [100_000.0])
    both = ReplayResult(result.fills, [*result.equity, *quiet.equity], [])
    returns = held_returns(both, [tape, other])
    assert returns.shape == (4, 2)
    assert np.isfinite(returns[1:, 0]).all()
    assert np.isnan(returns[:, 1]).all()

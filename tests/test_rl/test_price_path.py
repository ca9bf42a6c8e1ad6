import numpy as np
import pytest

from agv2.backtest.simulator import BatchSimulator
from agv2.rl.price_path import price_path
from tests.tapes import a_tape, costs, limits, walk

PAID = costs(
    half_spread_frac=0.0004, slippage_frac=0.0001, commission_frac=0.0002, commission_per_lot=0.01,
    financing_long_frac_per_night=0.0003, financing_short_frac_per_night=-0.0001,
)  # fmt: skip


@pytest.mark.parametrize("side", [1, 2])
@pytest.mark.parametrize("max_exposure", [4.0, 0.5])
def test_a_bar_pays_what_the_simulator_pays(side: int, max_exposure: float) -> None:
    """A position opened at a bar's open: body less turning; and the gap and the nights of the bar after."""
    params = limits(max_exposure=max_exposure)
    tape = a_tape(walk(200, gap=0.002), params=params, costs=PAID)
    path = price_path(tape)
    sign = 1.0 if side == 1 else -1.0
    checked = 0
    for first in range(60, 180):
        simulator = BatchSimulator([tape], 1, 1e5)
        one = np.array([0])
        simulator.reset(one, one, np.array([first]), np.array([first + 5]))
        ledger = simulator.step(np.array([[side, 3, 3, 3]])).copy()
        if ledger["fills"][0] != 1:  # its stop was touched
            continue
        grown = ledger["equity_after"][0] / ledger["equity_before"][0] - 1.0
        expected = (sign * path[first, 1] - path[first, 2]) * params.target_volatility
        assert grown == pytest.approx(expected, rel=2e-3, abs=2e-7)
        ledger = simulator.step(np.array([[0, 0, 0, 0]]))
        if ledger["fills"][0] != 1:
            continue
        size = abs(simulator.fills["units"][0, 0]) * tape.bars["close"][first + 1] / ledger["equity_before"][0]
        full = min(params.target_volatility / tape.volatility[first + 1], max_exposure) / params.target_volatility
        nights = path[first + 1, 3 if side == 1 else 4]
        expected = (sign * path[first + 1, 0] - path[first + 1, 2] - nights) / full * size
        assert ledger["equity_after"][0] / ledger["equity_before"][0] - 1.0 == pytest.approx(
            expected, rel=2e-3, abs=2e-6
        )
        checked += 1
    assert checked > 50


def test_nothing_is_known_of_the_bar_after_the_last_or_without_volatility() -> None:
    tape = a_tape(walk(50))
    tape.volatility[:10] = np.nan
    path = price_path(tape)
    assert not path[:10].any()
    assert not path[-1].any()
    assert path[10:-1, 1].all()

"""Trading the sign of the last return of a random walk earns nothing; a look into the bar it fills in would."""

import math

import numpy as np

from agv2.backtest.records import read_bar
from agv2.core.account import Account, equity, open_account
from agv2.core.arrays import FloatArray
from agv2.core.orders import Order
from agv2.sim.costs import Costs
from agv2.sim.kernel import advance
from tests.tapes import ANY_LOT, NEW_YORK, costs, walk

N_BARS = 20_000
BARS = walk(N_BARS, seed=11, gap=0.002)
RECORDS = BARS.records(NEW_YORK)
MOVES: FloatArray = np.diff(np.log(BARS.close), prepend=np.log(BARS.close[0]))


def gains(signs: FloatArray, paid: Costs) -> tuple[FloatArray, float]:
    """Per-bar gain of one unit held on the side of `signs`, decided at each close, and the spread paid."""
    book: Account = open_account(1e6, float(RECORDS["close"][0]))
    value, seen, spread = equity(book), np.empty(N_BARS - 1), 0.0
    for i in range(1, N_BARS):
        order = Order(i, float(signs[i - 1]) - book.units, 0.0, 0.0, 1, 0)
        step = advance(book, order, read_bar(RECORDS, i), paid, ANY_LOT)
        book, before, value = step.account, value, equity(step.account)
        seen[i - 1] = value - before
        spread += step.market_fill.side * (step.market_fill.price - step.market_fill.mid) * step.market_fill.units
    return seen, spread


def t_statistic(gain: FloatArray) -> float:
    return float(gain.mean() / gain.std(ddof=1) * math.sqrt(gain.size))


def test_without_costs_it_earns_nothing_beyond_its_standard_error() -> None:
    gain, spread = gains(np.sign(MOVES), costs())
    assert spread == 0.0
    assert abs(t_statistic(gain)) < 3.0


def test_with_costs_it_loses_them() -> None:
    free, _ = gains(np.sign(MOVES), costs())
    paid, spread = gains(np.sign(MOVES), costs(half_spread_frac=5e-4))
    assert spread > 0.0
    assert math.isclose(free.sum() - paid.sum(), spread, rel_tol=1e-9)
    assert t_statistic(paid) < -5.0


def test_the_same_rule_with_tomorrows_sign_would_be_noticed() -> None:
    tomorrow = np.sign(np.append(MOVES[1:], 0.0))
    assert t_statistic(gains(tomorrow, costs())[0]) > 30.0

"""A long book and its mirror image: what one gains the other loses, and both pay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.backtest.records import read_bar
from agv2.core.account import equity, open_account
from agv2.core.arrays import FloatArray
from agv2.core.orders import Order
from agv2.sim.costs import Costs
from agv2.sim.kernel import advance
from tests.tapes import ANY_LOT, NEW_YORK, costs, walk

N_BARS = 60
PAID = costs(
    half_spread_frac=2e-4,
    slippage_frac=1e-4,
    commission_per_lot=0.02,
    financing_long_frac_per_night=1e-4,
    financing_short_frac_per_night=1e-4,
)


def outcome(changes: FloatArray, seed: int, paid: Costs) -> tuple[float, float]:
    """Gain of a book that is ordered `changes` units every fourth bar, and all it paid for fills and nights."""
    bars = walk(N_BARS, seed=seed, gap=0.002).records(NEW_YORK)
    book, total_paid = open_account(1e6, float(bars["close"][0])), 0.0
    for i in range(1, N_BARS):
        order = Order(i if i % 4 == 0 else 0, float(changes[i]), 0.0, 0.0, 1, 0)
        step = advance(book, order, read_bar(bars, i), paid, ANY_LOT)
        fill, book = step.market_fill, step.account
        total_paid += step.financing + fill.side * (fill.price - fill.mid) * fill.units + fill.commission
    return equity(book) - 1e6, total_paid


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 2]), st.sampled_from([0.0, 0.3]))
def test_mirrored_books_sum_to_minus_twice_the_costs(seed: int, latency: int, cap: float) -> None:
    changes = np.random.default_rng(seed).integers(-3, 4, N_BARS).astype(np.float64)
    paid = PAID._replace(latency_bars=latency, participation_cap=cap)
    gain, cost = outcome(changes, seed, paid)
    mirrored_gain, mirrored_cost = outcome(-changes, seed, paid)
    assert cost > 0.0
    assert mirrored_cost == pytest.approx(cost, rel=1e-12)
    assert gain + mirrored_gain == pytest.approx(-2.0 * cost, abs=1e-6)


def test_without_costs_the_two_sum_to_nothing() -> None:
    changes = np.random.default_rng(1).integers(-3, 4, N_BARS).astype(np.float64)
    gain, cost = outcome(changes, 1, costs())
    assert cost == 0.0
    assert abs(gain) > 1.0
    assert gain + outcome(-changes, 1, costs())[0] == pytest.approx(0.0, abs=1e-6)

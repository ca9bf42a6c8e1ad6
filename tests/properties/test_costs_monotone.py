"""The same orders never end better because something became dearer."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.backtest.records import read_bar
from agv2.core.account import equity, open_account
from agv2.core.arrays import FloatArray
from agv2.core.orders import Order
from agv2.sim.costs import Costs
from agv2.sim.kernel import advance
from tests.tapes import ANY_LOT, NEW_YORK, costs, walk

N_BARS = 80
COSTS = (
    "half_spread_frac",
    "slippage_frac",
    "commission_frac",
    "commission_per_lot",
    "financing_long_frac_per_night",
    "financing_short_frac_per_night",
)


def equities(seed: int, paid: Costs) -> FloatArray:
    """Equity bar by bar of random orders in units, with stops on the losing side and no targets."""
    rng = np.random.default_rng(seed)
    bars = walk(N_BARS, seed=seed, gap=0.004).records(NEW_YORK)
    book, seen = open_account(1e6, float(bars["close"][0])), []
    for i in range(1, N_BARS):
        change = float(rng.integers(-3, 4)) * 100.0 * float(rng.random() < 0.4)
        stop = float(bars["close"][i - 1]) * (1.0 - np.sign(change) * rng.uniform(0.001, 0.02))
        order = Order(i if change else 0, change, stop, 0.0, 1, 0)
        book = advance(book, order, read_bar(bars, i), paid, ANY_LOT).account
        seen.append(equity(book))
    return np.array(seen)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 100_000),
    st.sampled_from(COSTS),
    st.floats(0.0, 0.002),
    st.floats(1e-5, 0.01),
    st.sampled_from([0, 1]),
    st.sampled_from([0.0, 0.2]),
)
def test_raising_a_cost_never_raises_equity(
    seed: int, name: str, before: float, rise: float, latency: int, cap: float
) -> None:
    usual = {"half_spread_frac": 1e-4, "slippage_frac": 1e-4, "latency_bars": latency, "participation_cap": cap}
    cheap, dear = (equities(seed, costs(**(usual | {name: each}))) for each in (before, before + rise))
    assert (dear <= cheap + 1e-6).all()


def test_raising_a_cost_does_lower_equity() -> None:
    for name in COSTS:
        falls = [equities(seed, costs())[-1] - equities(seed, costs(**{name: 0.001}))[-1] for seed in range(8)]
        assert max(falls) > 1e-3, name

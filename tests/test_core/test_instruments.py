"""Price and lot grids."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agv2.core.instruments import Market, round_lots, round_price

GOLD = Market(
    contract_size=100.0, lot_step=0.01, min_lot=0.01, max_lot=50.0, tick_size=0.01, leverage=20.0, stop_out_frac=0.5
)  # fmt: skip


@pytest.mark.parametrize(
    ("units", "rounded"),
    [
        (0.0, 0.0),
        (0.99, 0.0),
        (1.0, 1.0),
        (1.999, 1.0),
        (-1.999, -1.0),
        (3.0, 3.0),
        (9_999.0, 5_000.0),
        (-9_999.0, -5_000.0),
    ],
)
def test_lots_round_towards_zero_between_the_smallest_and_the_largest(units: float, rounded: float) -> None:
    assert round_lots(units, GOLD) == pytest.approx(rounded)


def test_a_quantity_on_the_grid_stays_where_float_division_would_lose_a_step() -> None:
    market = GOLD._replace(contract_size=1.0, lot_step=0.1, min_lot=0.1)
    assert 0.3 / 0.1 < 3.0
    assert round_lots(0.3, market) == pytest.approx(0.3)


@given(st.floats(-1e6, 1e6))
def test_rounding_lots_never_adds_and_lands_on_the_grid(units: float) -> None:
    rounded = float(round_lots(units, GOLD))
    assert abs(rounded) <= abs(units) * (1 + 1e-9) + 1e-9
    steps = rounded / (GOLD.contract_size * GOLD.lot_step)
    assert math.isclose(steps, round(steps), abs_tol=1e-6)
    assert rounded == 0.0 or (rounded > 0) == (units > 0)


@given(st.floats(0.5, 1e5))
def test_a_rounded_price_is_the_nearest_on_the_grid(price: float) -> None:
    assert abs(round_price(price, 0.25) - price) <= 0.125 + 1e-9
    assert round_price(price, 0.0) == price

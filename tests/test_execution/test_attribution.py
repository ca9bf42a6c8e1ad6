import math

import pytest

from agv2.core.orders import FillReason
from agv2.execution.attribution import OnlineAttribution
from agv2.execution.broker_messages import BrokerFill
from tests.factories import a_bar
from tests.tapes import costs

COSTS = costs(half_spread_frac=0.001, slippage_frac=0.001, commission_frac=0.0005)


def a_fill(side: int, units: float, price: float, *, mid: float | None = None, reason: FillReason = FillReason.NONE,
           commission: float | None = None) -> BrokerFill:  # fmt: skip
    return BrokerFill("F1", "TEST", side, units, price, 0, None, None, None, commission, mid, reason.value, 0)


def test_a_held_position_is_market_and_nothing_else() -> None:
    count = OnlineAttribution(COSTS, 1000.0, 100.0)
    for close in (101.0, 99.0, 104.0):
        count.observe(a_bar(close=close), 10.0, 0.0, 0.0, (), 1000.0 + 10.0 * (close - 100.0))
    found = count.so_far
    assert (found.market, found.timing, found.costs, found.beyond_model) == (40.0, 0.0, 0.0, 0.0)
    assert found.other == pytest.approx(0.0)
    assert found.total == pytest.approx(40.0)


def test_being_in_only_while_it_rises_is_timing() -> None:
    count = OnlineAttribution(COSTS, 1000.0, 100.0)
    count.observe(a_bar(close=110.0), 10.0, 0.0, 0.0, (), 1100.0)
    count.observe(a_bar(close=100.0), 0.0, 0.0, 0.0, (), 1100.0)
    assert count.so_far.market == 0.0
    assert count.so_far.timing == 100.0


def test_fills_at_the_models_price_cost_what_the_model_says() -> None:
    count = OnlineAttribution(COSTS, 1000.0, 100.0)
    price, fee = 100.0 * 1.002, 10.0 * 100.2 * 0.0005
    value = 1000.0 + 10.0 * (103.0 - price) - fee
    count.observe(a_bar(open=100.0, close=103.0), 0.0, 0.0, 0.0, [a_fill(1, 10.0, price, commission=fee)], value)
    found = count.so_far
    assert found.costs == pytest.approx(-2.0 - fee)
    assert found.beyond_model == pytest.approx(0.0)
    assert found.timing == pytest.approx(30.0)
    assert found.other == pytest.approx(0.0)


def test_a_worse_fill_than_the_models_is_told_apart() -> None:
    count = OnlineAttribution(COSTS, 1000.0, 100.0)
    sold = a_fill(-1, 10.0, 99.0)
    count.observe(a_bar(open=100.0, close=100.0), 0.0, 0.0, 0.0, [sold], 1000.0 - 10.0)
    found = count.so_far
    assert found.beyond_model == pytest.approx(10.0 * (99.0 - 99.8))
    assert found.costs == pytest.approx(-10.0 * 0.2 - 10.0 * 99.8 * 0.0005)
    assert found.total == pytest.approx(-10.0)


@pytest.mark.parametrize(
    ("reason", "level", "opened", "mid"),
    [
        (FillReason.STOP_LOSS, 95.0, 100.0, 95.0),
        (FillReason.STOP_LOSS, 95.0, 90.0, 90.0),  # gapped through
        (FillReason.TAKE_PROFIT, 108.0, 100.0, 108.0 / 0.999),
    ],
)
def test_a_fill_of_the_bracket_is_held_against_its_level(
    reason: FillReason, level: float, opened: float, mid: float
) -> None:
    count = OnlineAttribution(COSTS, 1000.0, 100.0)
    price = mid * 0.998 if reason is FillReason.STOP_LOSS else level
    stop, target = (level, 0.0) if reason is FillReason.STOP_LOSS else (0.0, level)
    fill = a_fill(-1, 10.0, price, reason=reason, commission=10.0 * price * 0.0005)
    count.observe(a_bar(open=opened, close=opened), 10.0, stop, target, [fill], 0.0)
    assert count.so_far.beyond_model == pytest.approx(0.0, abs=1e-9)


def test_nights_are_the_rest() -> None:
    count = OnlineAttribution(COSTS, 1000.0, 100.0)
    count.observe(a_bar(close=100.0, nights=1.0), 10.0, 0.0, 0.0, (), 997.5)
    assert count.so_far.other == -2.5
    assert math.isclose(count.so_far.total, -2.5)

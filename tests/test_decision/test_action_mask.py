import itertools
import math
from typing import Any

import numpy as np
import pytest

from agv2.core.account import Account, open_account
from agv2.core.instruments import Market
from agv2.core.orders import FillReason, Order
from agv2.decision.action_mask import PERMISSION_FIELDS, is_permitted
from agv2.decision.actions import ACTION_NVEC, decode_action
from agv2.decision.observation import BOOK_FIELDS, write_observation
from agv2.decision.planner import plan_order
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels
from agv2.risk.limits import RiskState, fresh_risk_state
from agv2.risk.position_sizer import AccountView
from tests.factories import a_bar
from tests.tapes import ANY_LOT, limits

CASH, BAR, VOLATILITY = 100_000.0, a_bar(close=100.0), 0.005
CALM = fresh_risk_state(CASH, 0)
ALONE = AccountView(CASH, 0.0, 0)
NO_LEVELS = NearLevels(math.nan, math.nan)
NOWHERE = ANY_LOT._replace(min_lot=1e6)
FLAT, LONG, SHORT = range(3)


def flat(**changes: Any) -> Account:
    return open_account(CASH, 100.0)._replace(**changes)


def holding(units: float, **changes: Any) -> Account:
    book = open_account(CASH - units * 100.0, 100.0)._replace(
        units=units, entry_price=100.0, stop_loss=99.0 if units > 0 else 101.0, take_profit=103.0, bars_held=5
    )
    return book._replace(**changes)


def expecting(units: float) -> Account:
    return flat(pending=Order(4, units, 99.0, 103.0, FillReason.ENTRY.value, 1), wait_bars=1)


Situation = tuple[Account, RiskState, AccountView, RiskParams, Market]


def a_situation(
    book: Account,
    risk: RiskState = CALM,
    view: AccountView = ALONE,
    params: RiskParams | None = None,
    market: Market = ANY_LOT,
) -> Situation:
    return book, risk, view, params or limits(), market


DAY_LOST = CALM._replace(daily_loss_hit=True)
BROKEN = CALM._replace(breaker_until_day=9)
CROWDED = AccountView(CASH, 0.0, 10)
SITUATIONS: dict[str, tuple[Situation, set[int], int]] = {
    # what may be had, and how many actions differ in what they do
    "flat": (a_situation(flat()), {FLAT, LONG, SHORT}, 1 + 2 * 4 * 4 * 4),
    "long": (a_situation(holding(50.0)), {FLAT, LONG, SHORT}, 2 + 4 * 4 * 4),
    "short": (a_situation(holding(-50.0)), {FLAT, LONG, SHORT}, 2 + 4 * 4 * 4),
    "entry pending": (a_situation(expecting(600.0)), {FLAT, LONG, SHORT}, 2 + 4 * 4 * 4),
    "daily loss": (a_situation(flat(), DAY_LOST), {FLAT}, 1),
    "daily loss while long": (a_situation(holding(50.0), DAY_LOST), {FLAT}, 1),
    "breaker while short": (a_situation(holding(-50.0), BROKEN), {FLAT}, 1),
    "breaker with an entry pending": (a_situation(expecting(600.0), BROKEN), {FLAT}, 1),
    "ruined": (a_situation(holding(50.0, cash=-6_000.0)), {FLAT}, 1),
    "minimum hold": (a_situation(holding(50.0), params=limits(min_hold_bars=6)), {LONG}, 1),
    "minimum hold, short": (a_situation(holding(-50.0), params=limits(min_hold_bars=6)), {SHORT}, 1),
    "minimum hold over": (a_situation(holding(50.0), params=limits(min_hold_bars=5)), {FLAT, LONG, SHORT}, 66),
    "cool-down": (a_situation(flat(bars_flat=2), params=limits(cooldown_bars=2)), {FLAT}, 1),
    "cool-down over": (a_situation(flat(bars_flat=3), params=limits(cooldown_bars=2)), {FLAT, LONG, SHORT}, 129),
    "cool-down forbids turning": (a_situation(holding(50.0), params=limits(cooldown_bars=2)), {FLAT, LONG}, 2),
    "too many positions": (a_situation(flat(), view=CROWDED), {FLAT}, 1),
    "too many others": (a_situation(holding(50.0), view=CROWDED), {FLAT, LONG, SHORT}, 66),
    "too small for a lot": (a_situation(flat(), market=NOWHERE), {FLAT}, 1),
    "too small to turn": (a_situation(holding(50.0), market=NOWHERE), {FLAT, LONG}, 2),
    # 600 units at full size, lots of 200: a quarter of it buys nothing, which leaves three sizes a side
    "small sizes buy nothing": (
        a_situation(flat(), market=ANY_LOT._replace(lot_step=200.0, min_lot=200.0)),
        {FLAT, LONG, SHORT},
        1 + 2 * 3 * 4 * 4,
    ),
}


def mask(situation: Situation) -> list[bool]:
    book, risk, view, params, market = situation
    return [is_permitted(position, book, risk, view, BAR, VOLATILITY, params, market) for position in range(3)]


def outcomes(situation: Situation, positions: set[int]) -> set[tuple[float, ...]]:
    """What actions do: the units that an order adds, what it withdraws, and the bracket that is then in force."""
    book, risk, view, params, market = situation
    found: set[tuple[float, ...]] = set()
    for position, *rest in itertools.product(*map(range, ACTION_NVEC)):
        if position in positions:
            action = decode_action(position, *rest)
            plan = plan_order(book, risk, view, action, BAR, VOLATILITY, NO_LEVELS, params, market, 9)
            found.add((plan.order.order_id, plan.order.units, plan.side, plan.stop_loss, plan.take_profit))
    return found


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_permitted_and_how_many_actions_that_leaves(name: str) -> None:
    situation, positions, count = SITUATIONS[name]
    assert {position for position, permitted in enumerate(mask(situation)) if permitted} == positions
    assert len(outcomes(situation, positions)) == count
    assert outcomes(situation, positions) == outcomes(situation, {FLAT, LONG, SHORT}), "no possibility is lost"


def test_something_is_always_permitted_and_nothing_is_lost() -> None:
    rng = np.random.default_rng(0)
    masks = set()
    for _ in range(300):
        units = float(rng.choice([0.0, 50.0, -50.0]))
        book = holding(units, bars_held=int(rng.integers(1, 8))) if units else flat(bars_flat=int(rng.integers(1, 8)))
        if rng.random() < 0.3:
            ordered = float(rng.choice([600.0, -600.0, -units if units else 600.0]))
            book = book._replace(pending=Order(4, ordered, 99.0, 103.0, FillReason.ENTRY.value, 1), wait_bars=1)
        risk = CALM._replace(daily_loss_hit=bool(rng.random() < 0.2), breaker_until_day=int(rng.choice([0, 0, 0, 3])))
        params = limits(min_hold_bars=int(rng.integers(0, 8)), cooldown_bars=int(rng.integers(0, 8)), max_positions=2)
        view = AccountView(CASH, float(rng.choice([0.0, 4e5])), int(rng.integers(0, 4)))
        situation = a_situation(book, risk, view, params, NOWHERE if rng.random() < 0.2 else ANY_LOT)
        permitted = mask(situation)
        masks.add(tuple(permitted))
        assert any(permitted)
        positions = {position for position, each in enumerate(permitted) if each}
        assert outcomes(situation, positions) == outcomes(situation, {FLAT, LONG, SHORT})
    assert len(masks) >= 5


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_observation_ends_with_the_permissions(name: str) -> None:
    situation = SITUATIONS[name][0]
    book, risk, view, params, market = situation
    row = np.full(4 + len(BOOK_FIELDS), np.nan, dtype=np.float32)
    write_observation(row, np.zeros(4, dtype=np.float32), book, risk, view, BAR, VOLATILITY, params, market)
    assert BOOK_FIELDS[-3:] == PERMISSION_FIELDS
    assert row[-3:].tolist() == mask(situation)
    assert np.isfinite(row).all()

import math
from typing import Any

import pytest

from agv2.core.account import Account, open_account
from agv2.core.orders import NO_ORDER, FillReason, Order
from agv2.decision.actions import Action
from agv2.decision.planner import Plan, PlanReason, plan_order
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels
from agv2.risk.limits import RiskState, fresh_risk_state
from agv2.risk.position_sizer import AccountView
from tests.factories import a_bar
from tests.tapes import ANY_LOT, limits

CASH = 100_000.0
BAR = a_bar(close=100.0)
NO_LEVELS = NearLevels(math.nan, math.nan)
FULL = 600.0  # 100,000 x 0.003 / 0.005 / 100
LONG, FLAT, SHORT = (Action(side, 1.0, 2.0, 4.0) for side in (1, 0, -1))


def planned(
    action: Action,
    book: Account | None = None,
    *,
    risk: RiskState | None = None,
    params: RiskParams | None = None,
    view: AccountView | None = None,
    levels: NearLevels = NO_LEVELS,
    **market: Any,
) -> Plan:
    book = open_account(CASH, 100.0) if book is None else book
    return plan_order(
        book, risk or fresh_risk_state(CASH, 0), view or AccountView(CASH, 0.0, 0), action, BAR, 0.005,
        levels, params or limits(), ANY_LOT._replace(**market), 9,
    )  # fmt: skip


def holding(units: float, **changes: Any) -> Account:
    book = open_account(CASH - units * 100.0, 100.0)._replace(
        units=units, entry_price=100.0, stop_loss=99.0 if units > 0 else 101.0, take_profit=103.0, bars_held=5
    )
    return book._replace(**changes)


def pending(units: float) -> Account:
    order = Order(4, units, 99.0, 103.0, FillReason.ENTRY.value, 1)
    return open_account(CASH, 100.0)._replace(pending=order, wait_bars=1)


def test_an_entry_is_sized_by_volatility_and_carries_its_bracket() -> None:
    plan = planned(LONG)
    order = plan.order
    assert (order.order_id, order.reason) == (9, FillReason.ENTRY)
    assert (order.units, order.stop_loss, order.take_profit) == pytest.approx((FULL, 99.0, 102.0))
    assert (plan.reason, plan.side, order.decided_ns) == (PlanReason.AS_WISHED, 1, BAR.ts_ns)


def test_a_smaller_size_is_a_share_of_the_full_one() -> None:
    assert planned(SHORT._replace(size_frac=0.25)).order.units == pytest.approx(-0.25 * FULL)


def test_a_wish_for_the_side_it_has_keeps_everything() -> None:
    plan = planned(LONG._replace(size_frac=0.25, stop_units=1.0), holding(50.0))
    assert plan.order == NO_ORDER
    assert (plan.reason, plan.stop_loss, plan.take_profit) == (PlanReason.HOLD, 99.0, 103.0)


def test_a_pending_order_counts_as_the_position() -> None:
    kept = planned(LONG, pending(600.0))
    assert kept.order == NO_ORDER
    assert (kept.side, kept.stop_loss) == (1, 99.0)
    withdrawn = planned(FLAT, pending(600.0))
    assert (withdrawn.order.order_id, withdrawn.order.units) == (9, 0.0)
    turned = planned(SHORT, pending(600.0))
    assert turned.order.units == pytest.approx(-FULL)


def test_a_near_level_takes_the_stop_beyond_it_and_the_target_with_it() -> None:
    """A unit is 0.5; support 2.5 units below and a margin of half a unit make 3, one and a half times the chosen 2."""
    beyond = limits(level_stop_max_units=3.5)
    moved = planned(LONG, params=beyond, levels=NearLevels(2.5, 1.0)).order
    assert (moved.stop_loss, moved.take_profit) == pytest.approx((98.5, 103.0))
    turned = planned(SHORT, holding(50.0), params=beyond, levels=NearLevels(1.0, 2.5)).order
    assert (turned.stop_loss, turned.take_profit) == pytest.approx((101.5, 97.0))
    assert moved.units == pytest.approx(FULL), "the size is that of the volatility, wherever the stop is"
    for nothing in (NearLevels(3.1, 2.5), NearLevels(1.4, 2.5), NO_LEVELS):  # too far, nearer than chosen, none
        assert planned(LONG, params=beyond, levels=nothing).order == planned(LONG).order
    assert planned(LONG, levels=NearLevels(2.5, 1.0)).order == planned(LONG).order, "off"


def test_the_kelly_cap_is_a_volatility_of_the_notional() -> None:
    """0.001 of the usual 0.003: a third of the size, and half of that for a size of a half."""
    capped = limits(kelly_volatility=0.001)
    for side, sign in ((LONG, 1.0), (SHORT, -1.0)):
        plan = planned(side, params=capped)
        assert plan.order.units == pytest.approx(sign * FULL / 3.0)
        assert plan.before_units == pytest.approx(sign * FULL)
        assert plan.reason == PlanReason.KELLY_CAPPED
    assert planned(LONG._replace(size_frac=0.5), params=capped).order.units == pytest.approx(FULL / 6.0)
    assert planned(LONG, params=limits(kelly_volatility=0.1)).reason == PlanReason.AS_WISHED
    tighter = planned(LONG, params=capped._replace(max_exposure=0.1))
    assert tighter.order.units == pytest.approx(100.0)
    assert tighter.reason == PlanReason.SIZE_CAPPED


def test_a_ramp_cuts_what_the_other_limits_permit_and_too_little_is_no_trade() -> None:
    tenth = planned(LONG, params=limits(size_share=0.1))
    assert tenth.order.units == pytest.approx(FULL / 10.0)
    assert tenth.reason == PlanReason.RAMPED
    for limit in ({"kelly_volatility": 0.001}, {"max_exposure": 0.1}, {"evidence_scale": 0.25}):
        whole = planned(LONG, params=limits(**limit)).order.units
        assert planned(LONG, params=limits(size_share=0.1, **limit)).order.units == pytest.approx(whole / 10.0)
    coarse = planned(LONG, params=limits(size_share=0.001), min_lot=1.0, lot_step=0.5)
    assert (coarse.order, coarse.reason) == (NO_ORDER, PlanReason.TOO_SMALL)
    assert planned(LONG, holding(50.0), params=limits(size_share=0.1)).reason == PlanReason.HOLD, "it is not cut"


def test_without_a_proven_edge_a_quarter_is_traded_in_simulation_and_nothing_live() -> None:
    quarter = planned(LONG, params=limits(evidence_scale=0.25))
    assert quarter.order.units == pytest.approx(FULL / 4.0)
    assert quarter.reason == PlanReason.NO_EDGE
    nothing = limits(evidence_scale=0.0)
    refused = planned(LONG, params=nothing)
    assert (refused.order, refused.reason) == (NO_ORDER, PlanReason.NO_EDGE)
    left = planned(SHORT, holding(50.0), params=nothing)
    assert (left.order.units, left.side, left.reason) == (-50.0, 0, PlanReason.NO_EDGE)
    assert planned(LONG, holding(50.0), params=nothing).reason == PlanReason.HOLD, "what is held is not cut"


def test_leaving_and_turning_are_one_order() -> None:
    out = planned(FLAT, holding(50.0))
    assert (out.order.units, out.order.reason, out.stop_loss) == (-50.0, FillReason.EXIT, 0.0)
    turned = planned(SHORT, holding(50.0))
    assert turned.order.units == pytest.approx(-FULL - 50.0)
    assert turned.order.reason == FillReason.REVERSE


@pytest.mark.parametrize(
    ("risk", "reason"),
    [
        (fresh_risk_state(CASH, 0)._replace(daily_loss_hit=True), PlanReason.DAILY_LOSS),
        (fresh_risk_state(CASH, 0)._replace(breaker_until_day=5), PlanReason.DRAWDOWN),
    ],
)
def test_a_halt_flattens_and_opens_nothing(risk: RiskState, reason: PlanReason) -> None:
    flattened = planned(LONG, holding(50.0), risk=risk)
    assert (flattened.order.units, flattened.order.reason) == (-50.0, FillReason.RISK)
    assert flattened.reason == reason
    refused = planned(LONG, risk=risk)
    assert (refused.order, refused.reason) == (NO_ORDER, reason)
    assert refused.before_units == pytest.approx(FULL), "what it would have been is kept for the record"
    assert refused.after_units == 0.0
    assert planned(LONG, pending(600.0), risk=risk).order.units == 0.0, "what is pending is withdrawn"


def test_a_position_is_kept_for_the_minimum_hold() -> None:
    params = limits(min_hold_bars=6)
    early = planned(FLAT, holding(50.0, bars_held=5), params=params)
    assert (early.order, early.reason) == (NO_ORDER, PlanReason.MIN_HOLD)
    assert planned(FLAT, holding(50.0, bars_held=6), params=params).order.units == -50.0


def test_a_cool_down_follows_a_close_and_forbids_turning() -> None:
    params = limits(cooldown_bars=2)
    flat = open_account(CASH, 100.0)
    for bars_flat, allowed in ((1, False), (2, False), (3, True)):
        assert (planned(LONG, flat._replace(bars_flat=bars_flat), params=params).order != NO_ORDER) is allowed
    turning = planned(SHORT, holding(50.0), params=params)
    assert (turning.order.units, turning.reason) == (-50.0, PlanReason.COOLDOWN)
    assert planned(LONG, params=params).order != NO_ORDER, "a book that never held anything need not cool"


def test_no_more_markets_are_entered_than_allowed() -> None:
    crowded = AccountView(CASH, 1000.0, 2)
    refused = planned(LONG, view=crowded, params=limits(max_positions=2))
    assert (refused.order, refused.reason) == (NO_ORDER, PlanReason.MAX_POSITIONS)
    assert planned(SHORT, holding(50.0), view=crowded, params=limits(max_positions=2)).order.units < -50.0


def test_the_exposure_of_other_books_leaves_less_room() -> None:
    plan = planned(LONG, view=AccountView(CASH, 370_000.0, 1))
    assert plan.order.units == pytest.approx(300.0)
    assert plan.reason == PlanReason.SIZE_CAPPED


def test_less_than_the_smallest_lot_is_nothing() -> None:
    refused = planned(LONG, min_lot=1000.0)
    assert (refused.order, refused.reason) == (NO_ORDER, PlanReason.TOO_SMALL)
    assert planned(SHORT, holding(50.0), min_lot=1000.0).order.units == -50.0, "an unaffordable turn still leaves"


def test_a_ruined_book_only_closes() -> None:
    ruined = holding(50.0, cash=-5_100.0)
    plan = planned(LONG, ruined)
    assert (plan.order.units, plan.order.reason, plan.reason) == (-50.0, FillReason.RISK, PlanReason.RUINED)


def test_a_book_with_half_its_margin_left_only_closes() -> None:
    """Long 600 at 100: margin 3,000 at 20 to 1, of which half is 1,500."""
    for equity_left, stays in ((1_500.01, True), (1_500.0, False)):
        plan = planned(LONG, holding(600.0, cash=equity_left - 60_000.0))
        if stays:
            assert (plan.order, plan.reason) == (NO_ORDER, PlanReason.HOLD)
        else:
            assert (plan.order.units, plan.order.reason) == (-600.0, FillReason.RISK)
            assert plan.reason == PlanReason.STOPPED_OUT
    short = planned(SHORT, holding(-600.0, cash=1_500.0 + 60_000.0))
    assert (short.order.units, short.reason) == (600.0, PlanReason.STOPPED_OUT)
    kept = planned(LONG, holding(600.0, cash=10.0 - 60_000.0), stop_out_frac=0.0)
    assert kept.reason == PlanReason.HOLD


def test_size_is_a_share_of_what_is_permitted() -> None:
    """With the cap in force, half a size is half the cap."""
    capped = limits()._replace(max_exposure=0.1)  # 100 units of the 600 that volatility would allow
    assert planned(LONG, params=capped).order.units == pytest.approx(100.0)
    assert planned(LONG._replace(size_frac=0.5), params=capped).order.units == pytest.approx(50.0)
    assert planned(LONG._replace(size_frac=0.5), params=capped).reason == PlanReason.SIZE_CAPPED


def test_units_are_cut_to_the_lot_grid_and_the_largest_lot() -> None:
    coarse: dict[str, Any] = {"contract_size": 100.0, "lot_step": 0.01, "min_lot": 0.05, "max_lot": 2.0}
    assert planned(LONG, **coarse).order.units == 200.0
    assert planned(SHORT._replace(size_frac=0.0299), **coarse).order.units == -17.0
    nothing = planned(LONG._replace(size_frac=0.008), **coarse)
    assert (nothing.order, nothing.reason) == (NO_ORDER, PlanReason.TOO_SMALL)


def test_wishing_for_the_side_that_is_still_held_withdraws_the_pending_exit() -> None:
    """Size and bracket are read only when a position opens or turns, so it stays as it was."""
    leaving = Order(4, -100.0, 0.0, 0.0, FillReason.EXIT.value, 1)
    book = holding(100.0, pending=leaving, wait_bars=1)
    plan = planned(LONG, book)
    assert (plan.order.order_id, plan.order.units) == (9, 0.0)
    assert (plan.side, plan.stop_loss, plan.take_profit) == (1, book.stop_loss, book.take_profit)

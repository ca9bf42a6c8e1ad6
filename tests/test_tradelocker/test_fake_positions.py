"""Positions: hedged, protected, closed, and what becomes of them while nobody looks."""

from decimal import Decimal
from typing import Any

import pytest

from agv2.tradelocker.fake.rules import VenueRules
from tests.test_tradelocker.fake_trader import MINUTE_NS, START_NS, Trader, a_listing, trading

Prices = tuple[float, float, float, float]
FLAT: Prices = (100.0, 100.0, 100.0, 100.0)


def flat(level: float) -> Prices:
    return (level, level, level, level)


def closed_at(trader: Trader) -> list[Decimal]:
    """Prices of the fills that reduced positions."""
    return [fill.price for fill in trader.fake.executions if not fill.opens]


def protected(trader: Trader, **legs: float) -> str:
    """Position bought with absolute stop loss and take profit."""
    types = {f"{name}Type": "absolute" for name in legs}
    return trader.bought(**legs, **types)


def test_opposite_orders_make_two_positions() -> None:
    with trading() as trader:
        trader.place(qty="0.01")
        trader.place(qty="0.03", side="sell")
        held = [(row["side"], row["qty"], row["avgPrice"]) for row in trader.positions()]
        assert held == [("buy", "0.01", "100.1"), ("sell", "0.03", "100.0")]
        assert trader.state()["positionsCount"] == 2


def test_open_profit_is_measured_where_the_position_would_be_closed() -> None:
    with trading(a_listing(FLAT, flat(103.0), lot_size=Decimal(10), quote_rate=Decimal("0.5"))) as trader:
        trader.bought(qty=2)
        trader.fake.advance(60)
        # (103.0 - 100.1) over 20 units at half an account unit each
        assert trader.positions()[0]["unrealizedPl"] == "29.00"
        assert trader.state()["projectedBalance"] == 50_029.0
        assert trader.state()["balance"] == 50_000.0


def test_legs_move_appear_and_vanish_and_keep_their_ids() -> None:
    with trading() as trader:
        position = protected(trader, stopLoss=90.0)
        stop_id = trader.positions()[0]["stopLossId"]
        trader.send("PATCH", f"/positions/{position}", {"stopLoss": 95, "takeProfit": 110})
        row = trader.positions()[0]
        assert row["stopLossId"] == stop_id
        levels = {leg["id"]: (leg["stopPrice"], leg["price"]) for leg in trader.orders()}
        assert levels == {stop_id: ("95", "0"), row["takeProfitId"]: ("0", "110")}
        trader.send("PATCH", f"/positions/{position}", {"stopLoss": None})
        assert trader.positions()[0]["stopLossId"] is None
        assert trader.positions()[0]["takeProfitId"] == row["takeProfitId"]
        assert [leg.position_id for leg in trader.fake.unprotected_positions()] == [position]
        trader.send("DELETE", f"/orders/{row['takeProfitId']}")
        assert trader.positions()[0]["takeProfitId"] is None
        assert trader.orders() == []


def test_a_leg_is_an_order_and_can_be_moved_as_one() -> None:
    with trading() as trader:
        protected(trader, stopLoss=90.0)
        stop_id = trader.positions()[0]["stopLossId"]
        assert trader.send("PATCH", f"/orders/{stop_id}", {"stopPrice": 92}).json()["s"] == "ok"
        assert trader.orders()[0]["stopPrice"] == "92"
        for change in ({"stopPrice": 101}, {"qty": "0.5"}):
            assert trader.send("PATCH", f"/orders/{stop_id}", change).json()["s"] == "error"


@pytest.mark.parametrize(
    "body", [{"stopLoss": 100.5}, {"takeProfit": 99}, {"stopLoss": "99.001"}, {"trailingOffset": 0}]
)
def test_an_impossible_leg_is_refused_and_nothing_moves(body: dict[str, Any]) -> None:
    with trading() as trader:
        position = protected(trader, stopLoss=90.0, takeProfit=120.0)
        before = trader.orders()
        assert trader.send("PATCH", f"/positions/{position}", {"takeProfit": 130} | body).json()["s"] == "error"
        assert trader.orders() == before


def test_a_part_can_be_closed_and_the_legs_shrink_with_it() -> None:
    with trading() as trader:
        position = protected(trader, stopLoss=90.0)
        assert trader.send("DELETE", f"/positions/{position}", {"qty": "0.4"}).json() == {"s": "ok"}
        assert trader.positions()[0]["qty"] == "0.6"
        assert trader.orders()[0]["qty"] == "0.6"
        assert trader.send("DELETE", f"/positions/{position}", {"qty": "0"}).json() == {"s": "ok"}
        assert trader.positions() == trader.orders() == []
        assert trader.send("DELETE", f"/positions/{position}", {"qty": "0"}).status_code == 404
        statuses = [(row["type"], row["status"]) for row in trader.history()]
        assert statuses == [("market", "Filled"), ("market", "Filled"), ("stop", "Cancelled"), ("market", "Filled")]


@pytest.mark.parametrize("qty", ["0.005", "-1", "1.01"])
def test_a_close_off_the_step_or_of_too_much_is_refused(qty: str) -> None:
    with trading() as trader:
        position = trader.bought()
        assert trader.send("DELETE", f"/positions/{position}", {"qty": qty}).json()["s"] == "error"
        assert trader.positions()[0]["qty"] == "1"


def test_a_close_of_too_much_may_close_everything() -> None:
    with trading(rules=VenueRules(close_excess="close_all")) as trader:
        position = trader.bought()
        assert trader.send("DELETE", f"/positions/{position}", {"qty": "5"}).json()["s"] == "ok"
        assert trader.positions() == []


def test_a_close_without_its_body_is_a_400() -> None:
    with trading() as trader:
        assert trader.send("DELETE", f"/positions/{trader.bought()}").status_code == 400


def test_all_positions_or_those_of_a_strategy_are_closed_at_once() -> None:
    with trading() as trader:
        for name in ("one", "one", "two"):
            trader.place(strategyId=name)
        answer = trader.send("DELETE", "/accounts/812345/positions", strategyId="one").json()
        assert len(answer["d"]["positions"]) == 2
        assert [row["strategyId"] for row in trader.positions()] == ["two"]
        trader.send("DELETE", "/accounts/812345/positions", tradableInstrumentId=278)
        assert trader.positions() == []


def test_a_stop_is_hit_between_two_polls_and_leaves_everything_tidy() -> None:
    dip = (100.0, 100.0, 94.0, 100.0)
    with trading(a_listing(FLAT, dip, FLAT, FLAT)) as trader:
        position = protected(trader, stopLoss=95.0, takeProfit=110.0)
        trader.fake.advance(180)
        assert trader.positions() == trader.orders() == []
        assert closed_at(trader) == [Decimal("95.0")]
        fill = trader.fake.executions[-1]
        assert fill.ts_ns == START_NS + MINUTE_NS + 15 * 10**9
        assert {row["type"]: row["status"] for row in trader.history()} == {
            "market": "Filled",
            "stop": "Filled",
            "limit": "Cancelled",
        }
        assert {row["positionId"] for row in trader.executions()} == {position}
        assert trader.fake.account_figures("812345")["balance"] == Decimal("50000") + Decimal("95.0") - Decimal("100.1")


@pytest.mark.parametrize(("rule", "price"), [("worse", "91.0"), ("level", "95")])
def test_a_gap_through_a_stop_fills_at_the_worse_price(rule: Any, price: str) -> None:
    with trading(a_listing(FLAT, flat(91.0)), rules=VenueRules(stop_through_gap=rule)) as trader:
        protected(trader, stopLoss=95.0)
        trader.fake.advance(60)
        assert closed_at(trader) == [Decimal(price)]


def test_a_take_profit_fills_at_its_level_or_better_through_a_gap() -> None:
    with trading(a_listing(FLAT, (100.0, 106.0, 100.0, 106.0), flat(120.0))) as trader:
        protected(trader, takeProfit=105.0)
        protected(trader, takeProfit=110.0)
        trader.fake.advance(120)
        assert closed_at(trader) == [Decimal("105.0"), Decimal("120.0")]


def test_a_short_is_stopped_by_the_ask() -> None:
    with trading(a_listing(FLAT, (100.0, 104.95, 100.0, 104.95))) as trader:
        trader.place(side="sell", stopLoss=105, stopLossType="absolute")
        trader.fake.advance(120)
        assert closed_at(trader) == [Decimal("105")]


def test_of_stop_and_target_in_one_bar_the_one_that_comes_first_counts() -> None:
    rising, falling = (100.0, 106.0, 94.0, 101.0), (100.0, 106.0, 94.0, 99.0)
    for bar, price in ((rising, "95.0"), (falling, "105.0")):
        with trading(a_listing(FLAT, bar)) as trader:
            protected(trader, stopLoss=95.0, takeProfit=105.0)
            trader.fake.advance(120)
            assert closed_at(trader) == [Decimal(price)]


def test_resting_entries_wait_for_their_price() -> None:
    with trading(a_listing(FLAT, (100.0, 103.0, 97.0, 100.5), FLAT)) as trader:
        trader.place(type="limit", price="98", strategyId="dip")
        trader.place(type="stop", stopPrice="102", strategyId="breakout", stopLoss=99, stopLossType="absolute")
        trader.place(type="limit", price="90", strategyId="never")
        trader.fake.advance(150)
        entries = {position.strategy_id: position.average_price for position in trader.fake.positions()}
        assert entries == {"dip": Decimal("98"), "breakout": Decimal("102")}
        assert [row["strategyId"] for row in trader.orders() if row["type"] == "limit"] == ["never"]
        assert len(trader.fake.unprotected_positions()) == 1


def test_a_limit_beyond_the_market_fills_at_once_at_the_market() -> None:
    with trading() as trader:
        trader.place(type="limit", price="105")
        assert trader.positions()[0]["avgPrice"] == "100.1"


def test_a_bracket_in_pips_counts_from_the_fill() -> None:
    with trading() as trader:
        trader.place(stopLoss=20, stopLossType="offset", takeProfit=30, takeProfitType="offset")
        levels = sorted(Decimal(row["stopPrice"]) or Decimal(row["price"]) for row in trader.orders())
        assert levels == [Decimal("98.10"), Decimal("103.10")]


def test_a_trailing_stop_follows_the_price_up_and_never_down() -> None:
    path = [FLAT, (100.0, 110.0, 100.0, 110.0), (110.0, 110.0, 107.5, 108.0), (108.0, 108.0, 100.0, 100.0)]
    with trading(a_listing(*path)) as trader:
        trader.place(stopLossType="trailingOffset", trStopOffset=30)
        levels = []
        for _ in range(3):
            levels.append(Decimal(trader.orders()[0]["stopPrice"]))
            trader.fake.advance(60)
        assert levels == [Decimal("97.1"), Decimal("97.1"), Decimal("107.0")]
        trader.fake.advance(60)
        assert closed_at(trader) == [Decimal("107.0")]
        assert trader.positions() == []


def test_a_position_can_be_made_to_trail_and_fixed_again() -> None:
    with trading(a_listing(FLAT, flat(105.0), flat(103.0), flat(101.0))) as trader:
        position = protected(trader, stopLoss=90.0)
        trader.send("PATCH", f"/positions/{position}", {"trailingOffset": 30})
        trader.fake.advance(60)
        assert Decimal(trader.orders()[0]["stopPrice"]) == Decimal("102")
        trader.send("PATCH", f"/positions/{position}", {"stopLoss": 100})
        trader.fake.advance(120)
        assert Decimal(trader.orders()[0]["stopPrice"]) == Decimal("100")


def test_nothing_triggers_during_maintenance_and_what_lies_beyond_fills_at_its_end() -> None:
    path = [FLAT, flat(90.0), FLAT, flat(92.0), FLAT]
    with trading(a_listing(*path)) as trader:
        protected(trader, stopLoss=95.0)
        trader.fake.add_maintenance(START_NS + MINUTE_NS, START_NS + 3 * MINUTE_NS)
        trader.fake.advance(90)
        assert trader.send("GET", "/accounts/812345/positions").status_code == 503
        trader.fake.advance(60)
        assert len(trader.fake.open_positions()) == 1, "100 again, as if nothing had been"
        trader.fake.advance(60)
        assert closed_at(trader) == [Decimal("92.0")]


def test_a_price_that_runs_through_entry_and_bracket_at_once_opens_and_closes() -> None:
    with trading(a_listing(FLAT, (100.0, 100.0, 90.0, 90.0))) as trader:
        trader.place(type="limit", price=98, stopLoss=96, stopLossType="absolute")
        trader.fake.advance(120)
        assert [fill.price for fill in trader.fake.executions] == [Decimal(98), Decimal(96)]
        assert trader.positions() == trader.orders() == []


def test_executions_are_those_of_today() -> None:
    with trading(a_listing(*[FLAT] * 1500), rules=VenueRules(access_token_s=10**6)) as trader:
        trader.place()
        trader.fake.advance(14 * 3600 - 1)
        assert len(trader.executions()) == 1
        trader.fake.advance(1)
        assert trader.executions() == []
        assert len(trader.history()) == 1

"""Orders: taken, refused, changed, withdrawn, found again."""

from decimal import Decimal
from typing import Any

import pytest

from agv2.tradelocker.fake.listings import FakeAccount, FakeLogin, TickBand
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import ReplayClock
from tests.test_tradelocker.fake_trader import MINUTE_NS, START_NS, Trader, a_listing, trading

ENOUGH = {"stopLoss": 90, "stopLossType": "absolute", "takeProfit": 120, "takeProfitType": "absolute"}


def test_a_market_order_fills_at_the_ask_and_rests_its_bracket() -> None:
    with trading() as trader:
        answer = trader.place(qty="0.30", strategyId="agv2-1", **ENOUGH)
        assert answer["s"] == "ok"
        (order,) = trader.history()
        assert isinstance(answer["d"]["orderId"], str)
        assert order["id"] == answer["d"]["orderId"]
        assert len(order["id"]) == 19
        assert int(order["id"]) > 2**53
        assert (order["status"], order["filledQty"], order["isOpen"]) == ("Filled", "0.30", "false")
        assert Decimal(order["avgPrice"]) == Decimal("100.1")
        assert order["strategyId"] == "agv2-1"
        (position,) = trader.positions()
        assert order["positionId"] == position["id"] != order["id"]
        legs = {row["id"]: row for row in trader.orders()}
        stop, target = legs[position["stopLossId"]], legs[position["takeProfitId"]]
        assert stop["positionId"] == target["positionId"] == position["id"]
        assert (stop["type"], stop["side"], stop["stopPrice"]) == ("stop", "sell", "90")
        assert (target["type"], target["side"], target["price"], target["qty"]) == ("limit", "sell", "120", "0.30")
        assert stop["strategyId"] is None


def test_every_value_of_a_row_is_text_or_null_and_state_is_numbers() -> None:
    with trading() as trader:
        trader.bought(**ENOUGH)
        rows = [*trader.orders(), *trader.history(), *trader.positions(), *trader.executions()]
        assert {type(value) for row in rows for value in row.values()} == {str, type(None)}
        assert {type(value) for value in trader.state().values()} == {float}


def test_the_same_strategy_id_twice_gives_two_orders() -> None:
    with trading() as trader:
        ids = [trader.place(strategyId="again")["d"]["orderId"] for _ in range(2)]
        assert [order.order_id for order in trader.fake.orders_of("again")] == ids
        assert len(trader.fake.open_positions()) == 2


def test_a_leg_carries_the_strategy_id_where_the_rules_say_so() -> None:
    with trading(rules=VenueRules(legs_echo_strategy_id=True)) as trader:
        trader.bought(strategyId="mine", **ENOUGH)
        assert {row["strategyId"] for row in trader.orders()} == {"mine"}
        assert len(trader.fake.orders_of("mine")) == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"qty": "0.005"}, "minimum"),
        ({"qty": 0}, "minimum"),
        ({"qty": -1}, "minimum"),
        ({"qty": "0.015"}, "step"),
        ({"qty": "0.30000000000000004"}, "step"),
        ({"qty": 1000}, "maximum"),
        ({"qty": "many"}, "number"),
        ({"qty": True}, "number"),
        ({"qty": None}, "qty"),
        ({"side": "long"}, "side"),
        ({"type": "stop-limit", "validity": "GTC"}, "type"),
        ({"validity": "GTC"}, "TIF"),
        ({"type": "limit", "price": 99, "validity": "IOC"}, "TIF"),
        ({"type": "limit"}, "price"),
        ({"type": "limit", "price": 0}, "price"),
        ({"type": "stop"}, "stopPrice"),
        ({"type": "stop", "stopPrice": 99}, "wrong side"),
        ({"type": "stop", "side": "sell", "stopPrice": 101}, "wrong side"),
        ({"type": "limit", "price": "99.005"}, "tick"),
        ({"stopLoss": 90}, "stopLossType"),
        ({"stopLoss": 90, "stopLossType": "percent"}, "stopLossType"),
        ({"stopLoss": 101, "stopLossType": "absolute"}, "wrong side"),
        ({"stopLoss": 100, "stopLossType": "absolute"}, "wrong side"),
        ({"side": "sell", "stopLoss": 99, "stopLossType": "absolute"}, "wrong side"),
        ({"takeProfit": 99, "takeProfitType": "absolute"}, "wrong side"),
        ({"takeProfit": "100.555", "takeProfitType": "absolute"}, "tick"),
        ({"stopLossType": "trailingOffset", "trStopOffset": 0}, "trStopOffset"),
        ({"strategyId": "x" * 33}, "strategyId"),
        ({"qty": 100, "side": "buy", "type": "limit", "price": 10_000_000}, "margin"),
    ],
)
def test_a_refusal_is_http_200_with_a_reason_and_leaves_no_trace(changes: dict[str, Any], word: str) -> None:
    with trading() as trader:
        answer = trader.place(**changes)
        assert answer["s"] == "error"
        assert word in answer["errmsg"]
        assert "d" not in answer
        assert trader.fake.orders() == []
        assert trader.fake.ledger == []


def test_thirty_two_characters_of_strategy_id_are_taken() -> None:
    with trading() as trader:
        assert trader.place(strategyId="x" * 32)["s"] == "ok"


def test_an_order_on_the_wrong_route_or_instrument_is_not_found() -> None:
    with trading() as trader:
        path, order = "/accounts/812345/orders", {"qty": 1, "side": "buy", "type": "market", "validity": "IOC"}
        for instrument, route in ((278, 1152263), (315, 452), (999, 452), ("no", 452)):
            body = order | {"tradableInstrumentId": instrument, "routeId": route}
            assert trader.send("POST", path, body).status_code == 404
        assert trader.fake.orders() == []


def test_a_price_off_the_grid_may_cost_the_bracket_or_be_rounded() -> None:
    level = {"stopLoss": "90.005", "stopLossType": "absolute"}
    with trading(rules=VenueRules(off_grid="drop_bracket")) as trader:
        trader.bought(**level)
        assert len(trader.fake.unprotected_positions()) == 1
    with trading(rules=VenueRules(off_grid="round")) as trader:
        trader.bought(**level)
        assert trader.orders()[0]["stopPrice"] == "90.00"


def test_ticks_are_those_of_the_band_that_holds_the_price() -> None:
    bands = (TickBand(Decimal(0), Decimal("0.01")), TickBand(Decimal(100), Decimal("0.5")))
    with trading(a_listing(tick_bands=bands)) as trader:
        assert trader.place(type="limit", price="99.99")["s"] == "ok"
        assert trader.place(type="limit", price="100.01")["s"] == "error"
        assert trader.place(type="limit", price="100.5")["s"] == "ok"


def test_a_closed_market_refuses_orders_and_closing() -> None:
    with trading() as trader:
        position = trader.bought()
        trader.fake.set_symbol_status("ETHUSD", "CLOSED")
        assert trader.get("/instruments/278", routeId=1152263)["d"]["symbolStatus"] == "CLOSED"
        assert "closed" in trader.place()["errmsg"].lower()
        assert trader.send("DELETE", f"/positions/{position}", {"qty": "0"}).json()["s"] == "error"
        trader.fake.set_symbol_status("ETHUSD", None)
        assert trader.place()["s"] == "ok"


def test_a_market_is_closed_where_its_bars_end() -> None:
    with trading(a_listing((100.0, 100.0, 100.0, 100.0))) as trader:
        trader.fake.advance(60 + 899)
        assert trader.place()["s"] == "ok"
        trader.fake.advance(1)
        assert trader.place()["s"] == "error"


def test_an_account_that_is_not_active_may_not_trade() -> None:
    login = FakeLogin(accounts=(FakeAccount(status="CLOSED"),))
    with FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS), logins=[login]) as fake, Trader(fake) as trader:
        assert "CLOSED" in trader.place()["errmsg"]


def test_margin_is_what_the_leverage_leaves_and_hedges_count_by_rule() -> None:
    # 50 000 at leverage 20 carries 9 990 lots at 100.1; maximum 100 a order is lifted for this.
    listing = a_listing(max_lot=Decimal(100_000))
    for rule, outcome in (("sum", "error"), ("larger_side", "ok")):
        with trading(listing, rules=VenueRules(hedged_margin=rule)) as trader:  # type: ignore[arg-type]
            assert trader.place(qty=10_000)["s"] == "error"
            assert trader.place(qty=5_000)["s"] == "ok"
            assert trader.place(qty=4_700, side="sell")["s"] == "ok"
            state = trader.state()
            assert state["availableFunds"] == pytest.approx(state["projectedBalance"] - state["initialMarginReq"])
            assert trader.place(qty=1_000, side="sell")["s"] == outcome


def test_a_resting_order_can_be_changed_under_the_same_id() -> None:
    with trading() as trader:
        order_id = trader.place(type="limit", price=95, **ENOUGH)["d"]["orderId"]
        (row,) = trader.orders()
        assert (row["status"], row["isOpen"], row["filledQty"], row["positionId"]) == ("New", "true", "0", None)
        assert (row["stopLoss"], row["takeProfitType"]) == ("90", "absolute")
        answer = trader.send("PATCH", f"/orders/{order_id}", {"price": 96, "qty": "0.5", "stopLoss": 91})
        assert len(answer.json()["d"]["orders"]) == 1
        (row,) = trader.orders()
        assert (row["id"], row["price"], row["qty"], row["stopLoss"]) == (order_id, "96", "0.5", "91")
        for change in ({"qty": "0.001"}, {"price": "95.001"}, {"stopLoss": 97}, {"validity": "IOC"}):
            assert trader.send("PATCH", f"/orders/{order_id}", change).json()["s"] == "error"
        assert trader.send("PATCH", f"/orders/{order_id}", {"takeProfit": None}).json()["s"] == "ok"
        assert trader.orders()[0]["takeProfit"] is None


def test_the_answer_to_a_change_may_have_no_status() -> None:
    with trading(rules=VenueRules(status_in_modify_answer=False)) as trader:
        order_id = trader.place(type="limit", price=95)["d"]["orderId"]
        answer = trader.send("PATCH", f"/orders/{order_id}", {"price": 96}).json()
        assert answer["d"]["orders"][0][6] == "None"
        assert trader.orders()[0]["status"] == "New"


def test_a_cancelled_order_is_history_and_cannot_be_touched_again() -> None:
    with trading() as trader:
        order_id = trader.place(type="limit", price=95)["d"]["orderId"]
        assert trader.send("DELETE", f"/orders/{order_id}").json() == {"s": "ok"}
        assert trader.orders() == []
        assert [(row["id"], row["status"]) for row in trader.history()] == [(order_id, "Cancelled")]
        for method, body in (("DELETE", None), ("PATCH", {"price": 96})):
            assert trader.send(method, f"/orders/{order_id}", body).json()["s"] == "error"


def test_an_unknown_order_is_404_or_a_refusal_by_rule() -> None:
    with trading() as trader:
        assert trader.send("DELETE", "/orders/123").status_code == 404
        assert trader.send("PATCH", "/positions/123", {}).status_code == 404
    with trading(rules=VenueRules(unknown_id="error")) as trader:
        answer = trader.send("DELETE", "/orders/123")
        assert (answer.status_code, answer.json()["s"]) == (200, "error")


def test_success_may_have_no_body() -> None:
    with trading(rules=VenueRules(no_content=True)) as trader:
        order_id = trader.place(type="limit", price=95)["d"]["orderId"]
        position = trader.bought()
        for method, path, body in (
            ("PATCH", f"/orders/{order_id}", {"price": 96}),
            ("DELETE", f"/orders/{order_id}", None),
            ("PATCH", f"/positions/{position}", {"stopLoss": 90}),
            ("DELETE", f"/positions/{position}", {"qty": "0"}),
        ):
            answer = trader.send(method, path, body)
            assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("kills", [True, False])
def test_cancel_all_may_or_may_not_take_the_legs_with_it(kills: bool) -> None:
    with trading(rules=VenueRules(cancel_all_kills_legs=kills)) as trader:
        trader.bought(**ENOUGH)
        trader.place(type="limit", price=95)
        assert trader.send("DELETE", "/accounts/812345/orders", tradableInstrumentId=278).json()["s"] == "ok"
        assert len(trader.orders()) == (0 if kills else 2)
        assert len(trader.fake.unprotected_positions()) == (1 if kills else 0)


@pytest.mark.parametrize(("rule", "minutes"), [("created", [5]), ("modified", [0, 5])])
def test_history_filters_by_when_an_order_was_made_or_ended(rule: Any, minutes: list[int]) -> None:
    with trading(rules=VenueRules(history_filters_by=rule)) as trader:
        pending = trader.place(type="limit", price=95)["d"]["orderId"]
        trader.fake.advance(300)
        trader.place()
        trader.send("DELETE", f"/orders/{pending}")
        trader.fake.advance(60)
        since = (START_NS + 5 * MINUTE_NS) // 10**6
        created = sorted(int(row["createdDate"]) for row in trader.history(**{"from": since, "to": since}))
        assert created == [(START_NS + minute * MINUTE_NS) // 10**6 for minute in minutes]
        assert trader.orders(**{"from": since}) == []


def test_history_is_newest_first_and_says_when_it_was_cut() -> None:
    with trading(rules=VenueRules(max_orders_in_history=3)) as trader:
        ids = [trader.place(qty="0.01")["d"]["orderId"] for _ in range(4)]
        data = trader.get("/accounts/812345/ordersHistory")["d"]
        assert data["hasMore"] is True
        assert [row[0] for row in data["ordersHistory"]] == ids[:0:-1]


def test_an_order_and_its_position_may_be_seen_later() -> None:
    with trading(rules=VenueRules(visible_after_ns=2 * 10**9)) as trader:
        order_id = trader.place(strategyId="late", **ENOUGH)["d"]["orderId"]
        trader.fake.advance(1.999)
        assert trader.history() == trader.positions() == trader.orders() == []
        assert trader.send("PATCH", f"/positions/{trader.fake.open_positions()[0].position_id}", {}).status_code == 404
        trader.fake.advance(0.001)
        assert [row["id"] for row in trader.history()] == [order_id]
        assert (len(trader.positions()), len(trader.orders())) == (1, 2)


def test_a_market_order_may_take_time_and_fill_at_the_price_then() -> None:
    listing = a_listing((100.0, 100.0, 100.0, 100.0), (102.0, 102.0, 102.0, 102.0))
    with trading(listing, rules=VenueRules(fill_delay_ns=30 * 10**9)) as trader:
        trader.fake.advance(45)
        trader.place()
        assert [row["status"] for row in trader.orders()] == ["New"]
        trader.fake.advance(29)
        assert trader.positions() == []
        trader.fake.advance(1)
        assert trader.positions()[0]["avgPrice"] == "102.1"


def test_slippage_and_commission_make_it_dearer() -> None:
    rules = VenueRules(slippage_ticks=3, commission_per_lot=Decimal("1.25"))
    with trading(rules=rules) as trader:
        position = trader.bought(qty=2)
        assert trader.positions()[0]["avgPrice"] == "100.13"
        trader.send("DELETE", f"/positions/{position}", {"qty": "0"})
        # bought at 100.13, sold at 99.97, four times 1.25
        assert trader.fake.account_figures("812345")["balance"] == Decimal(50_000) - Decimal("0.32") - 5
        state = trader.state()
        assert (state["todayGross"], state["todayFees"], state["todayTradesCount"]) == (-0.32, 5.0, 2.0)

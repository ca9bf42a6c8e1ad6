"""Each fault does what it says, to the requests it was meant for, and the truth is known afterwards."""

from decimal import Decimal

import httpx
import numpy as np
import pytest

from agv2.core.errors import ConfigError
from agv2.tradelocker.fake.faults import FaultKind, FaultPlan, FaultRule
from agv2.tradelocker.fake.rules import RateLimit, VenueRules
from tests.test_tradelocker.fake_trader import Trader, a_listing, trading

ORDERS = "/trade/accounts/*/orders"
POSITIONS = "/trade/accounts/*/positions"
BRACKET = {"stopLoss": 90, "stopLossType": "absolute"}


def post(trader: Trader, strategy_id: str = "this") -> httpx.Response:
    body = {"tradableInstrumentId": 278, "routeId": 452, "qty": 1, "side": "buy", "type": "market", "validity": "IOC"}
    return trader.send("POST", "/accounts/812345/orders", body | {"strategyId": strategy_id})


@pytest.mark.parametrize("retry_after_s", [None, 7])
def test_429_comes_with_and_without_retry_after(retry_after_s: int | None) -> None:
    rule = FaultRule(FaultKind.TOO_MANY_REQUESTS, "POST", ORDERS, retry_after_s=retry_after_s)
    with trading(faults=(rule,)) as trader:
        answer = post(trader)
        assert answer.status_code == 429
        assert answer.headers.get("Retry-After") == (None if retry_after_s is None else "7")
        assert trader.fake.orders() == []
        assert post(trader).status_code == 200


@pytest.mark.parametrize(
    ("rule", "status", "text"),
    [
        (FaultRule(FaultKind.CDN_BLOCK), 429, "error code: 1015"),
        (FaultRule(FaultKind.FORBIDDEN), 403, "403"),
        (FaultRule(FaultKind.SERVER_ERROR, status=500), 500, "500"),
        (FaultRule(FaultKind.SERVER_ERROR, status=502), 502, "502"),
        (FaultRule(FaultKind.SERVER_ERROR, status=504), 504, "504"),
    ],
)
def test_an_edge_page_is_html_and_nothing_was_processed(rule: FaultRule, status: int, text: str) -> None:
    with trading(faults=(rule,)) as trader:
        answer = post(trader)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
        assert answer.text.startswith("<")
        assert text in answer.text
        assert trader.fake.orders() == []


@pytest.mark.parametrize(
    "rule",
    [
        FaultRule(FaultKind.LOST_ANSWER, "POST", ORDERS),
        FaultRule(FaultKind.TIMEOUT, "POST", ORDERS, seconds=0.05, processed=True),
        FaultRule(FaultKind.TRUNCATED, "POST", ORDERS),
        FaultRule(FaultKind.SERVER_ERROR, "POST", ORDERS, processed=True),
        FaultRule(FaultKind.MALFORMED_JSON, "POST", ORDERS),
        FaultRule(FaultKind.HTML_PAGE, "POST", ORDERS),
        FaultRule(FaultKind.EMPTY_BODY, "POST", ORDERS),
        FaultRule(FaultKind.NO_ORDER_ID, "POST", ORDERS),
    ],
    ids=lambda rule: rule.kind.name,
)
def test_an_order_is_real_although_its_answer_is_of_no_use(rule: FaultRule) -> None:
    with trading(faults=(rule,)) as trader:
        with pytest.raises((httpx.TransportError, ValueError, KeyError)):
            assert post(trader).json()["d"]["orderId"]
        assert len(trader.fake.orders_of("this")) == len(trader.positions()) == 1
        assert post(trader, "next").status_code == 200


@pytest.mark.parametrize("rule", [FaultRule(FaultKind.RESET), FaultRule(FaultKind.TIMEOUT, seconds=0.05)])
def test_a_connection_dies_before_anything_is_processed(rule: FaultRule) -> None:
    with trading(faults=(rule,)) as trader:
        with pytest.raises(httpx.TransportError):
            post(trader)
        assert trader.fake.orders() == []
        assert trader.fake.requests[-1].faults == (rule.kind.name,)
        assert post(trader).status_code == 200


def test_an_answer_may_come_after_the_client_lost_patience() -> None:
    with trading(faults=(FaultRule(FaultKind.LATE_ANSWER, "POST", ORDERS, seconds=0.2),)) as trader:
        trader.http.timeout = httpx.Timeout(0.05)
        with pytest.raises(httpx.ReadTimeout):
            post(trader)
        assert len(trader.fake.open_positions()) == 1


def test_silence_for_ever_ends_with_the_venue() -> None:
    with trading(faults=(FaultRule(FaultKind.TIMEOUT, seconds=float("inf")),)) as trader:
        trader.http.timeout = httpx.Timeout(0.05)
        with pytest.raises(httpx.ReadTimeout):
            post(trader)


def test_a_late_answer_is_whole() -> None:
    with trading(faults=(FaultRule(FaultKind.LATE_ANSWER, "POST", ORDERS, seconds=0.05),)) as trader:
        assert post(trader).json()["s"] == "ok"


def test_an_expired_token_wants_a_refresh_and_a_revoked_login_a_password() -> None:
    faults = (FaultRule(FaultKind.TOKEN_EXPIRED, "GET"), FaultRule(FaultKind.LOGIN_REVOKED, "GET", first=2))
    with trading(faults=faults) as trader:
        assert trader.send("GET", "/config").status_code == 401
        assert trader.send("GET", "/config").status_code == 401
        tokens = trader.http.post("/auth/jwt/refresh", json={"refreshToken": trader.tokens["refreshToken"]}).json()
        trader.headers["Authorization"] = f"Bearer {tokens['accessToken']}"
        assert trader.send("GET", "/config").status_code == 200
        trader.fake.faults.add(FaultRule(FaultKind.LOGIN_REVOKED))
        assert trader.send("GET", "/config").status_code == 401
        assert trader.http.post("/auth/jwt/refresh", json={"refreshToken": tokens["refreshToken"]}).status_code == 401
        assert trader.login().status_code == 201


def test_an_order_is_refused_with_the_text_of_the_rule() -> None:
    with trading(faults=(FaultRule(FaultKind.REFUSED_ORDER, text="no liquidity"),)) as trader:
        assert trader.place() == {"s": "error", "errmsg": "no liquidity"}
        assert trader.place()["s"] == "ok"


def test_a_late_reject_has_an_id_and_no_position() -> None:
    with trading(faults=(FaultRule(FaultKind.LATE_REJECT),)) as trader:
        order_id = trader.place()["d"]["orderId"]
        assert [(row["id"], row["status"], row["positionId"]) for row in trader.history()] == [
            (order_id, "Rejected", None)
        ]
        assert trader.positions() == []


def test_a_resting_order_may_be_rejected_when_its_price_comes() -> None:
    prices = [(100.0, 100.0, 100.0, 100.0), (95.0, 95.0, 95.0, 95.0)]
    with trading(a_listing(*prices), faults=(FaultRule(FaultKind.LATE_REJECT),)) as trader:
        trader.place(type="limit", price=98)
        assert [row["status"] for row in trader.orders()] == ["New"]
        trader.fake.advance(60)
        assert [row["status"] for row in trader.history()] == ["Rejected"]


@pytest.mark.parametrize("status", ["Cancelled", "Filled"])
def test_a_market_order_fills_in_part_and_its_remainder_ends(status: str) -> None:
    rule = FaultRule(FaultKind.PARTIAL_FILL, fraction=Decimal("0.305"))
    with trading(rules=VenueRules(partly_filled_status=status), faults=(rule,)) as trader:  # type: ignore[arg-type]
        trader.place(**BRACKET)
        (order,) = trader.history()
        assert (order["status"], order["qty"], Decimal(order["filledQty"])) == (status, "1", Decimal("0.30"))
        assert Decimal(trader.positions()[0]["qty"]) == Decimal(trader.orders()[0]["qty"]) == Decimal("0.30")


def test_a_market_order_may_find_nothing_at_all() -> None:
    with trading(faults=(FaultRule(FaultKind.PARTIAL_FILL, fraction=Decimal(0)),)) as trader:
        trader.place()
        assert [(row["status"], row["filledQty"]) for row in trader.history()] == [("Cancelled", "0")]
        assert trader.positions() == []


def test_a_close_may_leave_a_remainder() -> None:
    rule = FaultRule(FaultKind.PARTIAL_FILL, "DELETE", fraction=Decimal("0.5"))
    with trading(faults=(rule,)) as trader:
        position = trader.bought(**BRACKET)
        assert trader.send("DELETE", f"/positions/{position}", {"qty": "0"}).json()["s"] == "ok"
        assert Decimal(trader.positions()[0]["qty"]) == Decimal("0.5")
        trader.send("DELETE", f"/positions/{position}", {"qty": "0"})
        assert trader.positions() == []


def test_a_resting_order_fills_in_two_parts_of_one_position() -> None:
    prices = [(100.0, 100.0, 100.0, 100.0), (96.0, 96.0, 94.0, 95.0)]
    with trading(a_listing(*prices), faults=(FaultRule(FaultKind.PARTIAL_FILL),)) as trader:
        trader.place(type="limit", price=98, **BRACKET)
        trader.fake.advance(60)
        (entry,) = [row for row in trader.orders() if row["type"] == "limit"]
        assert (entry["status"], Decimal(entry["filledQty"])) == ("New", Decimal("0.5"))
        trader.fake.advance(30)
        (position,) = trader.positions()
        assert (Decimal(position["qty"]), Decimal(position["avgPrice"])) == (Decimal(1), Decimal("96.1"))
        assert [Decimal(row["qty"]) for row in trader.orders()] == [Decimal(1)]


def test_a_bracket_may_be_dropped_in_silence() -> None:
    with trading(faults=(FaultRule(FaultKind.DROPPED_BRACKET),)) as trader:
        position = trader.bought(**BRACKET)
        assert trader.positions()[0]["stopLossId"] is None
        assert [each.position_id for each in trader.fake.unprotected_positions()] == [position]
        assert trader.history()[0]["stopLoss"] == "90"


def test_a_lost_answer_and_late_visibility_can_hit_the_same_order() -> None:
    faults = (FaultRule(FaultKind.LOST_ANSWER, "POST", ORDERS), FaultRule(FaultKind.DELAYED_VISIBILITY, seconds=3))
    with trading(faults=faults) as trader:
        with pytest.raises(httpx.RemoteProtocolError):
            post(trader)
        assert trader.history() == trader.positions() == []
        assert len(trader.fake.orders_of("this")) == 1
        trader.fake.advance(3)
        assert [row["strategyId"] for row in trader.positions()] == ["this"]


def test_a_rule_counts_only_the_requests_it_fits() -> None:
    rule = FaultRule(FaultKind.FORBIDDEN, "GET", POSITIONS, first=2, times=2)
    with trading(faults=(rule,)) as trader:
        seen = []
        for _ in range(4):
            seen.append(trader.send("GET", "/accounts/812345/positions").status_code)
            assert trader.send("GET", "/accounts/812345/orders").status_code == 200
        assert seen == [200, 403, 403, 200]


def test_a_seeded_plan_repeats_itself() -> None:
    def drawn(seed: int) -> list[list[str]]:
        rates = {FaultKind.FORBIDDEN: 0.3, FaultKind.LATE_REJECT: 0.5}
        plan = FaultPlan(rates=rates, rng=np.random.default_rng(seed))
        calls = [("GET", "/trade/config"), ("POST", "/trade/accounts/1/orders")] * 20
        return [[rule.kind.name for rule in plan.draw(*call)] for call in calls]

    assert drawn(1) == drawn(1) != drawn(2)
    assert all("LATE_REJECT" not in kinds for kinds in drawn(1)[::2]), "a read is no order"
    assert any("LATE_REJECT" in kinds for kinds in drawn(1)[1::2])


def test_rates_need_a_generator_and_must_be_probabilities() -> None:
    with pytest.raises(ConfigError, match="generator"):
        FaultPlan(rates={FaultKind.RESET: 0.1})
    with pytest.raises(ConfigError, match="between 0 and 1"):
        FaultPlan(rates={FaultKind.RESET: 1.1}, rng=np.random.default_rng(0))


def test_excess_is_recorded_and_answered_only_where_the_rules_say_so() -> None:
    with trading() as trader:
        assert {trader.send("GET", "/accounts/812345/positions").status_code for _ in range(3)} == {200}
        assert [each.found for each in trader.fake.rate_violations] == [2, 3]
    with trading(rules=VenueRules(enforce_rate_limits=True)) as trader:
        path = "/accounts/812345/positions"
        assert trader.send("GET", path).status_code == 200
        trader.fake.advance(0.999)
        assert trader.send("GET", path).status_code == 429
        trader.fake.advance(1)
        assert trader.send("GET", path).status_code == 200
        assert trader.send("GET", "/accounts/812345/orders").status_code == 200, "another kind"


@pytest.mark.parametrize(("scope", "status"), [("login", 429), ("account", 200)])
def test_limits_are_shared_by_a_logins_accounts_or_not(scope: str, status: int) -> None:
    rules = VenueRules(enforce_rate_limits=True, rate_scope=scope)  # type: ignore[arg-type]
    with trading(rules=rules) as trader:
        assert trader.send("GET", "/accounts/812345/positions").status_code == 200
        trader.headers["accNum"] = "2"
        assert trader.send("GET", "/accounts/812399/positions").status_code == status


def test_auth_calls_have_a_limit_that_nobody_published() -> None:
    rules = VenueRules(enforce_rate_limits=True, hidden_rate_limits=(RateLimit("AUTH", 2, 60),))
    with trading(rules=rules) as trader:
        assert [trader.login().status_code for _ in range(2)] == [201, 429]
        trader.fake.advance(60)
        assert trader.login().status_code == 201

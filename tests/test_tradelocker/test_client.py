"""What each endpoint sends and gives back."""

import asyncio
import dataclasses
import json
from decimal import Decimal
from itertools import pairwise

import httpx
import pytest

from agv2.core.errors import ConfigError, FinalVenueError, InvariantError
from agv2.core.orders import Side
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.messages import VenueTable
from agv2.tradelocker.payloads import OrderChange, OrderKind, OrderRequest
from tests.test_tradelocker.scripted_venue import (
    CONFIG,
    EURUSD,
    ORDER_TABLE,
    ScriptedVenue,
    a_login,
    columns,
    connected,
    ok,
    order_row,
)

ACCOUNT = "812345"
HERE = f"/trade/accounts/{ACCOUNT}"
QUOTE = ok({"ap": 1.1, "bp": 1.0, "as": 1, "bs": 1})
MINUTE_NS = 60_000_000_000


def listed(*accounts: tuple[str, str, str]) -> httpx.Response:
    """Accounts as (id, number, status)."""
    rows = [{"id": a, "accNum": n, "status": s, "name": f"ABCD#{a}#{n}"} for a, n, s in accounts]
    return httpx.Response(200, json={"accounts": rows})


async def test_the_number_of_the_account_goes_into_the_header_and_its_id_into_the_path(venue: ScriptedVenue) -> None:
    venue.on("GET", "/auth/jwt/all-accounts", listed(("7", "1", "ACTIVE"), ("8", "4", "ACTIVE")))
    venue.on("GET", "/trade/accounts/8/positions", ok({"positions": []}))
    async with connected(venue) as client:
        assert await client.positions("8") == []
        with pytest.raises(FinalVenueError, match="account 9 is none of this login's"):
            await client.positions("9")
        with pytest.raises(InvariantError, match="no id"):
            await client.positions("8/../9")
    assert venue.last("GET", "/trade/accounts/8/positions").headers["accNum"] == "4"


async def test_the_account_is_the_one_named_or_the_only_active_one(venue: ScriptedVenue) -> None:
    venue.on("GET", "/auth/jwt/all-accounts", listed(("7", "1", "CLOSED"), ("8", "4", "ACTIVE"), ("9", "5", "active")))
    async with connected(venue, a_login(acc_num=4)) as client:
        assert (await client.account()).account_id == "8"
    async with connected(venue, a_login(acc_num=2)) as client:
        with pytest.raises(ConfigError, match=r"TL_ACC_NUM 2 is no account of this login; there are 1 \(ABCD#7#1"):
            await client.account()
    async with connected(venue) as client:
        with pytest.raises(ConfigError, match="2 active accounts in this login: set TL_ACC_NUM"):
            await client.account()


async def test_limits_of_the_venue_hold_from_the_first_call_on(venue: ScriptedVenue) -> None:
    slow = {"rateLimitType": "DEPTH", "measure": "SECONDS", "intervalNum": 9, "limit": 1}
    fast = {"rateLimitType": "QUOTES", "measure": "SECONDS", "intervalNum": 1, "limit": 100}
    venue.on("GET", "/trade/config", ok(CONFIG | {"rateLimits": [slow, fast]}))
    venue.on("GET", "/trade/depth", ok({"asks": [], "bids": []}))
    venue.on("GET", "/trade/quotes", QUOTE)
    async with connected(venue) as client:
        await asyncio.gather(*(client.depth(EURUSD) for _ in range(3)), *(client.quote(EURUSD) for _ in range(50)))
    assert all(later - earlier > 9e9 for earlier, later in pairwise(venue.times("GET", "/trade/depth")))
    quotes = venue.times("GET", "/trade/quotes")
    assert quotes[-1] - quotes[0] < 1e9
    assert venue.count("GET", "/trade/config") == 1


async def test_settings_are_read_again_every_hour_and_kept_where_that_fails(venue: ScriptedVenue) -> None:
    venue.on("GET", "/trade/config", ok(CONFIG), httpx.Response(503))
    async with connected(venue, read_budget_s=2.0) as client:
        first = await client.config()
        venue.time.ns += 3601 * 10**9
        assert await client.config() is first
        assert venue.count("GET", "/trade/config") > 1


async def test_columns_that_changed_are_read_again(venue: ScriptedVenue) -> None:
    longer = columns(" ".join([*(each["id"] for each in ORDER_TABLE["columns"]), "brandNew"]))
    venue.on("GET", "/trade/config", ok(CONFIG), ok(CONFIG | {"ordersConfig": longer}))
    venue.on("GET", f"{HERE}/orders", ok({"orders": [[*order_row(), "x"]]}))
    async with connected(venue) as client:
        await client.config()
        venue.time.ns += 60 * 10**9
        (order,) = await client.orders(ACCOUNT)
    assert order.order_id == "7277816997907785466"
    assert venue.count("GET", "/trade/config") == 2


async def test_rows_that_fit_no_columns_are_an_error(venue: ScriptedVenue) -> None:
    venue.on("GET", f"{HERE}/orders", ok({"orders": [["1", "2"]]}))
    async with connected(venue) as client:
        with pytest.raises(FinalVenueError, match="a row has 2 cells, /trade/config names 22"):
            await client.orders(ACCOUNT)


async def test_history_is_asked_for_in_the_venues_words(venue: ScriptedVenue) -> None:
    venue.on("GET", "/trade/history", httpx.Response(200, json={"s": "no_data", "nb": 60_000}))
    async with connected(venue) as client:
        history = await client.price_history(EURUSD, Timeframe.parse("4h"), 100 * MINUTE_NS + 1, 200 * MINUTE_NS + 1)
        assert history.earlier_ns == MINUTE_NS
        with pytest.raises(ConfigError, match="no bars of 3m; it has 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w"):
            await client.price_history(EURUSD, Timeframe.parse("3m"), 0, 1)
        with pytest.raises(InvariantError):
            await client.price_history(EURUSD, Timeframe.parse("1m"), 2, 1)
    asked = venue.last("GET", "/trade/history")
    assert dict(asked.url.params) == {
        "tradableInstrumentId": "278",
        "routeId": "1152263",
        "resolution": "4H",
        "from": "6000001",
        "to": "12000000",
    }


async def test_of_several_info_routes_the_last_that_answers_is_found_once(venue: ScriptedVenue) -> None:
    def by_route(request: httpx.Request) -> httpx.Response:
        alive = request.url.params["routeId"] == "12"
        return httpx.Response(200, content=QUOTE.content) if alive else httpx.Response(404, json={"s": "error"})

    venue.on("GET", "/trade/quotes", by_route)
    venue.on("GET", "/trade/depth", ok({"asks": [], "bids": []}))
    many = dataclasses.replace(EURUSD, info_routes=("11", "12", "13"))
    async with connected(venue) as client:
        await asyncio.gather(*(client.depth(many) for _ in range(3)))
        assert [request.url.params["routeId"] for request in venue.requests if "quotes" in request.url.path] == [
            "13",
            "12",
        ]
        await client.depth(many)
    assert venue.last("GET", "/trade/depth").url.params["routeId"] == "12"
    assert venue.count("GET", "/trade/quotes") == 2


async def test_an_instrument_without_a_living_info_route_is_an_error(venue: ScriptedVenue) -> None:
    venue.on("GET", "/trade/quotes", httpx.Response(404, json={"s": "error", "errmsg": "dead"}))
    async with connected(venue) as client:
        for routes in (("11", "12"), ()):
            with pytest.raises(FinalVenueError, match="EURUSD: no INFO route answers"):
                await client.quote(dataclasses.replace(EURUSD, info_routes=routes))


async def test_a_cut_order_history_is_read_in_parts(venue: ScriptedVenue) -> None:
    created = [str(1_772_445_600_000 + 7 * number) for number in range(40)]
    rows = [order_row(id=str(100 + number), createdDate=stamp) for number, stamp in enumerate(created)]

    def answer(request: httpx.Request) -> httpx.Response:
        first, last = int(request.url.params["from"]), int(request.url.params["to"])
        inside = [row for row, stamp in zip(rows, created, strict=True) if first <= int(stamp) <= last]
        newest = list(reversed(inside))[:6]
        return httpx.Response(200, json={"s": "ok", "d": {"ordersHistory": newest, "hasMore": len(inside) > 6}})

    venue.on("GET", f"{HERE}/ordersHistory", answer)
    async with connected(venue) as client:
        found = await client.orders_history(ACCOUNT, 0, 1_772_445_700_000 * 1_000_000)
        assert {order.order_id for order in found} == {str(100 + number) for number in range(40)}
        rows[:] = [order_row(id=str(number)) for number in range(40)]
        created[:] = [created[0]] * 40
        with pytest.raises(FinalVenueError, match="one millisecond"):
            await client.orders_history(ACCOUNT, 0, 1_772_445_700_000 * 1_000_000)


async def test_every_other_read(venue: ScriptedVenue) -> None:
    venue.on("GET", "/trade/accounts", ok([{"id": ACCOUNT, "riskRules": {"dailyLoss": 5}}]))
    venue.on("GET", f"{HERE}/state", ok({"accountDetailsData": [50000.5, 50001, 2, 3]}))
    venue.on("GET", f"{HERE}/instruments", ok({"instruments": [{"tradableInstrumentId": 1, "name": "X"}]}))
    venue.on("GET", f"{HERE}/executions", ok({"executions": []}))
    venue.on("GET", "/trade/instruments/278", ok({"lotSize": 100000}))
    venue.on("GET", "/trade/dailyBar", ok({"o": 1, "h": 2, "l": 1, "c": 2}))
    venue.on("GET", "/trade/sessions/7", ok({"sessionHours": []}))
    venue.on("GET", "/trade/sessionStatuses/8", ok({"allowedOperations": [1, 1, 0], "allowedOrderTypes": []}))
    async with connected(venue) as client:
        assert (await client.account_rules(ACCOUNT)).risk == {"dailyLoss": 5}
        assert (await client.account_state(ACCOUNT)).equity == 50001
        assert (await client.instruments(ACCOUNT))[0].name == "X"
        assert await client.executions(ACCOUNT) == []
        assert (await client.instrument_details(EURUSD)).lot_size == 100000
        assert (await client.daily_bar(EURUSD, "BID")).high == 2
        assert await client.session_hours(ACCOUNT, "7") == {"sessionHours": []}
        assert (await client.session_status(ACCOUNT, "8")).allowed_operations == (True, True, False)
        assert VenueTable.ORDERS in (await client.config()).columns
    details = venue.last("GET", "/trade/instruments/278")
    assert dict(details.url.params) == {"routeId": "1152263", "locale": "en"}


async def test_writes_send_the_documented_requests(venue: ScriptedVenue) -> None:
    venue.on("POST", f"{HERE}/orders", ok({"orderId": "5"}))
    for method, path in (("PATCH", "/trade/orders/5"), ("DELETE", "/trade/orders/5")):
        venue.on(method, path, httpx.Response(204))
    for method in ("PATCH", "DELETE"):
        venue.on(method, "/trade/positions/6", ok({}))
    async with connected(venue) as client:
        assert await client.place_order(OrderRequest(EURUSD, Side.SHORT, Decimal("0.30"), "s-1")) == "5"
        await client.modify_order(ACCOUNT, "5", OrderChange(OrderKind.LIMIT, price=Decimal("1.2")))
        await client.cancel_order(ACCOUNT, "5")
        await client.modify_position(ACCOUNT, "6", stop_loss=Decimal("1.3"), take_profit=None)
        await client.close_position(ACCOUNT, "6", Decimal("0.10"))
        sent = {
            (request.method, request.url.path.rsplit("/trade/", 1)[-1]): request.content
            for request in venue.requests
            if request.method != "GET" and "/auth/" not in request.url.path
        }
    assert json.loads(sent["POST", f"accounts/{ACCOUNT}/orders"])["qty"] == "0.30"
    assert json.loads(sent["PATCH", "orders/5"]) == {"price": 1.2}
    assert sent["DELETE", "orders/5"] == b""
    assert json.loads(sent["PATCH", "positions/6"]) == {"stopLoss": 1.3, "takeProfit": None}
    assert json.loads(sent["DELETE", "positions/6"]) == {"qty": "0.10"}
    assert venue.last("DELETE", "/trade/positions/6").headers["accNum"] == "1"


async def test_a_client_outside_its_block_says_so(venue: ScriptedVenue) -> None:
    async with connected(venue) as client:
        pass
    with pytest.raises(InvariantError, match="async with"):
        await client.accounts()

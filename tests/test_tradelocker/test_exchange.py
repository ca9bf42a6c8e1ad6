"""Reads that are repeated, writes that never are; faults made to measure."""

import asyncio
import datetime
import email.utils
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise

import httpx
import pytest

from agv2.core.errors import FinalVenueError, RefusedError, RetryableVenueError, UnknownOutcomeError
from agv2.core.orders import Side
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.payloads import OrderRequest
from tests.test_tradelocker.scripted_venue import EURUSD, Answer, ScriptedVenue, connected, ok

ACCOUNT = "812345"
ORDERS = f"/trade/accounts/{ACCOUNT}/orders"
QUOTES = "/trade/quotes"
QUOTE = ok({"ap": 1.08512, "bp": 1.08504, "as": 1.0, "bs": 1.0})
PAGE = httpx.Response(200, text="<html><body>Just a moment...</body></html>")
EDGE = httpx.Response(429, text="error code: 1015")
ORDER = OrderRequest(EURUSD, Side.LONG, Decimal("0.10"), "agv2-1")

Write = Callable[[TradeLockerClient], Awaitable[object]]
WRITES: list[tuple[str, str, Write]] = [
    ("POST", ORDERS, lambda client: client.place_order(ORDER)),
    ("DELETE", "/trade/orders/77", lambda client: client.cancel_order(ACCOUNT, "77")),
    ("PATCH", "/trade/positions/78", lambda client: client.modify_position(ACCOUNT, "78", stop_loss=Decimal("1.07"))),
    ("DELETE", "/trade/positions/78", lambda client: client.close_position(ACCOUNT, "78")),
]


@pytest.mark.parametrize(
    "bad",
    [
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("down"),
        httpx.RemoteProtocolError("dropped"),
        httpx.Response(502, text="<html>bad gateway</html>"),
        httpx.Response(500, json={"s": "error"}),
        httpx.Response(200, content=b'{"s": "ok", "d": {"ap": 1.0'),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b"\xff\xfe"),
        PAGE,
    ],
)
async def test_a_read_is_repeated_until_it_is_answered(venue: ScriptedVenue, bad: Answer) -> None:
    venue.on("GET", QUOTES, bad, bad, QUOTE)
    async with connected(venue) as client:
        quote = await client.quote(EURUSD)
    assert (quote.bid, quote.ask) == (Decimal("1.08504"), Decimal("1.08512"))
    assert venue.count("GET", QUOTES) == 3


async def test_a_read_gives_up_within_its_budget(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, httpx.Response(503))
    async with connected(venue, read_budget_s=4.0) as client:
        start_ns = venue.time.ns
        with pytest.raises(RetryableVenueError, match=r"503; gave up after \d attempts"):
            await client.quote(EURUSD)
    assert 2 <= venue.count("GET", QUOTES) < 8
    assert venue.time.ns - start_ns < 20e9


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"message": "no route"}),
        httpx.Response(403, text="<html>denied</html>"),
        httpx.Response(400),
        httpx.Response(302, headers={"Location": "https://elsewhere.example"}),
        httpx.Response(200, json={"s": "error", "errmsg": "no such instrument"}),
        httpx.Response(200, json={"s": "ok"}),
    ],
)
async def test_a_final_answer_is_not_asked_for_again(venue: ScriptedVenue, answer: Answer) -> None:
    venue.on("GET", QUOTES, answer)
    async with connected(venue) as client:
        with pytest.raises(FinalVenueError):
            await client.quote(EURUSD)
    assert venue.count("GET", QUOTES) == 1


async def test_retry_after_in_seconds_stops_every_call_of_the_login(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, httpx.Response(429, headers={"Retry-After": "17"}), QUOTE)
    venue.on("GET", "/trade/depth", ok({"asks": [], "bids": []}))
    async with connected(venue) as client:
        await client.config()
        await asyncio.gather(client.quote(EURUSD), _later(venue, client))
    refused, answered = venue.times("GET", QUOTES)
    assert answered - refused >= 17e9
    assert venue.times("GET", "/trade/depth")[0] - refused >= 17e9


async def _later(venue: ScriptedVenue, client: TradeLockerClient) -> None:
    await venue.time.sleep(1.0)
    await client.depth(EURUSD)


async def test_retry_after_may_be_a_date(venue: ScriptedVenue) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        until = datetime.datetime.fromtimestamp(venue.time.ns // 10**9 + 30, datetime.UTC)
        return httpx.Response(429, headers={"Retry-After": email.utils.format_datetime(until, usegmt=True)})

    venue.on("GET", QUOTES, refuse, QUOTE)
    async with connected(venue) as client:
        await client.quote(EURUSD)
    refused, answered = venue.times("GET", QUOTES)
    assert 28e9 < answered - refused < 35e9


async def test_pauses_without_retry_after_grow_from_5_to_60_seconds(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, httpx.Response(429))
    async with connected(venue, read_budget_s=400.0) as client:
        with pytest.raises(RetryableVenueError, match="429"):
            await client.quote(EURUSD)
    times = venue.times("GET", QUOTES)
    gaps = [round((b - a) / 1e9) for a, b in pairwise(times)]
    assert gaps == [5, 10, 20, 40, 60, 60, 60]


async def test_the_edge_block_is_left_alone_for_a_minute(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, EDGE, QUOTE)
    async with connected(venue) as client:
        await client.quote(EURUSD)
    refused, answered = venue.times("GET", QUOTES)
    assert answered - refused >= 60e9


async def test_a_pause_beyond_the_budget_fails_at_once(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, httpx.Response(429, headers={"Retry-After": "1800"}))
    async with connected(venue) as client:
        with pytest.raises(RetryableVenueError):
            await client.quote(EURUSD)
        start_ns = venue.time.ns
        with pytest.raises(RetryableVenueError, match="1800 s without requests") as caught:
            await client.quote(EURUSD)
    assert caught.value.retry_after_s == pytest.approx(1800, abs=1)
    assert venue.time.ns == start_ns
    assert venue.count("GET", QUOTES) == 1


@pytest.mark.parametrize(("method", "path", "write"), WRITES)
@pytest.mark.parametrize(
    "bad",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.RemoteProtocolError("dropped"),
        httpx.ReadError("reset"),
        httpx.Response(500, json={"s": "error", "errmsg": "internal"}),
        httpx.Response(504, text="<html>gateway time-out</html>"),
        httpx.Response(429, json={"s": "error", "errmsg": "too many"}),
        httpx.Response(403, text="<html>denied</html>"),
        httpx.Response(401, text="<html>denied</html>"),
        httpx.Response(403, text="error code: 1015"),
        httpx.Response(302, headers={"Location": "/elsewhere"}),
        httpx.Response(409, json={"s": "error"}),
        httpx.Response(200, content=b'{"s":"ok","d":{"orderId":'),
        httpx.Response(200, content=b""),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"s": "no_data"}),
        httpx.Response(200, json={"d": {}}),
        PAGE,
        EDGE,
    ],
)
async def test_a_write_in_doubt_is_sent_once_and_unknown(
    venue: ScriptedVenue, method: str, path: str, write: Write, bad: Answer
) -> None:
    venue.on(method, path, bad)
    async with connected(venue) as client:
        with pytest.raises(UnknownOutcomeError, match="look for"):
            await write(client)
    assert venue.count(method, path) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(204),
        ok({}),
        ok(None),
        ok({"orderId": None}),
        ok({"orderId": ""}),
        ok({"orderId": 7.27e18}),
        ok([]),
    ],
)
async def test_an_accepted_order_without_an_id_is_unknown(venue: ScriptedVenue, answer: Answer) -> None:
    venue.on("POST", ORDERS, answer)
    async with connected(venue) as client:
        with pytest.raises(UnknownOutcomeError, match="agv2-1"):
            await client.place_order(ORDER)


@pytest.mark.parametrize(("method", "path", "write"), WRITES[1:])
@pytest.mark.parametrize("answer", [httpx.Response(204), httpx.Response(200, json={"s": "ok"})])
async def test_cancel_modify_and_close_need_no_body(
    venue: ScriptedVenue, method: str, path: str, write: Write, answer: Answer
) -> None:
    venue.on(method, path, answer)
    async with connected(venue) as client:
        await write(client)
    assert venue.count(method, path) == 1


@pytest.mark.parametrize("whole", ['"7277816997907785466"', "7277816997907785466"])
async def test_an_order_id_beyond_a_float_survives(venue: ScriptedVenue, whole: str) -> None:
    venue.on("POST", ORDERS, httpx.Response(200, content=f'{{"s":"ok","d":{{"orderId":{whole}}}}}'.encode()))
    async with connected(venue) as client:
        assert await client.place_order(ORDER) == "7277816997907785466"


@pytest.mark.parametrize(("method", "path", "write"), WRITES)
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"s": "error", "errmsg": "Not enough margin"}),
        httpx.Response(400, json={"s": "error", "errmsg": "Not enough margin"}),
        httpx.Response(404, json={"message": "Not enough margin"}),
    ],
)
async def test_a_refused_write_is_told_in_the_venues_words(
    venue: ScriptedVenue, method: str, path: str, write: Write, answer: Answer
) -> None:
    venue.on(method, path, answer)
    async with connected(venue) as client:
        with pytest.raises(RefusedError, match="Not enough margin"):
            await write(client)
    assert venue.count(method, path) == 1


@pytest.mark.parametrize(("method", "path", "write"), WRITES)
@pytest.mark.parametrize("lost", [httpx.ConnectError("down"), httpx.ConnectTimeout("slow")])
async def test_a_write_without_a_connection_was_not_carried_out(
    venue: ScriptedVenue, method: str, path: str, write: Write, lost: Exception
) -> None:
    venue.on(method, path, lost)
    async with connected(venue) as client:
        with pytest.raises(RetryableVenueError, match="not sent"):
            await write(client)
    assert venue.count(method, path) == 1


@pytest.mark.parametrize(("method", "path", "write"), WRITES)
async def test_a_write_is_not_sent_after_a_long_wait_for_tokens(
    venue: ScriptedVenue, method: str, path: str, write: Write
) -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        venue.time.ns += 60 * 10**9
        raise httpx.ReadTimeout("slow")

    venue.on("POST", "/auth/jwt/refresh", silent)
    venue.on("GET", QUOTES, QUOTE)
    async with connected(venue) as client:
        await client.quote(EURUSD)
        venue.time.ns += (3600 - 100) * 10**9  # due for a refresh, not over
        with pytest.raises(RetryableVenueError, match="tokens for it came only after 60 s"):
            await write(client)
    assert venue.count(method, path) == 0


async def test_a_write_answered_401_is_not_sent_again_but_the_next_has_a_new_token(venue: ScriptedVenue) -> None:
    venue.on("POST", ORDERS, httpx.Response(401), ok({"orderId": "5"}))
    async with connected(venue) as client:
        with pytest.raises(RetryableVenueError, match="not carried out"):
            await client.place_order(ORDER)
        assert venue.count("POST", ORDERS) == 1
        assert venue.count("POST", "/auth/jwt/refresh") == 1
        assert await client.place_order(ORDER) == "5"
    assert venue.count("POST", "/auth/jwt/refresh") == 1


async def test_a_write_does_not_wait_for_a_pause(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, httpx.Response(429, headers={"Retry-After": "1800"}))
    async with connected(venue) as client:
        with pytest.raises(RetryableVenueError):
            await client.quote(EURUSD)
        with pytest.raises(RetryableVenueError, match="not sent"):
            await client.place_order(ORDER)
    assert venue.count("POST", ORDERS) == 0


async def test_a_write_does_not_wait_long_for_its_turn(venue: ScriptedVenue) -> None:
    venue.on("POST", ORDERS, ok({"orderId": "5"}))
    async with connected(venue, write_wait_s=2.5) as client:
        await client.accounts()
        outcomes = await asyncio.gather(*(client.place_order(ORDER) for _ in range(6)), return_exceptions=True)
    assert [outcome for outcome in outcomes if outcome == "5"] == ["5"] * 3
    assert [type(outcome) for outcome in outcomes[3:]] == [RetryableVenueError] * 3
    assert venue.count("POST", ORDERS) == 3


async def test_a_cancelled_write_stays_cancelled_and_frees_its_turn(venue: ScriptedVenue) -> None:
    venue.on("POST", ORDERS, ok({"orderId": "5"}))
    async with connected(venue) as client:
        await client.place_order(ORDER)
        task = asyncio.create_task(client.place_order(ORDER))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await client.place_order(ORDER) == "5"
    assert venue.count("POST", ORDERS) == 2

"""One sign-in for all, renewed ahead of its end, and an end to trying."""

import asyncio
import json
from decimal import Decimal
from itertools import pairwise

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from agv2.core.errors import FinalVenueError, RetryableVenueError
from agv2.core.orders import Side
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.payloads import OrderRequest
from tests.test_tradelocker.scripted_venue import (
    EMAIL,
    EURUSD,
    PASSWORD,
    ScriptedVenue,
    VirtualTime,
    a_login,
    connected,
    ok,
)

LOGIN, REFRESH = ("POST", "/auth/jwt/token"), ("POST", "/auth/jwt/refresh")
QUOTES = "/trade/quotes"
QUOTE = ok({"ap": 1.1, "bp": 1.0, "as": 1.0, "bs": 1.0})


def takes_only(*numbers: int) -> object:
    """Quotes for those who come with a token of these numbers."""

    def answer(request: httpx.Request) -> httpx.Response:
        known = [f"signature{number}" for number in numbers]
        good = request.headers["Authorization"].rsplit(".", 1)[-1] in known
        return httpx.Response(200, content=QUOTE.content) if good else httpx.Response(401, json={"s": "error"})

    return answer


async def test_the_login_sends_what_the_venue_asks_for(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, QUOTE)
    login = a_login(developer_key=SecretStr("tl-key"))
    async with connected(venue, login) as client:
        await client.quote(EURUSD)
    assert json.loads(venue.last(*LOGIN).content) == {"email": EMAIL, "password": PASSWORD, "server": "ABCD"}
    asked = venue.last("GET", QUOTES)
    assert asked.headers["Authorization"].startswith("Bearer eyJ")
    assert asked.headers["accNum"] == "1"
    assert asked.headers["developer-api-key"] == "tl-key"
    assert dict(asked.url.params) == {"tradableInstrumentId": "278", "routeId": "1152263"}


async def test_many_calls_sign_in_once(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, QUOTE)
    async with connected(venue) as client:
        await asyncio.gather(*(client.quote(EURUSD) for _ in range(20)))
    assert venue.count(*LOGIN) == 1


async def test_many_calls_answered_401_refresh_once(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, QUOTE)
    async with connected(venue) as client:
        await client.quote(EURUSD)
        venue.on("GET", QUOTES, takes_only(2))  # type: ignore[arg-type]  # a callable of the right shape
        await asyncio.gather(*(client.quote(EURUSD) for _ in range(20)))
    assert venue.count(*REFRESH) == 1
    assert venue.count(*LOGIN) == 1
    assert json.loads(venue.last(*REFRESH).content) == {"refreshToken": "refresh-1"}


async def test_a_refused_refresh_is_followed_by_one_login(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, takes_only(2))  # type: ignore[arg-type]
    venue.on(*REFRESH, httpx.Response(400, json={"message": "unknown token"}))
    async with connected(venue) as client:
        await client.quote(EURUSD)
    assert venue.count(*REFRESH) == 1
    assert venue.count(*LOGIN) == 2


async def test_a_refreshed_token_that_is_refused_too_leads_to_one_login(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, takes_only(3))  # type: ignore[arg-type]
    async with connected(venue) as client:
        await client.quote(EURUSD)
    assert venue.count(*REFRESH) == 1
    assert venue.count(*LOGIN) == 2


async def test_after_refresh_and_login_nothing_more_is_sent_until_a_person_signs_in(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, httpx.Response(401))
    async with connected(venue) as client:
        with pytest.raises(FinalVenueError, match="until a person"):
            await client.quote(EURUSD)
        assert (venue.count(*REFRESH), venue.count(*LOGIN)) == (1, 2)
        sent = len(venue.requests)
        with pytest.raises(FinalVenueError, match="until a person"):
            await client.quote(EURUSD)
        with pytest.raises(FinalVenueError, match="until a person"):
            await client.place_order(OrderRequest(EURUSD, Side.LONG, Decimal(1), "s"))
        assert len(venue.requests) == sent
        venue.on("GET", QUOTES, QUOTE)
        await client.sign_in()
        await client.quote(EURUSD)


async def test_twenty_calls_that_nobody_lets_in_stop_after_one_login(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, QUOTE)
    async with connected(venue) as client:
        await client.quote(EURUSD)
        venue.on("GET", QUOTES, httpx.Response(401))
        outcomes = await asyncio.gather(*(client.quote(EURUSD) for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {FinalVenueError}
    assert venue.count(*REFRESH) <= 2
    assert venue.count(*LOGIN) <= 3


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(400, json={"message": f"wrong password {PASSWORD} for {EMAIL.upper()}"}),
        httpx.Response(401),
        httpx.Response(403, text="<html>denied</html>"),
        httpx.Response(404, json={}),
        httpx.Response(200, json={"s": "error", "errmsg": "no such server"}),
    ],
)
async def test_a_refused_password_is_not_sent_again(venue: ScriptedVenue, refusal: httpx.Response) -> None:
    venue.on(*LOGIN, refusal)
    async with connected(venue) as client:
        for _ in range(3):
            with pytest.raises(FinalVenueError, match="until a person") as caught:
                await client.accounts()
            assert PASSWORD not in str(caught.value)
            assert EMAIL not in str(caught.value).lower()
    assert venue.count(*LOGIN) == 1


@pytest.mark.parametrize(
    "weather",
    [
        httpx.Response(503),
        httpx.Response(429),
        httpx.ReadTimeout("slow"),
        httpx.Response(201, text="<html>"),
        httpx.Response(201, json={"accessToken": "only"}),
        httpx.Response(201, json={"accessToken": "two\nlines", "refreshToken": "é"}),
    ],
)
async def test_bad_weather_at_the_door_is_waited_out(venue: ScriptedVenue, weather: httpx.Response) -> None:
    venue.on(*LOGIN, weather, venue.new_tokens)
    async with connected(venue) as client:
        assert [account.acc_num for account in await client.accounts()] == [1]
    assert venue.count(*LOGIN) == 2


async def test_a_token_is_refreshed_before_it_ends(venue: ScriptedVenue) -> None:
    venue.life_s = 3600.0
    venue.on("GET", QUOTES, QUOTE)
    async with connected(venue) as client:
        await client.quote(EURUSD)
        venue.time.ns += 3475 * 10**9
        await client.quote(EURUSD)
        assert venue.count(*REFRESH) == 0
        venue.time.ns += 10 * 10**9
        await asyncio.gather(*(client.quote(EURUSD) for _ in range(5)))
    assert venue.count(*REFRESH) == 1


async def test_short_lived_tokens_do_not_mean_a_refresh_a_call(venue: ScriptedVenue) -> None:
    venue.life_s = 60.0
    venue.on("GET", QUOTES, QUOTE)
    async with connected(venue) as client:
        for _ in range(10):
            await client.quote(EURUSD)
            venue.time.ns += 10 * 10**9
    assert venue.count(*REFRESH) == 1


async def test_a_wrong_clock_of_ours_does_not_mean_a_refresh_a_call(venue: ScriptedVenue) -> None:
    def tokens(_: httpx.Request) -> httpx.Response:
        venue.time.ns -= 5 * 3600 * 10**9
        try:
            return venue.new_tokens(_)
        finally:
            venue.time.ns += 5 * 3600 * 10**9

    venue.on(*LOGIN, tokens)
    venue.on("GET", QUOTES, QUOTE)
    async with connected(venue) as client:
        for _ in range(5):
            await client.quote(EURUSD)
    assert venue.count(*REFRESH) == 0


async def test_a_refresh_ahead_that_fails_leaves_the_token_in_use(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, QUOTE)
    venue.on(*REFRESH, httpx.Response(503), venue.new_tokens)
    async with connected(venue) as client:
        await client.quote(EURUSD)
        venue.time.ns += 3500 * 10**9
        await client.quote(EURUSD)
        await client.quote(EURUSD)
        assert venue.count(*REFRESH) == 1
        venue.time.ns += 40 * 10**9
        await client.quote(EURUSD)
    assert venue.count(*REFRESH) == 2


async def test_an_ended_token_that_cannot_be_refreshed_stops_a_write_before_it_is_sent(venue: ScriptedVenue) -> None:
    venue.on("GET", QUOTES, QUOTE)
    venue.on(*REFRESH, httpx.Response(503))
    async with connected(venue) as client:
        await client.quote(EURUSD)
        venue.time.ns += 4000 * 10**9
        with pytest.raises(RetryableVenueError):
            await client.place_order(OrderRequest(EURUSD, Side.LONG, Decimal(1), "s"))
    assert venue.count("POST", "/trade/accounts/812345/orders") == 0


async def test_an_opaque_token_is_used_until_it_is_refused(venue: ScriptedVenue) -> None:
    venue.on(*LOGIN, httpx.Response(201, json={"accessToken": "opaque", "refreshToken": "r"}))
    venue.on("GET", QUOTES, QUOTE)
    async with connected(venue) as client:
        await client.quote(EURUSD)
        venue.time.ns += 10**15
        await client.quote(EURUSD)
    assert venue.count(*REFRESH) == 0


async def test_two_clients_of_one_login_share_tokens_and_limits(time: VirtualTime, venue: ScriptedVenue) -> None:
    venue.on("GET", "/trade/depth", ok({"asks": [], "bids": []}))
    async with httpx.AsyncClient(transport=httpx.MockTransport(venue)) as http:
        clients = [
            TradeLockerClient(
                a_login(),
                clock=time,
                rng=np.random.default_rng(seed),
                http=http,
                monotonic_ns=time.monotonic_ns,
                sleep=time.sleep,
            )
            for seed in range(2)
        ]
        async with clients[0], clients[1]:
            await asyncio.gather(*(client.depth(EURUSD) for client in clients for _ in range(3)))
    assert venue.count(*LOGIN) == 1
    times = venue.times("GET", "/trade/depth")
    assert all(later - earlier > 10**9 for earlier, later in pairwise(times))

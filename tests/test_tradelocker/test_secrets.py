"""Nothing that is printed holds a password, a token or an email."""

import asyncio
import io
import logging
import traceback
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pytest
import structlog

from agv2.core.errors import AGV2Error
from agv2.core.orders import Side
from agv2.tradelocker.auth import TokenKeeper
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.payloads import OrderRequest
from agv2.tradelocker.tokens import token_pair
from agv2.utils.clock import SystemClock
from agv2.utils.logging_config import configure_logging
from tests.test_tradelocker.scripted_venue import (
    EMAIL,
    EURUSD,
    PASSWORD,
    Answer,
    ScriptedVenue,
    a_login,
    connected,
    jwt,
    ok,
)

LEAKS = [PASSWORD, EMAIL, "signature1", "signature2", "refresh-1", "refresh-2"]


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that hangs on it, suppressed or not."""
    waiting: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while waiting:
        each = waiting.pop()
        if each is not None and each not in seen:
            seen.append(each)
            waiting += [each.__cause__, each.__context__]
    yield from seen


def everything_said(error: BaseException) -> str:
    """Text of the errors with their tracebacks, and of the local variables of every frame of ours and of httpx."""
    parts = []
    for each in chain(error):
        parts += [repr(each), str(each), *traceback.format_exception(each)]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if "/agv2/" in frame.f_code.co_filename or "/httpx/" in frame.f_code.co_filename:
                parts += [repr(value) for value in frame.f_locals.values()]
    return "\n".join(parts)


def echo(request: httpx.Request) -> httpx.Response:
    """A careless venue: it says back what it was sent."""
    said = f"bad request: {request.content.decode()} {request.headers.get('Authorization')}"
    return httpx.Response(400, json={"s": "error", "errmsg": said})


FAULTS: list[Answer] = [
    echo,
    httpx.Response(401),
    httpx.Response(403, text="<html>"),
    httpx.Response(500),
    httpx.Response(200, content=b"{"),
    httpx.Response(201, json={"accessToken": jwt(1)}),
    httpx.ReadTimeout("slow"),
    httpx.LocalProtocolError(f"Illegal header value b'Bearer {jwt(1)}'"),
    httpx.ConnectError(f"{EMAIL} {PASSWORD}"),
]


@pytest.mark.parametrize("where", ["/auth/jwt/token", "/auth/jwt/refresh", "/trade/accounts/812345/orders"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_error_log_or_traceback_holds_a_secret(
    venue: ScriptedVenue, where: str, fault: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    venue.on("POST", where, fault)
    venue.on("GET", "/trade/quotes", httpx.Response(401), ok({"ap": 1.1, "bp": 1.0, "as": 1, "bs": 1}))
    output = io.StringIO()
    configure_logging(stream=output, level="DEBUG")
    for name in ("", "httpx", "httpcore"):  # whatever their levels were
        caplog.set_level(logging.DEBUG, name)
    errors: list[AGV2Error] = []
    try:
        async with connected(venue, read_budget_s=3.0) as client:
            for call in (client.quote(EURUSD), client.place_order(OrderRequest(EURUSD, Side.LONG, Decimal(1), "s"))):
                try:
                    await call
                except AGV2Error as error:
                    errors.append(error)
            said = [*(everything_said(error) for error in errors), repr(client), repr(vars(client)), output.getvalue()]
    finally:
        structlog.reset_defaults()
    text = "\n".join([*said, caplog.text])
    assert errors
    assert "HTTP Request" in caplog.text or isinstance(fault, Exception), "httpx logs addresses: they are looked at too"
    assert [leak for leak in LEAKS if leak in text] == []


async def test_an_error_hangs_on_no_other_error(venue: ScriptedVenue) -> None:
    venue.on("POST", "/auth/jwt/token", httpx.ReadTimeout("slow"))
    async with connected(venue, read_budget_s=3.0) as client:
        with pytest.raises(AGV2Error) as caught:
            await client.accounts()
    assert list(chain(caught.value)) == [caught.value]


def test_login_tokens_and_keeper_hide_themselves() -> None:
    login = a_login()
    pair = token_pair({"accessToken": jwt(1), "refreshToken": "refresh-1"}, 0)
    text = repr(login) + str(login) + repr(pair) + repr(TokenKeeper(login)) + repr(login.secrets)
    assert pair is not None
    assert [leak for leak in LEAKS if leak in text] == []


async def test_a_real_failed_connection_shows_no_secret() -> None:
    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    settings: dict[str, Any] = {"clock": SystemClock(), "rng": np.random.default_rng(0), "sleep": at_once}
    async with TradeLockerClient(a_login(address="http://127.0.0.1:1"), read_budget_s=1.0, **settings) as client:
        with pytest.raises(AGV2Error, match="ConnectError") as caught:
            await client.accounts()
    assert [leak for leak in LEAKS if leak in everything_said(caught.value)] == []

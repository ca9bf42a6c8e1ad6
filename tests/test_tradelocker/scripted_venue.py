"""A venue that answers from a script, and a time that passes only while everybody waits."""

import asyncio
import base64
import heapq
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
from pydantic import SecretStr

from agv2.tradelocker.auth import TokenKeeper
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.messages import VenueInstrument
from agv2.tradelocker.rate_limiter import RateLimiter
from agv2.tradelocker.session import LoginSession

__all__ = [
    "CONFIG",
    "EMAIL",
    "EURUSD",
    "ORDER_TABLE",
    "PASSWORD",
    "START_NS",
    "Answer",
    "ScriptedVenue",
    "VirtualTime",
    "a_login",
    "columns",
    "connected",
    "jwt",
    "ok",
    "order_row",
]

EMAIL = "trader@example.org"
PASSWORD = "correct horse 'battery'"
START_NS = 1_772_445_600_000_000_000

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def columns(names: str) -> dict[str, Any]:
    """A table of `/trade/config`."""
    return {"columns": [{"id": name, "description": ""} for name in names.split()]}


ORDER_TABLE = columns(
    "id tradableInstrumentId routeId qty side type status filledQty avgPrice price stopPrice validity expireDate "
    "createdDate lastModified isOpen positionId stopLoss stopLossType takeProfit takeProfitType strategyId"
)
CONFIG: dict[str, Any] = {
    "customerAccess": {},
    "ordersConfig": ORDER_TABLE,
    "ordersHistoryConfig": ORDER_TABLE,
    "positionsConfig": columns(
        "id tradableInstrumentId routeId side qty avgPrice stopLossId takeProfitId openDate unrealizedPl strategyId"
    ),
    "filledOrdersConfig": columns("id price side createdDate qty orderId positionId tradableInstrumentId"),
    "accountDetailsConfig": columns("balance projectedBalance availableFunds openNetPnL"),
    "rateLimits": [{"rateLimitType": "QUOTES", "measure": "SECONDS", "intervalNum": 1, "limit": 10}],
    "limits": [{"limitType": "QUOTES_HISTORY_BARS", "limit": 5000}],
}
EURUSD = VenueInstrument("812345", "278", "EURUSD", None, "FOREX", "BID", ("1152263",), ("452",))


def a_login(**changes: Any) -> TradeLockerLogin:
    """A login at an address where nobody listens."""
    parts: dict[str, Any] = {
        "address": "http://127.0.0.1:9",
        "email": SecretStr(EMAIL),
        "password": SecretStr(PASSWORD),
        "server": "ABCD",
    }
    return TradeLockerLogin(**(parts | changes))


def jwt(number: int, *, life_s: float = 3600.0, issued_ns: int = START_NS) -> str:
    """An access token that nobody signed."""
    claims = {"iat": issued_ns // 10**9, "exp": issued_ns / 1e9 + life_s, "number": number}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{middle}.signature{number}"


def ok(data: Any) -> httpx.Response:
    """A good answer."""
    return httpx.Response(200, json={"s": "ok", "d": data})


def order_row(**cells: str | None) -> list[str | None]:
    """A row of the orders table."""
    values: dict[str, str | None] = {
        "id": "7277816997907785466", "tradableInstrumentId": "278", "routeId": "452", "qty": "0.10", "side": "buy",
        "type": "market", "status": "Filled", "filledQty": "0.10", "avgPrice": "1.08512", "price": "1.08512",
        "stopPrice": "0", "validity": "IOC", "expireDate": None, "createdDate": "1772445600123",
        "lastModified": "1772445600456", "isOpen": "false", "positionId": "7277816997846856994",
        "stopLoss": "1.0790", "stopLossType": "absolute", "takeProfit": "1.0950", "takeProfitType": "absolute",
        "strategyId": "agv2-20260302-000123",
    }  # fmt: skip
    return [(values | cells)[each["id"]] for each in ORDER_TABLE["columns"]]


class VirtualTime:
    """A clock, a monotonic reading and a sleep that belong together; sleeping takes no time of ours."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self.ns = start_ns
        self.slept: list[float] = []
        self._waiting: list[tuple[int, int]] = []
        self._number = 0

    def now_ns(self) -> int:
        return self.ns

    def sleep_until(self, ts_ns: int) -> None:
        self.ns = max(self.ns, ts_ns)

    def monotonic_ns(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        """Wait until the others have had their turns and this is the earliest moment anybody waits for."""
        self.slept.append(seconds)
        self._number += 1
        mine = (self.ns + max(0, round(seconds * 1e9)), self._number)
        heapq.heappush(self._waiting, mine)
        try:
            while True:
                for _ in range(200):
                    await asyncio.sleep(0)
                if self._waiting[0] == mine:
                    self.ns = max(self.ns, mine[0])
                    return
        finally:
            self._waiting.remove(mine)
            heapq.heapify(self._waiting)


class ScriptedVenue:
    """Answers each path from its script, the last answer for ever; signs in and lists one account by itself."""

    def __init__(self, time: VirtualTime) -> None:
        self.time = time
        self.requests: list[httpx.Request] = []
        self.sent_ns: list[int] = []
        self.life_s = 3600.0
        self.tokens = 0
        self._script: dict[tuple[str, str], list[Answer]] = {
            ("POST", "/auth/jwt/token"): [self.new_tokens],
            ("POST", "/auth/jwt/refresh"): [self.new_tokens],
            ("GET", "/auth/jwt/all-accounts"): [
                httpx.Response(
                    200,
                    json={
                        "accounts": [
                            {"id": "812345", "name": "ABCD#812345#1", "currency": "USD", "accNum": "1",
                             "accountBalance": "50000.00", "status": "ACTIVE"},
                        ]
                    },
                )
            ],
            ("GET", "/trade/config"): [ok(CONFIG)],
        }  # fmt: skip

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """From now on `path` is answered so."""
        self._script[method, path] = list(answers)

    def new_tokens(self, request: httpx.Request) -> httpx.Response:
        self.tokens += 1
        access = jwt(self.tokens, life_s=self.life_s, issued_ns=self.time.ns)
        return httpx.Response(201, json={"accessToken": access, "refreshToken": f"refresh-{self.tokens}"})

    def count(self, method: str, path: str) -> int:
        """How often `path` was asked."""
        return len(self.times(method, path))

    def times(self, method: str, path: str) -> list[int]:
        """When `path` was asked."""
        return [
            sent
            for request, sent in zip(self.requests, self.sent_ns, strict=True)
            if request.method == method and request.url.path == f"/backend-api{path}"
        ]

    def last(self, method: str, path: str) -> httpx.Request:
        """The last request of `path`."""
        return [r for r in self.requests if r.method == method and r.url.path == f"/backend-api{path}"][-1]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.sent_ns.append(self.time.ns)
        key = request.method, request.url.path.removeprefix("/backend-api")
        await asyncio.sleep(0)  # others get their turn, as on a network
        if key not in self._script:
            return httpx.Response(404, json={"s": "error", "errmsg": f"no script for {key}"})
        answers = self._script[key]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else _copy(answer)


def _copy(response: httpx.Response) -> httpx.Response:
    headers = {key: value for key, value in response.headers.items() if key != "content-length"}
    return httpx.Response(response.status_code, headers=headers, content=response.content)


@asynccontextmanager
async def connected(
    venue: ScriptedVenue, login: TradeLockerLogin | None = None, session: LoginSession | None = None, **settings: Any
) -> AsyncIterator[TradeLockerClient]:
    """A client of the scripted venue, with a session of its own unless one is given."""
    time = venue.time
    login = login or a_login()
    if session is None:
        limiter = RateLimiter(monotonic_ns=time.monotonic_ns, sleep=time.sleep)
        session = LoginSession(limiter, TokenKeeper(login))
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(venue)) as http,
        TradeLockerClient(
            login,
            clock=time,
            rng=np.random.default_rng(0),
            http=http,
            session=session,
            monotonic_ns=time.monotonic_ns,
            sleep=time.sleep,
            **settings,
        ) as client,
    ):
        yield client

"""Signing in: one pair of tokens a login, renewed by one caller while the others wait, and an end to trying."""

import asyncio
from typing import Any, Literal

import httpx
import structlog
from pydantic import SecretStr

from agv2.core.errors import FinalVenueError, RefusedError, RetryableVenueError
from agv2.tradelocker.envelope import said
from agv2.tradelocker.json_values import parse_json
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.rate_limiter import Call
from agv2.tradelocker.tokens import TokenPair, token_pair
from agv2.tradelocker.wire import Lost, Reply, Wire

__all__ = ["TokenKeeper"]

_TRY_LATER = (408, 425, 429)
_POSTPONED_NS = 30_000_000_000
_LONGEST_PAUSE_S = 90.0


class TokenKeeper:
    """The tokens of one login, for all clients of it in one event loop.

    A call that is answered 401 renews: by refresh the first time, by password the second, and the third time the
    door closes. So it does when the venue refuses the password. From then on every call fails at once until a
    person calls `sign_in`: repeating a wrong password locks accounts.
    """

    def __init__(self, login: TradeLockerLogin) -> None:
        self._login = login
        self._pair: TokenPair | None = None
        self._closed: str | None = None
        self._lock = asyncio.Lock()

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """What no text may contain: of the login and of the present pair."""
        pair = self._pair
        return self._login.secrets if pair is None else (*self._login.secrets, pair.access, pair.refresh)

    async def sign_in(self, wire: Wire) -> None:
        """Open the door again and sign in with the password: what a person does after an alarm.

        Raises:
            FinalVenueError: the venue refuses.
            RetryableVenueError: the venue cannot be reached or is not well.
        """
        async with self._lock:
            self._closed = None
            await self._log_in(wire)

    async def current(self, wire: Wire) -> TokenPair:
        """The pair to use now, refreshed ahead of its end.

        Raises:
            FinalVenueError: the door is closed.
            RetryableVenueError: there is no usable pair, and the venue cannot give one now.
        """
        self._require_open()
        pair, now_ns = self._pair, wire.clock.now_ns()
        if pair is not None and (not pair.is_due(now_ns) or (self._lock.locked() and not pair.is_over(now_ns))):
            return pair
        async with self._lock:
            self._require_open()
            if self._pair is None:
                return await self._log_in(wire)
            if not self._pair.is_due(wire.clock.now_ns()):
                return self._pair
            return await self._refresh_ahead(self._pair, wire)

    async def renew(self, refused: TokenPair, times: int, wire: Wire) -> None:
        """The venue answered 401 to `refused`; return when there is another pair.

        Args:
            refused: the pair that was sent.
            times: 1 for the first 401 of a call, one more for each that came after a renewal.
            wire: what to ask through.

        Raises:
            FinalVenueError: the door is, or is now, closed.
            RetryableVenueError: the venue cannot give a pair now.
        """
        async with self._lock:
            self._require_open()
            if times > 2:
                raise self._close("the venue answers 401 even to new tokens")
            if self._pair is not refused:
                return  # somebody else has renewed it meanwhile
            if times == 2 or not await self._refresh(refused, wire):
                await self._log_in(wire)

    async def _refresh_ahead(self, pair: TokenPair, wire: Wire) -> TokenPair:
        problem: RetryableVenueError | None = None
        try:
            if not await self._refresh(pair, wire):
                return await self._log_in(wire)
        except RetryableVenueError as error:
            problem = error
        if problem is None:
            assert self._pair is not None
            return self._pair
        now_ns = wire.clock.now_ns()
        if pair.is_over(now_ns):
            raise RetryableVenueError(str(problem), problem.retry_after_s)
        self._pair = TokenPair(pair.access, pair.refresh, now_ns + _POSTPONED_NS, pair.expires_ns)
        return self._pair

    async def _refresh(self, pair: TokenPair, wire: Wire) -> bool:
        """Whether the venue gave a new pair for the refresh token."""
        try:
            # Dead already if this very call was lost on its way back: then the venue refuses and a login follows.
            self._pair = await self._ask("refresh", {"refreshToken": pair.refresh}, wire)
        except RefusedError:
            return False
        structlog.get_logger().info("venue session refreshed")
        return True

    async def _log_in(self, wire: Wire) -> TokenPair:
        body = {
            "email": self._login.email,
            "password": self._login.password,
            "server": SecretStr(self._login.server),
        }
        try:
            self._pair = await self._ask("token", body, wire)
        except RefusedError as error:
            problem = str(error)
        else:
            structlog.get_logger().info("signed in at the venue", address=self._login.address)
            return self._pair
        self._pair = None
        raise self._close(problem)

    async def _ask(self, what: Literal["token", "refresh"], body: dict[str, SecretStr], wire: Wire) -> TokenPair:
        await wire.limiter.acquire(Call.AUTH, max_pause_s=_LONGEST_PAUSE_S)
        reply = await wire.send(self._request(what, body, wire))
        name = "sign-in" if what == "token" else "refresh"
        return self._pair_in(reply, name, wire)

    def _request(self, what: str, body: dict[str, SecretStr], wire: Wire) -> httpx.Request:
        """In a frame of its own, left before anything can fail: no traceback shows the plain body."""
        plain = {key: value.get_secret_value() for key, value in body.items()}
        return wire.http.build_request("POST", f"{self._login.address}/auth/jwt/{what}", json=plain)

    def _pair_in(self, reply: Reply | Lost, name: str, wire: Wire) -> TokenPair:
        if isinstance(reply, Lost):
            raise RetryableVenueError(
                f"{name} at {self._login.address}: {reply.why}; is TL_ENVIRONMENT right, and the network up?"
            )
        if reply.is_too_fast or reply.status in _TRY_LATER or reply.status >= 500:
            raise RetryableVenueError(f"{name}: the venue answered {reply.status}", reply.retry_after_s or 0.0)
        if not 200 <= reply.status < 300:
            raise RefusedError(f"{name} refused ({reply.status}): {self._reason(reply)}")
        found = self._found(reply, wire.clock.now_ns())
        if found == "error":
            raise RefusedError(f"{name} refused: {self._reason(reply)}")
        if not isinstance(found, TokenPair):
            raise RetryableVenueError(f"{name}: the answer holds no tokens")
        return found

    @staticmethod
    def _found(reply: Reply, now_ns: int) -> TokenPair | str | None:
        """The pair, or the word `error` where the venue says so; left before anything is raised."""
        try:
            answer = parse_json(reply.content)
        except RetryableVenueError:
            return None
        if isinstance(answer, dict) and answer.get("s") == "error":
            return "error"
        return token_pair(answer, now_ns)

    def _reason(self, reply: Reply) -> str:
        if reply.is_page:
            return "a page of the network edge; check TL_ENVIRONMENT and TL_SERVER"
        try:
            answer: Any = parse_json(reply.content)
        except RetryableVenueError:
            answer = None
        reason = said(answer if isinstance(answer, dict) else {}, self.secrets)
        return f"{reason}; check TL_EMAIL, TL_PASSWORD, TL_SERVER and TL_ENVIRONMENT"

    def _require_open(self) -> None:
        if self._closed is not None:
            raise FinalVenueError(self._closed)

    def _close(self, problem: str) -> FinalVenueError:
        self._closed = f"not signed in at the venue: {problem}; nothing more is sent until a person signs in again"
        structlog.get_logger().error("venue login stopped", problem=problem)
        return FinalVenueError(self._closed)

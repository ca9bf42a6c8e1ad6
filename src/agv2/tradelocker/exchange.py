"""Reads that may be repeated and writes that never are.

A read is tried again, with jitter and within a budget, after time-outs, dropped connections, 5xx, "too fast",
malformed JSON and pages of the network edge. A write is sent once, and it ends in one of four ways:

accepted              the venue said `ok`, or 204 where nothing else is needed
RefusedError          the venue said `error`, or a 4xx in words of its backend: not carried out
RetryableVenueError   not carried out either: no connection was made, its turn never came, or the token was not taken
                      (401: by RFC 9110 such a request "has not been applied"). The caller may decide anew
UnknownOutcomeError   everything else, 429 included: what lies between the edge and the order book is not documented,
                      and looking costs a second where guessing costs a second position

A cancelled write (CancelledError) is as unknown as a lost one: the caller knows that it cancelled.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import structlog

from agv2.core.errors import FinalVenueError, RefusedError, RetryableVenueError, UnknownOutcomeError, VenueError
from agv2.tradelocker.auth import TokenKeeper
from agv2.tradelocker.envelope import said
from agv2.tradelocker.json_values import parse_json
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.rate_limiter import Call, Sleep
from agv2.tradelocker.tokens import TokenPair
from agv2.tradelocker.wire import Lost, Reply, Wire

__all__ = ["Exchange", "VenueCall"]

_SAID_AT_ATTEMPT = 2
_MOST_ATTEMPTS = 8
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 8.0
_UNAUTHORIZED = 401
_NO_CONTENT = 204
_REFUSALS = (400, 403, 404, 405, 410, 413, 415, 422)
_PASSING = (408, 425)


@dataclass(frozen=True, slots=True)
class VenueCall:
    """One request, without the token."""

    call: Call
    method: str
    path: str
    acc_num: int | None = None
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """For errors and logs."""
        return f"{self.call} {self.path}"


class Exchange:
    """Carries out `VenueCall`s for one login.

    Args:
        login: who calls.
        keeper: its tokens.
        wire: what to send through.
        rng: spreads the retries of programs that failed together.
        sleep: waits that many seconds.
        read_budget_s: longest time from the first failure of a read to its last retry.
        write_wait_s: longest wait of a write for tokens and its turn: an order decided a minute ago is another order.
    """

    def __init__(
        self,
        login: TradeLockerLogin,
        keeper: TokenKeeper,
        wire: Wire,
        *,
        rng: np.random.Generator,
        sleep: Sleep = asyncio.sleep,
        read_budget_s: float = 180.0,
        write_wait_s: float = 5.0,
    ) -> None:
        self._login = login
        self._keeper = keeper
        self._wire = wire
        self._rng = rng
        self._sleep = sleep
        self._read_budget_s = read_budget_s
        self._write_wait_s = write_wait_s

    async def read(self, call: VenueCall) -> dict[str, Any]:
        """The JSON object that answers `call`.

        Raises:
            RetryableVenueError: the budget is spent; the last failure is told.
            RefusedError: the venue says `error`.
            FinalVenueError: the answer will not change, or nobody is signed in.
        """
        attempts, renewals = 0, 0
        first_failure_ns: int | None = None
        while True:
            try:
                pair, reply = await self._ask(call)
                if reply.status != _UNAUTHORIZED:
                    answer = self._answer(call, reply)
                    if isinstance(answer, VenueError):
                        raise answer
                    return answer
                await self._keeper.renew(pair, renewals + 1, self._wire)
                renewals += 1
                continue
            except RetryableVenueError as error:
                problem, asked_s = str(error), error.retry_after_s
            attempts += 1
            now_ns = self._wire.monotonic_ns()
            first_failure_ns = now_ns if first_failure_ns is None else first_failure_ns
            wait_s = max(asked_s, self._backoff_s(attempts))
            spent_s = (now_ns - first_failure_ns) / 1e9
            if attempts >= _MOST_ATTEMPTS or spent_s + wait_s > self._read_budget_s:
                break
            # One failure is weather; whoever waits for the third attempt should know what for.
            log = structlog.get_logger().warning if attempts == _SAID_AT_ATTEMPT else structlog.get_logger().debug
            log("the venue does not answer as it should; trying again", problem=problem, attempt=attempts)
            await self._sleep(wait_s)
        raise RetryableVenueError(f"{problem}; gave up after {attempts} attempts in {spent_s:.0f} s", asked_s)

    async def write(self, call: VenueCall) -> dict[str, Any] | None:
        """Send `call` once; its answer, or None where the venue said yes without one.

        Raises:
            RefusedError: the venue said no; nothing was carried out.
            RetryableVenueError: nothing was carried out, for another reason.
            UnknownOutcomeError: it may have been carried out.
            FinalVenueError: nobody is signed in; nothing was carried out.
        """
        if (pause_s := self._wire.limiter.pause_left_s()) > self._write_wait_s:
            raise RetryableVenueError(f"{call.name}: not sent, the venue wants {pause_s:.0f} s of rest", pause_s)
        asked_ns = self._wire.monotonic_ns()
        await self._keeper.current(self._wire)
        spent_s = (self._wire.monotonic_ns() - asked_ns) / 1e9
        if spent_s > self._write_wait_s:
            raise RetryableVenueError(f"{call.name}: not sent, tokens for it came only after {spent_s:.0f} s")
        await self._wire.limiter.acquire(call.call, max_wait_s=self._write_wait_s - spent_s)
        pair = await self._keeper.current(self._wire)
        reply = await self._wire.send(self._request(call, pair))
        if isinstance(reply, Lost):
            if not reply.was_sent:
                raise RetryableVenueError(f"{call.name}: not sent, no connection ({reply.why})")
            raise _unknown(call, reply.why)
        if reply.status == _UNAUTHORIZED and not reply.is_page:
            await self._renew_after_write(call, pair)
        outcome = self._outcome(call, reply)
        if isinstance(outcome, VenueError):
            raise outcome
        return outcome

    async def _renew_after_write(self, call: VenueCall, pair: TokenPair) -> None:
        """Tokens for the next call; the write itself is not sent again."""
        remark = ""
        try:
            await self._keeper.renew(pair, 1, self._wire)
        except RetryableVenueError as error:
            remark = f"; {error}"
        raise RetryableVenueError(f"{call.name}: not carried out, the token was not taken (401){remark}")

    def _outcome(self, call: VenueCall, reply: Reply) -> dict[str, Any] | VenueError | None:
        """Returned, not raised: no traceback shows what a careless venue says back."""
        if reply.status == _NO_CONTENT:
            return None
        if reply.is_page:
            return _unknown(call, f"a page of the network edge, status {reply.status}")
        answer: Any = None
        problem = f"status {reply.status}"
        if reply.status in _REFUSALS and not reply.content.strip():
            answer = {}
        else:
            try:
                answer = parse_json(reply.content)
            except RetryableVenueError as error:
                problem += f", {error}"
        if isinstance(answer, dict):
            taken = 200 <= reply.status < 300
            if taken and answer.get("s") == "ok":
                return answer
            if (taken and answer.get("s") == "error") or (reply.status in _REFUSALS and not reply.is_too_fast):
                reason = said(answer, self._keeper.secrets)
                return RefusedError(f"{call.name}: the venue refused ({reply.status}): {reason}")
        return _unknown(call, problem)

    async def _ask(self, call: VenueCall) -> tuple[TokenPair, Reply]:
        await self._keeper.current(self._wire)  # before the turn: a refresh between turn and sending bunches calls
        await self._wire.limiter.acquire(call.call, max_pause_s=self._read_budget_s)
        pair = await self._keeper.current(self._wire)
        reply = await self._wire.send(self._request(call, pair))
        if isinstance(reply, Lost):
            raise RetryableVenueError(f"{call.name}: {reply.why}")
        return pair, reply

    def _answer(self, call: VenueCall, reply: Reply) -> dict[str, Any] | VenueError:
        """Returned, not raised, as in `_outcome`."""
        told = f"{call.name}: the venue answered {reply.status}"
        if reply.is_too_fast or reply.status in _PASSING or reply.status >= 500:
            return RetryableVenueError(told, reply.retry_after_s or 0.0)
        if not 200 <= reply.status < 300:
            return FinalVenueError(f"{told}: {self._reason(reply)}")
        if reply.is_page:
            return RetryableVenueError(f"{told} with a page of the network edge")
        answer = parse_json(reply.content)
        if not isinstance(answer, dict):
            return RetryableVenueError(f"{told} with something that is no object")
        if answer.get("s") == "error":
            return RefusedError(f"{call.name}: the venue refused: {said(answer, self._keeper.secrets)}")
        return answer

    def _reason(self, reply: Reply) -> str:
        if 300 <= reply.status < 400:
            return "a redirection; check TL_ENVIRONMENT"
        if reply.is_page:
            return "a page of the network edge; check TL_ENVIRONMENT, and do not hurry"
        try:
            answer = parse_json(reply.content)
        except RetryableVenueError:
            answer = None
        return said(answer if isinstance(answer, dict) else {}, self._keeper.secrets)

    def _request(self, call: VenueCall, pair: TokenPair) -> httpx.Request:
        """In a frame of its own: no later traceback shows the plain token, and httpx hides it in its own `repr`."""
        headers = {"Authorization": f"Bearer {pair.access.get_secret_value()}", "Accept": "application/json"}
        if call.acc_num is not None:
            headers["accNum"] = str(call.acc_num)
        if self._login.developer_key is not None:
            headers["developer-api-key"] = self._login.developer_key.get_secret_value()
        return self._wire.http.build_request(
            call.method, f"{self._login.address}{call.path}", params=call.params, headers=headers, json=call.body
        )

    def _backoff_s(self, attempts: int) -> float:
        longest = min(_FIRST_BACKOFF_S * 2**attempts, _LONGEST_BACKOFF_S)
        return float(self._rng.uniform(longest / 2, longest))


def _unknown(call: VenueCall, why: str) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"{call.name}: sent, outcome unknown ({why}); look for it in positions, orders and order history"
    )

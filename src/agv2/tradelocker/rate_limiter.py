"""How often each call may be made: one limiter a login, first come, first served."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from agv2.core.errors import RetryableVenueError

__all__ = ["Call", "RateLimit", "RateLimiter"]

Sleep = Callable[[float], Awaitable[None]]

_NS = 1_000_000_000
_TURN_NS = 2_000_000
_SHORTEST_PENALTY_S = 5.0
_LONGEST_PENALTY_S = 60.0
_EDGE_PENALTY_S = 60.0  # what users report for the CDN's block; nothing is documented
_LONGEST_REQUEST_S = 3600.0


class Call(StrEnum):
    """What is limited separately: names as in `/trade/config`, the last four ours because the venue names none."""

    GET_ACCOUNTS = "GET_ACCOUNTS"
    GET_ACCOUNTS_STATE = "GET_ACCOUNTS_STATE"
    GET_INSTRUMENTS = "GET_INSTRUMENTS"
    GET_INSTRUMENT_DETAILS = "GET_INSTRUMENT_DETAILS"
    GET_TRADE_SESSIONS = "GET_TRADE_SESSIONS"
    GET_SESSION_STATUSES = "GET_SESSION_STATUSES"
    QUOTES = "QUOTES"
    DEPTH = "DEPTH"
    DAILY_BAR = "DAILY_BAR"
    QUOTES_HISTORY = "QUOTES_HISTORY"
    GET_ORDERS = "GET_ORDERS"
    GET_ORDERS_HISTORY = "GET_ORDERS_HISTORY"
    GET_POSITIONS = "GET_POSITIONS"
    GET_EXECUTIONS = "GET_EXECUTIONS"
    PLACE_ORDER = "PLACE_ORDER"
    MODIFY_ORDER = "MODIFY_ORDER"
    MODIFY_POSITION = "MODIFY_POSITION"
    AUTH = "AUTH"
    CONFIG = "CONFIG"
    CANCEL_ORDER = "CANCEL_ORDER"
    CLOSE_POSITION = "CLOSE_POSITION"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` calls in any window of `interval_s` seconds."""

    call: Call
    limit: int
    interval_s: int


@dataclass(slots=True, eq=False)
class _Ticket:
    due_ns: int = 0


@dataclass(slots=True)
class _Lane:
    limits: tuple[RateLimit, ...]
    granted_ns: deque[int] = field(default_factory=deque)
    waiting: list[_Ticket] = field(default_factory=list)


class RateLimiter:
    """Grants calls so that no window holds more than its limit, in the order in which they were asked for.

    It belongs to a login, not to an event loop: clients, accounts and threads share it. Until `configure` tells the
    venue's own limits, and for calls that the venue does not name, one call a second is allowed.

    Args:
        monotonic_ns: a clock that never goes back.
        sleep: waits that many seconds.
        margin_s: added to every interval, because requests sent a second apart may arrive closer together.
    """

    def __init__(
        self,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Sleep = asyncio.sleep,
        margin_s: float = 0.1,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._sleep = sleep
        self._margin_ns = int(margin_s * _NS)
        self._guard = threading.Lock()
        self._lanes = {call: _Lane((RateLimit(call, 1, 1),)) for call in Call}
        self._paused_until_ns = 0
        self._last_pause_ns: int | None = None
        self._penalties = 0

    def configure(self, limits: Iterable[RateLimit]) -> None:
        """Use the venue's limits; several for one call hold together, calls without one keep the strict default."""
        by_call: dict[Call, list[RateLimit]] = {}
        for limit in limits:
            by_call.setdefault(limit.call, []).append(limit)
        with self._guard:
            for call, lane in self._lanes.items():
                lane.limits = tuple(by_call.get(call, [RateLimit(call, 1, 1)]))
                self._reschedule(lane)

    async def acquire(self, call: Call, max_wait_s: float | None = None, max_pause_s: float | None = None) -> None:
        """Return when `call` may be made.

        Args:
            call: what is about to be sent.
            max_wait_s: longest wait in all; None: any.
            max_pause_s: longest rest of a pause that the venue asked for; None: any.

        Raises:
            RetryableVenueError: the wait would be longer; the turn is given up and nothing was sent.
        """
        lane, ticket = self._lanes[call], _Ticket()
        granted, asked_ns = False, self._monotonic_ns()
        with self._guard:
            lane.waiting.append(ticket)
            self._reschedule(lane)
        try:
            while True:
                with self._guard:
                    now_ns = self._monotonic_ns()
                    is_next = lane.waiting[0] is ticket
                    if is_next and ticket.due_ns <= now_ns:
                        self._grant(lane, now_ns)
                        granted = True
                        return
                    due_ns, pause_s = ticket.due_ns, (self._paused_until_ns - now_ns) / _NS
                if max_pause_s is not None and pause_s > max_pause_s:
                    raise RetryableVenueError(f"{call}: the venue wants {pause_s:.0f} s without requests", pause_s)
                if max_wait_s is not None and due_ns - asked_ns > max_wait_s * _NS:
                    wait_s = (due_ns - now_ns) / _NS
                    raise RetryableVenueError(f"{call}: not sent, its turn would come only in {wait_s:.1f} s", wait_s)
                # Whoever wakes before the one ahead lets it go first: it is only late by a timer's width.
                await self._sleep(max(due_ns - now_ns, 0 if is_next else _TURN_NS) / _NS)
        finally:
            if not granted:
                with self._guard:
                    lane.waiting.remove(ticket)
                    self._reschedule(lane)

    def pause_left_s(self) -> float:
        """Seconds until the pause that the venue asked for ends; 0 without one."""
        return max(0.0, (self._paused_until_ns - self._monotonic_ns()) / _NS)

    def too_fast(self, sent_ns: int, asked_s: float | None, *, edge: bool) -> float:
        """The venue said "too fast" to a request sent at `sent_ns`: nobody sends anything for a while.

        Args:
            sent_ns: monotonic reading when the request left.
            asked_s: its `Retry-After`, None without one.
            edge: the answer is the block page of the CDN.

        Returns:
            Seconds until the pause ends: `asked_s`, else about a minute at the edge, else 5 s growing to 60 s with
            every pause that did not help.
        """
        with self._guard:
            now_ns = self._monotonic_ns()
            # Requests that were under way together are refused together: that is one offence, not several.
            if self._last_pause_ns is None or sent_ns >= self._last_pause_ns:
                self._penalties += 1
            if asked_s is not None:
                wait_s = min(max(asked_s, 0.0), _LONGEST_REQUEST_S)
            elif edge:
                wait_s = _EDGE_PENALTY_S
            else:
                wait_s = min(_SHORTEST_PENALTY_S * 2 ** min(self._penalties - 1, 10), _LONGEST_PENALTY_S)
            self._last_pause_ns = now_ns
            self._paused_until_ns = max(self._paused_until_ns, now_ns + int(wait_s * _NS))
            for lane in self._lanes.values():
                self._reschedule(lane)
            return (self._paused_until_ns - now_ns) / _NS

    def answered(self, sent_ns: int) -> None:
        """A request sent at `sent_ns` was answered: the last pause, if it lies before, helped."""
        with self._guard:
            if self._last_pause_ns is not None and sent_ns >= self._last_pause_ns:
                self._penalties = 0

    def _grant(self, lane: _Lane, now_ns: int) -> None:
        """Let the first go. If it woke late, those behind it move too, or two would come too close."""
        lane.waiting.pop(0)
        lane.granted_ns.append(now_ns)
        self._reschedule(lane)

    def _reschedule(self, lane: _Lane) -> None:
        now_ns = self._monotonic_ns()
        longest_ns = max(limit.interval_s for limit in lane.limits) * _NS + self._margin_ns
        while lane.granted_ns and lane.granted_ns[0] + longest_ns < now_ns:
            lane.granted_ns.popleft()
        planned = list(lane.granted_ns)
        for ticket in lane.waiting:
            due_ns = max(now_ns, self._paused_until_ns, planned[-1] if planned else now_ns)
            for limit in lane.limits:
                if len(planned) >= limit.limit:
                    due_ns = max(due_ns, planned[-limit.limit] + limit.interval_s * _NS + self._margin_ns)
            ticket.due_ns = due_ns
            planned.append(due_ns)

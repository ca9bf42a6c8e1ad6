"""One request over HTTP: an answer, or word of what happened to it, and nothing that could leak."""

import asyncio
import email.utils
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from agv2.tradelocker.rate_limiter import RateLimiter
from agv2.utils.clock import Clock

__all__ = ["Lost", "Reply", "Wire", "open_http"]

_TOO_FAST = 429
_TIMEOUT = httpx.Timeout(connect=10.0, read=30.0, write=10.0, pool=30.0)
_TIMEOUT_S = 60.0  # for the whole exchange; httpx counts only from one packet to the next
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_EDGE_MARKS = (b"error code: 1015", b"<title>access denied | ", b"you are being rate limited")


def open_http(
    address: str, on_response: Callable[[httpx.Response], Awaitable[None]] | None = None
) -> httpx.AsyncClient:
    """Connections to the venue at `address`; whoever opens them closes them.

    Args:
        address: of the login.
        on_response: looks at each answer as its headers arrive; None: nobody does.
    """
    # A proxy named by the environment must not stand between this process and one on the same machine.
    return httpx.AsyncClient(
        timeout=_TIMEOUT,
        trust_env=not address.startswith("http://"),
        event_hooks={"response": [] if on_response is None else [on_response]},
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    content: bytes = field(repr=False)
    retry_after_s: float | None
    """What the venue asks for, or the pause that a "too fast" has begun."""
    is_too_fast: bool

    @property
    def is_page(self) -> bool:
        """Whether it is a page of the edge instead of an answer of the backend."""
        return self.content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer."""

    why: str
    was_sent: bool
    """False only when no connection was made, so that not one byte of the request left."""


class Wire:
    """Sends requests through one httpx client and tells the limiter how they were taken.

    Errors of httpx end here: they carry the request, and so a password or a token, into whatever prints them.

    Args:
        http: does the sending.
        limiter: of the login.
        clock: for dates in `Retry-After`.
        monotonic_ns: a clock that never goes back, the limiter's.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        limiter: RateLimiter,
        clock: Clock,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.http = http
        self.limiter = limiter
        self.clock = clock
        self.monotonic_ns = monotonic_ns

    async def send(self, request: httpx.Request) -> Reply | Lost:
        """Send `request` exactly once."""
        sent_ns = self.monotonic_ns()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                response = await self.http.send(request, follow_redirects=False)
        except TimeoutError:
            return Lost(f"no answer within {_TIMEOUT_S:.0f} s", was_sent=True)
        except httpx.HTTPError as error:
            # Its name only: the text of some quotes a header.
            return Lost(type(error).__name__, was_sent=not isinstance(error, _NEVER_LEFT))
        return self._reply(response, sent_ns)

    def _reply(self, response: httpx.Response, sent_ns: int) -> Reply:
        wait_s = self._retry_after_s(response.headers.get("Retry-After"))
        start = response.content[:4096].lower()
        edge = response.status_code >= 400 and any(mark in start for mark in _EDGE_MARKS)
        too_fast = response.status_code == _TOO_FAST or edge
        if too_fast:
            wait_s = self.limiter.too_fast(sent_ns, wait_s, edge=edge)
        else:
            self.limiter.answered(sent_ns)
        return Reply(response.status_code, response.content, wait_s, too_fast)

    def _retry_after_s(self, header: str | None) -> float | None:
        """Seconds, or the seconds until a date; None when the header is neither."""
        if header is None:
            return None
        text = header.strip()
        if text.isascii() and text.isdigit() and len(text) < 10:
            return float(text)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - self.clock.now_ns() / 1e9)
        except (ValueError, TypeError, OverflowError):
            return None

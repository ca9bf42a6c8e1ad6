"""What every request passes first and every answer last: access, limits, correlation id, headers, log, metrics."""

import json
import re
import secrets
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agv2.deploy.api.access import OPEN_PATHS, Access, Refusal
from agv2.deploy.metrics import ServiceMetrics
from agv2.deploy.settings import DeploySettings
from agv2.utils.logging_config import correlation
from agv2.utils.tracing import NO_BLOCK, Place, Span, SpanKind, continuing, span, traceparent

__all__ = ["Shield", "problem_body"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Set unless the answer sets them itself, as a page with scripts of its own must."""

_log = structlog.get_logger("agv2.service")


class Shield:
    """ASGI middleware around the whole application.

    Args:
        app: what it protects.
        access: who may ask.
        settings: limits.
        metrics: what is counted.
    """

    def __init__(self, app: ASGIApp, access: Access, settings: DeploySettings, metrics: ServiceMetrics) -> None:
        self._app, self._access, self._settings, self._metrics = app, access, settings, metrics
        self._most_bytes = int(settings.max_body_mb * 1_000_000)
        self._too_large = f"the body has more than {settings.max_body_mb:g} MB"
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id, self._settings.has_tls)
        caller = Place.parse(headers.get("traceparent", ""))
        # Also where no caller names a place: this task may have inherited that of the connection's last request.
        with correlation(request_id=request_id), continuing(caller), _step(scope, request_id) as step:
            self._under_way += 1
            scope["state"]["step"] = step
            try:
                refusal = self._refusal(scope, headers)
                if refusal is not None:
                    await answer.refuse(refusal)
                else:
                    await self._app(scope, self._counted(receive), answer.send)
            except Exception:  # noqa: BLE001 - the last door: the caller gets an id, the log gets the rest
                _log.exception("request failed", method=scope["method"], route=_route(scope))
                await answer.refuse(Refusal(500, "a fault of AGV2; its log has the details under this request_id"))
            finally:
                self._under_way -= 1
                step.rename(f"{scope['method']} {_route(scope)}")
                step.tell(http_route=_route(scope), http_status=answer.status)
                self._tell(scope, answer.status, time.perf_counter() - began)

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        if (refusal := self._access.host_refusal(headers)) is not None:
            return refusal
        if scope["path"] in OPEN_PATHS:
            return None
        found = self._access.identify(headers, scope.get("client"))
        if isinstance(found, Refusal):
            if found.kind:
                self._metrics.auth_failures.labels(found.kind).inc()
            return found
        scope["state"]["token"] = found
        if self._under_way > self._settings.max_requests:
            return Refusal(503, "too many requests at once; come again", (("Retry-After", "1"),))
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._most_bytes:
            return Refusal(413, self._too_large)
        return None

    def _counted(self, receive: Receive) -> Receive:
        """Bodies are counted as they come: a length may be left out, or lie."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most_bytes:
                raise HTTPException(413, self._too_large)
            return message

        return counted

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if scope["path"] not in OPEN_PATHS or status == 500:
            token = scope["state"].get("token")
            _log.info(
                "request",
                method=method,
                route=route,
                status=status,
                ms=round(1e3 * seconds, 2),
                actor="" if token is None else token.token_id,
            )


class _Answer:
    """Sends an answer with the headers that every answer has, and remembers its status."""

    def __init__(self, send: Send, request_id: str, has_tls: bool) -> None:
        self._send, self._request_id, self._has_tls = send, request_id, has_tls
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self._has_tls:
                headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            headers["X-Request-ID"] = self._request_id
            if place := traceparent():
                headers["traceparent"] = place
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        if self.status:  # too late for another answer: the connection ends
            raise RuntimeError("the answer had begun")
        body = problem_body(refusal.problem, self._request_id)
        headers = (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *refusal.headers)
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
        await self.send({"type": "http.response.body", "body": body})


def problem_body(problem: str, request_id: str, details: Iterable[str] = ()) -> bytes:
    """A `Problem` as JSON."""
    return json.dumps({"problem": problem, "request_id": request_id, "details": list(details)}).encode()


def _step(scope: Scope, request_id: str) -> AbstractContextManager[Span]:
    """The request as a span, if it acts: those who look and ask again every second would fill the collector."""
    if scope["method"] != "POST":
        return NO_BLOCK
    return span("POST", SpanKind.SERVER, http_method="POST", request_id=request_id)


def _route(scope: Scope) -> str:
    """The route's pattern, never the caller's text: that could be anything, a secret too."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "unmatched"))

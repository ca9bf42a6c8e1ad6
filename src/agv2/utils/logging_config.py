"""Structured logs with correlation ids, and no secrets in them."""

import contextlib
import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any, TextIO

import structlog

from agv2.utils.tracing import trace_id

__all__ = ["configure_logging", "correlation", "hide_secrets", "redact"]

_HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(
    r"passw|secret|token|api_?key|authori[sz]ation|credential|cookie|private_?key|^email$|tl_email", re.IGNORECASE
)
_BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+")
_SERVICE_TOKEN = re.compile(r"\bagv2_[0-9a-f]{8}_[A-Za-z0-9_-]{8,}")
_BOT_TOKEN = re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}")
"""Of Telegram; it is part of the address of every request."""
_ADDRESS_PASSWORD = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE)


def configure_logging(*, json: bool = False, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log line to `stream` (standard error unless given), as text or as one JSON object a line.

    Args:
        json: for programs; text is for people.
        level: the least severe level that is written, such as `INFO`.
        stream: where lines go; standard output stays free for results.
    """
    stream = sys.stderr if stream is None else stream
    renderer = (
        structlog.processors.JSONRenderer(default=str)
        if json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _traced,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # before `redact`: a traceback may quote a secret
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


@contextlib.contextmanager
def correlation(**ids: str | int) -> Iterator[None]:
    """Add `ids` to every line logged inside the block, also from the coroutines that it starts."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield


def _traced(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say which trace a line belongs to, where it belongs to one."""
    if found := trace_id():
        event["trace_id"] = found
    return event


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values whose key names a secret, and bearer tokens and passwords inside any text."""
    for key, value in event.items():
        event[key] = _without_secrets(key, value)
    return event


def hide_secrets(text: str) -> str:
    """`text` without bearer tokens, tokens of the service and of bots, and the passwords of addresses."""
    text = _SERVICE_TOKEN.sub(_HIDDEN, _BEARER.sub(f"Bearer {_HIDDEN}", text))
    text = _BOT_TOKEN.sub(_HIDDEN, text)
    return _ADDRESS_PASSWORD.sub(rf"\g<scheme>:{_HIDDEN}@", text)


def _without_secrets(key: str, value: Any) -> Any:
    if _SECRET_KEY.search(key):
        return _HIDDEN
    if isinstance(value, str):
        return hide_secrets(value)
    if isinstance(value, dict):
        return {inner: _without_secrets(str(inner), item) for inner, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets("", item) for item in value]
    return value

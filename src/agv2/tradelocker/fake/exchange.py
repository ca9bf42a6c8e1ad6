"""One request and one answer of the fake venue, before any socket is involved."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from agv2.tradelocker.fake.refusals import HttpError

__all__ = ["Answer", "Delivery", "Request", "RequestRecord", "html_page", "redacted"]

_SECRETS = {"password", "email", "accesstoken", "refreshtoken", "authorization", "developer-api-key"}
_HIDDEN = "***"
_BASE = "/backend-api"


class Delivery(Enum):
    """What becomes of an answer on its way."""

    WHOLE = "sent"
    DROPPED = "the connection closes without a byte"
    RESET = "the connection is reset"
    TRUNCATED = "half of the body, then the connection closes"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; header names in lower case, path below `/backend-api`."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw_body: bytes

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], raw_body: bytes) -> "Request":
        """Read the request line's target; a path outside of the API is kept whole and will not be found."""
        parts = urlsplit(target)
        path = parts.path.removeprefix(_BASE) if parts.path.startswith(f"{_BASE}/") else f"(outside){parts.path}"
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method, path, query, {name.lower(): value for name, value in headers.items()}, raw_body)

    def json(self) -> dict[str, Any]:
        """The body as an object; empty without a body.

        Raises:
            HttpError: 400, it is no JSON object, or holds NaN or infinity.
        """
        if not self.raw_body:
            return {}
        try:
            body = json.loads(self.raw_body, parse_constant=_not_json, parse_float=str)
        except ValueError:
            raise HttpError(400, "Malformed JSON") from None
        if not isinstance(body, dict):
            raise HttpError(400, "Expected a JSON object")
        return body

    def number(self, key: str) -> int | None:
        """A whole number of the query, or None where absent.

        Raises:
            HttpError: 400, it is something else.
        """
        text = self.query.get(key)
        if text is None:
            return None
        if not text.removeprefix("-").isdecimal() or not text.isascii():
            raise HttpError(400, f"{key} must be a whole number")
        return int(text)


def _not_json(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be sent, and how it fares."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    wait_s: float = 0.0
    """Real seconds before anything is sent; infinite: until the client or the server leaves."""

    @classmethod
    def of_json(cls, value: Mapping[str, Any], status: int = 200) -> "Answer":
        """A JSON body."""
        return cls(status, json.dumps(value, allow_nan=False).encode())

    @property
    def never(self) -> bool:
        """Whether it is held back for ever."""
        return math.isinf(self.wait_s)


def html_page(status: int, text: str, **headers: str) -> Answer:
    """An edge page, which is not JSON."""
    page = f"<html>\r\n<head><title>{text}</title></head>\r\n<body><center><h1>{text}</h1></center></body>\r\n</html>"
    return Answer(status, page.encode(), "text/html", headers)


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request as the ledger remembers it, secrets blotted out."""

    number: int
    ts_ns: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    status: int
    """Of the answer, whether or not it arrived."""
    faults: tuple[str, ...]


def redacted(request: Request) -> tuple[dict[str, str], Any]:
    """Headers and body of `request` without secrets; a body that is no JSON is only measured."""
    headers = {name: _HIDDEN if name in _SECRETS else value for name, value in request.headers.items()}
    try:
        body: Any = request.json()
    except HttpError:
        return headers, f"({len(request.raw_body)} bytes)"
    return headers, {key: _HIDDEN if key.lower() in _SECRETS else value for key, value in body.items()}

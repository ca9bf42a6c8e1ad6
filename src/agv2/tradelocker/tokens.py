"""A pair of tokens and how long it lasts, read from the access token without verifying it."""

import base64
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from agv2.core.errors import VenueError
from agv2.tradelocker.json_values import parse_json

__all__ = ["HEADER_SAFE", "TokenPair", "token_pair"]

HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
"""What may stand in a header as it is: visible ASCII without spaces."""
_NS = 1_000_000_000
_LONGEST_MARGIN_NS = 120 * _NS
_LONGEST_LIFE_S = 10 * 365 * 86_400


@dataclass(frozen=True, slots=True, eq=False)
class TokenPair:
    """Tokens of one sign-in or refresh; `repr` shows neither."""

    access: SecretStr
    refresh: SecretStr
    renew_ns: int | None
    """From when on it is refreshed ahead of its end; None when the token does not say how long it lasts."""
    expires_ns: int | None

    def is_due(self, now_ns: int) -> bool:
        """Whether it should be refreshed at `now_ns`."""
        return self.renew_ns is not None and now_ns >= self.renew_ns

    def is_over(self, now_ns: int) -> bool:
        """Whether the venue is expected to take it no longer at `now_ns`."""
        return self.expires_ns is not None and now_ns >= self.expires_ns


def token_pair(answer: Any, now_ns: int) -> TokenPair | None:
    """The pair in the answer to a sign-in or a refresh, received at `now_ns` by our clock.

    The life is counted from `iat` to `exp` where both are there, so that a wrong clock of ours does no harm. A
    refresh is due two minutes before the end, or after four fifths of a short life. None when there is no usable
    pair: an error raised here would show in its traceback what it must not.
    """
    values = answer if isinstance(answer, dict) else {}
    access, refresh = _usable(values.get("accessToken")), _usable(values.get("refreshToken"))
    if access is None or refresh is None:
        return None
    life_ns = _life_ns(access, now_ns)
    if life_ns is None:
        return TokenPair(SecretStr(access), SecretStr(refresh), None, None)
    margin_ns = min(_LONGEST_MARGIN_NS, life_ns // 5)
    return TokenPair(SecretStr(access), SecretStr(refresh), now_ns + life_ns - margin_ns, now_ns + life_ns)


def _usable(token: Any) -> str | None:
    return token if isinstance(token, str) and HEADER_SAFE.fullmatch(token) else None


def _life_ns(access: str, now_ns: int) -> int | None:
    claims = _claims(access)
    issued_ns, expires_ns = _stamp_ns(claims.get("iat")), _stamp_ns(claims.get("exp"))
    if expires_ns is None:
        return None
    life_ns = expires_ns - (now_ns if issued_ns is None else issued_ns)
    return life_ns if 0 < life_ns < _LONGEST_LIFE_S * _NS else None


def _stamp_ns(value: Any) -> int | None:
    """Seconds since 1970, maybe with a fraction; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 < value < 2**40:
        return None
    return int(value * _NS)


def _claims(access: str) -> dict[str, Any]:
    """Middle part of a JWT; empty when the token is none."""
    parts = access.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = parse_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, VenueError):
        return {}
    return claims if isinstance(claims, dict) else {}

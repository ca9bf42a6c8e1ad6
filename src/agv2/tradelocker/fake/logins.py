"""Passwords, tokens and their lives."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from agv2.tradelocker.fake.listings import FakeLogin
from agv2.tradelocker.fake.refusals import HttpError
from agv2.tradelocker.fake.rules import VenueRules

__all__ = ["Logins", "TokenPair"]

_NS_PER_S = 1_000_000_000
_KEY = b"signs nothing of worth"


@dataclass(frozen=True, slots=True)
class TokenPair:
    """One answer to a login or refresh; a JWT each."""

    access: str
    refresh: str
    login: FakeLogin
    access_until_ns: int
    refresh_until_ns: int


class Logins:
    """Issues, checks and revokes tokens. Times are the venue's.

    Args:
        logins: known credentials.
        rules: token lives, and what a refresh or a second login ends.
    """

    def __init__(self, logins: Iterable[FakeLogin], rules: VenueRules) -> None:
        self._logins, self._rules = list(logins), rules
        self._by_access: dict[str, TokenPair] = {}
        self._by_refresh: dict[str, TokenPair] = {}
        self._serial = count(1)

    def with_password(self, body: Mapping[str, Any], now_ns: int) -> TokenPair:
        """A new pair for right credentials.

        Raises:
            HttpError: 400, they are not.
        """
        given = tuple(body.get(key) for key in ("email", "password", "server"))
        login = next((each for each in self._logins if (each.email, each.password, each.server) == given), None)
        if login is None:
            raise HttpError(400, "Invalid credentials")
        if self._rules.second_login_ends_first:
            self.revoke(login)
        return self._issue(login, now_ns)

    def with_refresh(self, body: Mapping[str, Any], now_ns: int) -> TokenPair:
        """A new pair for a living refresh token.

        Raises:
            HttpError: 401, it is unknown, used or expired.
        """
        pair = self._by_refresh.get(str(body.get("refreshToken")))
        if pair is None or pair.refresh_until_ns <= now_ns:
            raise HttpError(401, "Invalid refresh token")
        if self._rules.refresh_kills_old_refresh:
            del self._by_refresh[pair.refresh]
        if self._rules.refresh_kills_old_access:
            self._by_access.pop(pair.access, None)
        return self._issue(pair.login, now_ns)

    def of_header(self, authorization: str, now_ns: int) -> FakeLogin:
        """Whose `Authorization` header it is.

        Raises:
            HttpError: 401, the token is unknown, revoked or expired.
        """
        pair = self._by_access.get(authorization.removeprefix("Bearer "))
        if pair is None or pair.access_until_ns <= now_ns or not authorization.startswith("Bearer "):
            raise HttpError(401, "Unauthorized")
        return pair.login

    def revoke_access(self, authorization: str) -> None:
        """End the access token of this header; its refresh token lives on."""
        self._by_access.pop(authorization.removeprefix("Bearer "), None)

    def revoke_pair(self, authorization: str) -> None:
        """End every token of the login that this header belongs to."""
        pair = self._by_access.get(authorization.removeprefix("Bearer "))
        if pair is not None:
            self.revoke(pair.login)

    def revoke(self, login: FakeLogin | None = None) -> None:
        """End every token of `login`; None: of all."""
        for tokens in (self._by_access, self._by_refresh):
            for token in [token for token, pair in tokens.items() if login in (None, pair.login)]:
                del tokens[token]

    def _issue(self, login: FakeLogin, now_ns: int) -> TokenPair:
        access_until = now_ns + self._rules.access_token_s * _NS_PER_S
        refresh_until = now_ns + self._rules.refresh_token_s * _NS_PER_S
        pair = TokenPair(
            access=self._jwt(login, "access", now_ns, access_until),
            refresh=self._jwt(login, "refresh", now_ns, refresh_until),
            login=login,
            access_until_ns=access_until,
            refresh_until_ns=refresh_until,
        )
        self._by_access[pair.access] = self._by_refresh[pair.refresh] = pair
        return pair

    def _jwt(self, login: FakeLogin, use: str, now_ns: int, until_ns: int) -> str:
        payload = {
            "sub": f"{hashlib.sha256(login.email.encode()).hexdigest()[:12]}|{login.server}",
            "host": "fake-cluster",
            "use": use,
            "jti": str(next(self._serial)),
            "iat": now_ns // _NS_PER_S,
            "exp": until_ns // _NS_PER_S,
        }
        signed = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(payload)}"
        digest = hmac.new(_KEY, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _segment(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

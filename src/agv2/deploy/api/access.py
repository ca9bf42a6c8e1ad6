"""Who may ask: bearer tokens, their failures limited, and the names by which browsers may call."""

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

from agv2.core.errors import StateError
from agv2.deploy.console.shell import SHELL_PATHS
from agv2.deploy.failure_limiter import FailureLimiter
from agv2.deploy.settings import DeploySettings
from agv2.deploy.tokens import Token, TokenStore
from agv2.utils.clock import Clock

__all__ = ["OPEN_PATHS", "Access", "Refusal"]

OPEN_PATHS = SHELL_PATHS | {"/health", "/ready"}
"""What answers without a token, none of it with data; everything else, known or not, wants one."""

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Refusal(NamedTuple):
    """Why a caller is sent away."""

    status: int
    problem: str
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = ""
    """For the counter of failures; empty: none."""


class Access:
    """Decides about a request before anything else looks at it.

    Args:
        tokens: who is known.
        settings: of the service.
        clock: of the limit on failures.
    """

    def __init__(self, tokens: TokenStore, settings: DeploySettings, clock: Clock) -> None:
        self._tokens = tokens
        self._limiter = FailureLimiter(settings.auth_failures, settings.auth_window_s, clock)
        names = {name.lower() for name in settings.allowed_hosts}
        # Without this a page from elsewhere could be made to reach us under its own name (DNS rebinding).
        self._names = _LOCAL_NAMES | names if names or settings.is_loopback else None

    def host_refusal(self, headers: Mapping[str, str]) -> Refusal | None:
        """Why the name under which the service was called is none of its own; None: it is."""
        name = _host_name(headers.get("host", ""))
        if self._names is None or name in self._names:
            return None
        return Refusal(421, "called under a name that is not allowed; deploy.allowed_hosts lists those that are")

    def identify(self, headers: Mapping[str, str], client: Any) -> Token | Refusal:
        """The caller's token, or why it is refused.

        Args:
            headers: of the request, names in lower case.
            client: host and port of the caller, or None.
        """
        text = bearer(headers)
        caller = _caller(client)
        try:
            # A guess at a known token counts against that token: others from the same place, such as a proxy,
            # still get through, and can still throw the kill switch.
            key = f"{caller} {self._tokens.known_id(text)}"
            if wait_s := self._limiter.wait_s(key):
                after = ("Retry-After", str(int(wait_s) + 1))
                return Refusal(429, "too many wrong tokens from there; wait", (after,), "limited")
            token = self._tokens.authenticate(text)
        except StateError:
            return Refusal(503, "the tokens cannot be read; the service's log says why", kind="unreadable")
        if token is not None:
            return token
        if text:
            self._limiter.failed(key)
        challenge = ("WWW-Authenticate", 'Bearer realm="agv2"')
        problem = "this token opens nothing" if text else "a bearer token is needed; `agv2 token new` makes one"
        return Refusal(401, problem, (challenge,), "wrong" if text else "missing")


def bearer(headers: Mapping[str, str]) -> str:
    """The token of a request; empty where it has none."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _caller(client: Any) -> str:
    """The address; of IPv6 its network, of which one caller has all addresses."""
    try:
        address = ipaddress.ip_address(client[0])
    except (TypeError, ValueError, IndexError):
        return "unknown"
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)

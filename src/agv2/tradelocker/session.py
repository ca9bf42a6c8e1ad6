"""What all clients of one login share, so that they count, sign in and probe as one."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agv2.tradelocker.auth import TokenKeeper
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.messages import VenueConfig
from agv2.tradelocker.rate_limiter import RateLimiter, Sleep

__all__ = ["LoginSession", "shared_session"]


@dataclass(slots=True, weakref_slot=True)
class LoginSession:
    """The present state of a login: limiter, tokens, and answers that seldom change."""

    limiter: RateLimiter
    keeper: TokenKeeper
    config: VenueConfig | None = None
    config_read_ns: int = 0
    """Monotonic reading."""
    config_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    acc_nums: dict[str, int] = field(default_factory=dict)
    """`accNum` by account id."""
    info_routes: dict[str, str] = field(default_factory=dict)
    """INFO route that answers, by instrument id."""
    probe_lock: asyncio.Lock = field(default_factory=asyncio.Lock)


# The venue counts a login's requests whoever sends them, so this is one of the few things a process has once.
_guard = threading.Lock()
_limiters: dict[object, RateLimiter] = {}
_sessions: dict[asyncio.AbstractEventLoop, dict[object, LoginSession]] = {}


def shared_session(
    login: TradeLockerLogin,
    loop: asyncio.AbstractEventLoop,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
    sleep: Sleep = asyncio.sleep,
) -> LoginSession:
    """The session of `login`: its limiter is one for the process, its tokens and answers one for the event loop.

    Args:
        login: who signs in.
        loop: the running event loop; locks belong to one.
        monotonic_ns: a clock that never goes back; another clock is another limiter.
        sleep: waits that many seconds.
    """
    with _guard:
        limiter = _limiters.setdefault(
            (login.identity, monotonic_ns), RateLimiter(monotonic_ns=monotonic_ns, sleep=sleep)
        )
        # Not by weak keys: a lock that somebody has waited for holds its loop.
        for gone in [each for each in _sessions if each.is_closed()]:
            del _sessions[gone]
        sessions = _sessions.setdefault(loop, {})
        key = (login, monotonic_ns)
        if key not in sessions:
            sessions[key] = LoginSession(limiter, TokenKeeper(login))
        return sessions[key]

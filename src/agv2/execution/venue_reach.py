"""Whether the venue answers and lets us in: a login and a look at its accounts, nothing that changes anything."""

import asyncio
import email.utils
from typing import NamedTuple

import httpx
import numpy as np

from agv2.core.errors import AGV2Error
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.login import MANDATORY_KEYS, TradeLockerLogin
from agv2.tradelocker.wire import open_http
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = ["VENUE_KEYS", "VenueReach", "venue_reach"]

VENUE_KEYS = MANDATORY_KEYS
"""Of the environment, all needed for a login."""

_ONE_ATTEMPT_S = 1.0


class VenueReach(NamedTuple):
    """What the venue said."""

    address: str
    server: str
    acc_num: int | None
    """Of the account that would be traded; None where there was no login."""
    problem: str | None
    """Why it cannot be used, without secrets; None where it can."""
    asked_ns: int
    """Before the question whose answer told the time."""
    venue_ns: int | None
    """The venue's time in that answer, whole seconds; None where it told none."""
    heard_ns: int


class _Dates:
    """The time that the newest answer told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked_ns = self.heard_ns = clock.now_ns()
        self.venue_ns: int | None = None

    async def note(self, response: httpx.Response) -> None:
        # Asked no earlier than the last answer was heard: rather too wide a span than a false alarm.
        self.asked_ns, self.heard_ns = self.heard_ns, self._clock.now_ns()
        try:
            moment = email.utils.parsedate_to_datetime(response.headers.get("date", ""))
        except ValueError:
            return
        self.venue_ns = int(moment.timestamp()) * 1_000_000_000


def venue_reach(environment: Environment, clock: Clock, rng: np.random.Generator, patience_s: float) -> VenueReach:
    """Sign in once, and read which account would be traded.

    A refused password is not sent a second time: repeating it locks accounts.

    Args:
        environment: has the login.
        clock: this machine's time.
        rng: spreads retries.
        patience_s: for all of it together.

    Raises:
        ConfigError: keys are missing.
    """
    login = TradeLockerLogin.from_environment(environment)
    dates = _Dates(clock)
    acc_num, problem = asyncio.run(_look(login, dates, clock, rng, patience_s))
    return VenueReach(login.address, login.server, acc_num, problem, dates.asked_ns, dates.venue_ns, dates.heard_ns)


async def _look(
    login: TradeLockerLogin, dates: _Dates, clock: Clock, rng: np.random.Generator, patience_s: float
) -> tuple[int | None, str | None]:
    http = open_http(login.address, dates.note)
    try:
        async with (
            asyncio.timeout(patience_s),
            http,
            TradeLockerClient(login, clock=clock, rng=rng, http=http, read_budget_s=_ONE_ATTEMPT_S) as client,
        ):
            return (await client.account()).acc_num, None
    except TimeoutError:
        return None, f"{login.address}: no answer within {patience_s:g} s"
    except AGV2Error as error:
        return None, str(error)

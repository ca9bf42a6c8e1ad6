"""The time as another machine tells it, by the `Date` of its answer: a service that asks no venue has nobody else."""

import email.utils
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import structlog

from agv2.deploy.clock_watch import CLOCK_EVERY_NS, ClockReading
from agv2.utils.clock import Clock

__all__ = ["TimeAsked"]

_PATIENCE_S = 2.0
_NS_PER_S = 1_000_000_000
_log = structlog.get_logger("agv2.service")


class TimeAsked:
    """Asks one address for the time, no more often than every `every_ns`; if it tells none, readings are missing.

    Args:
        address: `https://…`; any answer will do, also a refusal.
        clock: this machine's, which is held against it.
        every_ns: between two questions.
        steady_ns: time that nobody sets, which spaces them.
    """

    def __init__(
        self,
        address: str,
        clock: Clock,
        every_ns: int = CLOCK_EVERY_NS,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._address, self._clock, self._every_ns, self._steady_ns = address, clock, every_ns, steady_ns
        self._next_ns, self._told_why = 0, ""

    def reading(self) -> ClockReading | None:
        """One reading where it is due and there is one; waits for some seconds at most."""
        if self._steady_ns() < self._next_ns:
            return None
        self._next_ns = self._steady_ns() + self._every_ns
        found = self._asked()
        why = "" if found.reading else found.why
        if why != self._told_why:  # once, not every five minutes
            (_log.warning if why else _log.info)(
                "clock", host=urlsplit(self._address).hostname, why=why or "told again"
            )
            self._told_why = why
        return found.reading

    def _asked(self) -> "_Answer":
        asked_ns = self._clock.now_ns()
        try:
            # A proxy named by the environment must not stand between this process and one on the same network.
            answer = httpx.head(
                self._address,
                headers={"Cache-Control": "no-cache"},
                timeout=_PATIENCE_S,
                trust_env=self._address.startswith("https"),
            )
        except httpx.HTTPError as error:  # its name only: the text may quote the address
            return _Answer(None, f"it does not answer ({type(error).__name__})")
        heard_ns = self._clock.now_ns()
        if answer.headers.get("age", "0").strip() != "0":
            return _Answer(None, "its answer comes from a cache, with the time at which that was filled")
        try:
            moment = email.utils.parsedate_to_datetime(answer.headers.get("date", ""))
        except ValueError:
            return _Answer(None, "its answer has no Date")
        return _Answer(ClockReading(asked_ns, int(moment.timestamp()) * _NS_PER_S, heard_ns), "")


class _Answer(NamedTuple):
    reading: ClockReading | None
    why: str
    """There is none."""

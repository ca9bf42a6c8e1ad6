"""Time as an argument: the wall, or a recording of it."""

import time
from typing import Protocol

from agv2.core.errors import InvariantError

__all__ = ["Clock", "ReplayClock", "SystemClock"]


class Clock(Protocol):
    """Says what time it is and waits until a later one."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        ...

    def sleep_until(self, ts_ns: int) -> None:
        """Return once `now_ns() >= ts_ns`; at once if that is already so."""
        ...


class SystemClock:
    """The machine's own clock; the only place in the project that reads it."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        return time.time_ns()  # noqa: TID251 - the one door to the wall clock

    def sleep_until(self, ts_ns: int) -> None:
        """Sleep until the machine's clock reads `ts_ns`, also when it is set back meanwhile."""
        while (left_ns := ts_ns - self.now_ns()) > 0:
            time.sleep(min(left_ns / 1e9, 60.0))


class ReplayClock:
    """A clock that its owner sets; waiting moves it there and takes no time.

    Args:
        start_ns: first reading, nanoseconds since 1970, UTC.
    """

    def __init__(self, start_ns: int) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC, as last set."""
        return self._now_ns

    def sleep_until(self, ts_ns: int) -> None:
        """Move to `ts_ns` unless that is already past."""
        self._now_ns = max(self._now_ns, ts_ns)

    def advance_to(self, ts_ns: int) -> None:
        """Move to `ts_ns`.

        Raises:
            InvariantError: `ts_ns` lies before the present reading.
        """
        if ts_ns < self._now_ns:
            raise InvariantError(f"a clock was asked to go back from {self._now_ns} to {ts_ns} ns")
        self._now_ns = ts_ns

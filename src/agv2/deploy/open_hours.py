"""When a market is open around now, for whoever waits for its bars."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.errors import ConfigError
from agv2.data.sessions import Sessions, market_sessions

__all__ = ["OpenHours"]

_DAY_NS = 86_400_000_000_000
_BACK_NS, _AHEAD_NS = 14 * _DAY_NS, 30 * _DAY_NS


class _Known(NamedTuple):
    until_ns: int
    sessions: Sessions


class OpenHours:
    """Sessions of one calendar, looked up again every few weeks.

    Args:
        calendar: word of `config/markets.yaml`.
    """

    def __init__(self, calendar: str) -> None:
        self._calendar = calendar
        self._known: _Known | None = None

    def problem(self, now_ns: int) -> str:
        """Why nobody can tell when this market is open; empty where one can."""
        try:
            self._around(now_ns)
        except (ConfigError, ImportError) as error:
            return f"nobody can tell when the market is open ({error}); set its calendar in markets.yaml"
        return ""

    def since(self, from_ns: int, now_ns: int) -> tuple[IntArray, IntArray]:
        """Opens and closes of the sessions around `now_ns`, counted from `from_ns` on at the earliest.

        Raises:
            ConfigError: the calendar has no hours of its own.
        """
        sessions = self._around(now_ns)
        return np.maximum(sessions.open_ns, from_ns), sessions.close_ns

    def _around(self, now_ns: int) -> Sessions:
        if self._known is None or now_ns > self._known.until_ns:
            found = market_sessions(self._calendar, now_ns - _BACK_NS, now_ns + _AHEAD_NS)
            self._known = _Known(now_ns + _BACK_NS, found)
        return self._known.sessions

"""The sign of life of one process, given as often as the guards' settings say."""

import os
import threading
import time
from collections.abc import Callable

import structlog

from agv2.core.errors import DataError
from agv2.deploy.safeguards import Beat, Heartbeat
from agv2.utils.clock import Clock

__all__ = ["Pulse"]

_NS_PER_S = 1_000_000_000


class Pulse:
    """Rewrites a heartbeat file, at most once in `beat_s`, whenever it is told that all is well.

    Args:
        heart: the file.
        name: of the trader, for people.
        beat_s: seconds between beats.
        clock: stamps beats.
        steady_ns: time that nobody sets, which spaces them.
    """

    def __init__(
        self,
        heart: Heartbeat,
        name: str,
        beat_s: float,
        clock: Clock,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.heart, self._name, self._clock, self._steady_ns = heart, name, clock, steady_ns
        self._every_ns = round(beat_s * _NS_PER_S)
        self._next_ns: int | None = None
        self._number = 0
        self._one_at_a_time = threading.Lock()
        self._ended = False

    def begin(self) -> None:
        """The first beat.

        Raises:
            DataError: the file cannot be written: a watchdog would hear nothing.
        """
        try:
            self._beat(stopped=False)
        except OSError as error:
            raise DataError(f"{self.heart.path}: cannot be written ({error.strerror}); free the disk") from error

    def beat(self) -> None:
        """All is well. A disk that fails later is silence, which the watchdog hears; it stops nothing here."""
        with self._one_at_a_time:
            if not self._ended and (self._next_ns is None or self._steady_ns() >= self._next_ns):
                self._try(stopped=False)

    def end(self) -> None:
        """Say goodbye: ended on purpose. No beat follows, though another thread may be about to give one."""
        with self._one_at_a_time:
            self._ended = True
            self._try(stopped=True)

    def _try(self, *, stopped: bool) -> None:
        try:
            self._beat(stopped=stopped)
        except OSError as error:
            structlog.get_logger().error("heartbeat not written", file=str(self.heart.path), problem=error.strerror)

    def _beat(self, *, stopped: bool) -> None:
        self._next_ns = self._steady_ns() + self._every_ns
        self._number += 1
        self.heart.beat(Beat(self._number, self._clock.now_ns(), os.getpid(), self._name, stopped))

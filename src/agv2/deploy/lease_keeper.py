"""Holding on to a lease in the background, and knowing at any moment whether it is still ours."""

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Callable

from agv2.core.errors import StateError
from agv2.deploy.state_store import Lease, LeaseHeldError, StateStore
from agv2.utils.clock import Clock

__all__ = ["LeaseKeeper"]

_NS = 1_000_000_000
_MARGIN = 1 / 3
"""Of the lease's time, before its end, from which on nobody relies on it."""


class LeaseKeeper:
    """Takes a lease, renews it three times within its life, and says whether it may be relied on.

    What counts is this process's own clock since the last renewal was *asked for*: whatever the store's clock reads,
    the store cannot have ended the lease earlier.

    Args:
        store: who grants it.
        name: of the lease, such as `service:DEMO-1`.
        ttl_s: its life in seconds.
        clock: of this process.
        on_change: told True when the lease was taken and False when it could no longer be relied on, with a line.
    """

    def __init__(
        self, store: StateStore, name: str, ttl_s: float, clock: Clock, on_change: Callable[[bool, str], None]
    ) -> None:
        self._store, self._name, self._ttl_s, self._clock = store, name, ttl_s, clock
        self._on_change = on_change
        self._owner = f"{socket.gethostname()} process {os.getpid()} ({secrets.token_hex(3)})"
        self._lease: Lease | None = None
        self._asked_ns = 0
        self._told = False
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def owner(self) -> str:
        """Who we are to others."""
        return self._owner

    @property
    def lease(self) -> Lease | None:
        """The lease while it may be relied on, else None."""
        fresh_ns = int(self._ttl_s * (1.0 - _MARGIN) * _NS)
        return self._lease if self._clock.now_ns() - self._asked_ns < fresh_ns else None

    def take(self) -> Lease:
        """Take the lease; of a holder that died, wait for its end.

        Raises:
            LeaseHeldError: its holder lives: it has renewed meanwhile.
            StateError: the store cannot say.
        """
        ends_ns = None
        while True:
            try:
                return self._acquire()
            except LeaseHeldError as error:
                now_ns = self._clock.now_ns()
                end_ns = now_ns + int(error.wait_s * _NS)
                if self._ending.is_set() or (ends_ns is not None and end_ns > ends_ns + _NS):
                    raise
                ends_ns = end_ns if ends_ns is None else min(ends_ns, end_ns)
                self._clock.sleep_until(now_ns + int(min(error.wait_s + 0.01, 0.5) * _NS))

    def take_and_keep(self) -> None:
        """`take`, and renew in the background until `stop`."""
        self.take()
        self._thread = threading.Thread(target=self._renew_for_ever, name=f"lease {self._name}", daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """One renewal; what was lost is taken anew where nobody else has it."""
        try:
            if self._lease is None:
                self._acquire()
                return
            asked_ns = self._clock.now_ns()
            self._lease = self._store.renew(self._lease, self._ttl_s)
            self._asked_ns = asked_ns
        except LeaseHeldError as error:
            self._tell(False, str(error))
        except StateError as error:
            if "no longer held" in str(error):
                self._lease = None
            if self.lease is None:
                self._tell(False, str(error))

    def stop(self) -> None:
        """Stop renewing and let the lease go."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        if self._lease is not None:
            with contextlib.suppress(StateError):  # it ends by itself
                self._store.release(self._lease)
            self._lease = None

    def _acquire(self) -> Lease:
        asked_ns = self._clock.now_ns()
        self._lease = self._store.acquire(self._name, self._owner, self._ttl_s)
        self._asked_ns = asked_ns
        self._tell(True, f"{self._name} is ours")
        return self._lease

    def _renew_for_ever(self) -> None:
        while not self._ending.wait(self._ttl_s * _MARGIN):
            self.renew()

    def _tell(self, ours: bool, why: str) -> None:
        if ours != self._told:
            self._told = ours
            self._on_change(ours, why)

"""What must outlive a restart and be seen by every process of an account; and who may act on it."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from agv2.core.errors import StateError

__all__ = ["Lease", "LeaseHeldError", "StateStore"]

_NS = 1_000_000_000


class Lease(NamedTuple):
    """The right to act under a name, for a while, until it is renewed or ends."""

    name: str
    """Such as `trader:DEMO-1`."""
    owner: str
    """Who holds it, for people: host, process, and a random part."""
    token: int
    """Fencing token: larger than that of every earlier holder of the name."""
    expires_ns: int
    """By the clock of the store."""


class LeaseHeldError(StateError):
    """Another process holds the lease.

    Args:
        message: one line for a person.
        wait_s: seconds until it ends unless its holder renews it.
    """

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class StateStore(Protocol):
    """Small named texts and leases; every call is one step that happens whole or not at all.

    Every method raises `StateError` where the store cannot be reached, or has lost what it held.
    """

    @property
    def lost(self) -> str:
        """Why this store begins anew although it was used before, in one line; empty: it does not."""
        ...

    def get(self, key: str) -> str | None:
        """The text under `key`, or None."""
        ...

    def items(self, prefix: str) -> Mapping[str, str]:
        """Every key that begins with `prefix`, in order, and its text."""
        ...

    def put(self, key: str, text: str | None, fence: Lease | None = None) -> None:
        """Keep `text` under `key`; None removes it. On disk, as far as the store has one, when this returns.

        Args:
            key: its name.
            text: what to keep.
            fence: only while this lease is still the newest of its name; whoever has taken over is not overwritten.

        Raises:
            StateError: the lease has gone to another.
        """
        ...

    def swap(self, key: str, expected: str | None, text: str | None) -> bool:
        """Like `put`, but only where `expected` is what is there; returns whether it was."""
        ...

    def acquire(self, name: str, owner: str, ttl_s: float) -> Lease:
        """Take the lease `name` for `ttl_s` seconds.

        Raises:
            LeaseHeldError: another owner holds it.
        """
        ...

    def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """Hold on to a lease for `ttl_s` seconds from now.

        Raises:
            StateError: it has gone to another, or was lost.
        """
        ...

    def release(self, lease: Lease) -> None:
        """End a lease now; nothing happens if it has gone to another."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def held_by_another(name: str, owner: str, left_s: float) -> LeaseHeldError:
    """The one text of that refusal."""
    remedy = "stop it first, or name another account"
    return LeaseHeldError(f"{name} is held by {owner}, for another {left_s:.0f} s unless it goes on; {remedy}", left_s)


def gone_to_another(lease: Lease) -> StateError:
    """The one text of that refusal."""
    return StateError(f"{lease.name} is no longer held by {lease.owner}: another process took over, or it ended")


def next_token(last: int, now_ns: int) -> int:
    """A fencing token above `last`, and above those of a store that was lost, by the time."""
    return max(last + 1, now_ns // 1_000)

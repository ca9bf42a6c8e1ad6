"""What every keeper of journal rows can do."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["JournalRow", "JournalStore", "new_identity"]

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no characters that a person confuses
_LENGTH = 8


class JournalRow(NamedTuple):
    """One record as it is kept."""

    seq: int
    """1, 2, 3 … without a hole."""
    ts_ns: int
    """When it was written, by the writer's clock."""
    run: str
    """Which start of the program wrote it."""
    kind: str
    symbol: str
    """Empty where the record is of no one symbol."""
    body: str
    """JSON."""


class JournalStore(Protocol):
    """Keeps rows; whoever appends is alone in doing so."""

    @property
    def identity(self) -> str:
        """Random letters given to the journal when it was made; part of every intent's id."""
        ...

    def last_seq(self) -> int:
        """Number of the newest row; 0 where there is none."""
        ...

    def append(self, rows: Sequence[JournalRow]) -> None:
        """Keep `rows`, all or none; on return they survive a loss of power.

        Raises:
            DataError: they could not be kept.
            InvariantError: another process writes to this journal.
        """
        ...

    def read(self, after: int, kinds: Sequence[str], symbol: str | None, limit: int) -> list[JournalRow]:
        """Up to `limit` rows beyond number `after`, in order.

        Args:
            after: 0 for the first.
            kinds: only of these; empty: of all.
            symbol: only of this one; None: of all.
            limit: at most so many.
        """
        ...

    def newest(self, kind: str, symbol: str | None) -> JournalRow | None:
        """The last row of its kind (and symbol), or None."""
        ...

    def close(self) -> None:
        """Let go of the file or the server."""
        ...


def new_identity() -> str:
    """Letters that no other journal has: from the system's randomness, since a seed would repeat them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))

"""How much of the permitted size a new position may have: what the trader asks, and the answer of who has no ramp."""

from typing import Protocol

__all__ = ["FullSize", "SizeRamp"]


class SizeRamp(Protocol):
    """Lets the size of new positions grow and shrink; asked once a bar, before the decision."""

    def share(self) -> float:
        """Of the permitted size, in (0, 1]; what it rests on is in the journal before it is said.

        Raises:
            DataError: the journal cannot be read or written.
        """
        ...

    def words(self) -> str:
        """Where the ramp stands, for a person; empty where there is none."""
        ...


class FullSize:
    """No ramp: paper trading."""

    def share(self) -> float:
        """1, always."""
        return 1.0

    def words(self) -> str:
        """Nothing to say."""
        return ""

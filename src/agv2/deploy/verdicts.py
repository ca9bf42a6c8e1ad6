"""What a guard finds, what holds until a person re-arms it, and what is written down about both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

__all__ = ["GuardLevel", "GuardRecord", "GuardVerdict"]


class GuardLevel(IntEnum):
    """What is permitted, the stricter the higher."""

    CLEAR = 0
    """Everything."""
    HALT = 1
    """No new position; what is open keeps its stop and may be closed."""
    FLATTEN = 2
    """Close everything, then as `HALT`."""


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """What one guard, or the strictest of all, says: a trader needs `halted`, `flatten` and `reason`."""

    guard: str
    """Its name, such as `drift`; empty where none has anything to say."""
    level: GuardLevel
    since_ns: int
    """When it tripped, nanoseconds since 1970, UTC; 0 while it is clear."""
    reason: str
    """One sentence for a person; empty while it is clear."""
    evidence: Mapping[str, float | str] = field(default_factory=dict)
    """The numbers behind it, all finite."""

    @classmethod
    def clear(cls, guard: str = "", evidence: Mapping[str, float | str] | None = None) -> "GuardVerdict":
        """Nothing to say."""
        return cls(guard, GuardLevel.CLEAR, 0, "", evidence or {})

    @property
    def halted(self) -> bool:
        """Whether no position may be opened or enlarged."""
        return self.level >= GuardLevel.HALT

    @property
    def flatten(self) -> bool:
        """Whether everything must be closed."""
        return self.level >= GuardLevel.FLATTEN

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return {
            "guard": self.guard,
            "level": self.level.name.lower(),
            "since_ns": self.since_ns,
            "reason": self.reason,
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "GuardVerdict":
        """The inverse of `as_json`.

        Raises:
            KeyError, ValueError: it is no verdict.
        """
        level = GuardLevel[str(document["level"]).upper()]
        return cls(
            str(document["guard"]), level, int(document["since_ns"]), str(document["reason"]), document["evidence"]
        )


@dataclass(frozen=True, slots=True)
class GuardRecord:
    """One line for the audit log and for alerts."""

    event: str
    """`tripped`, `raised` (a guard that only halted now flattens) or `rearmed`."""
    at_ns: int
    verdict: GuardVerdict
    """As it became; for `rearmed` as it was."""
    by: str = ""
    """The person who re-armed."""
    note: str = ""
    """Why, in that person's words."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"event": self.event, "at_ns": self.at_ns, "by": self.by, "note": self.note, **self.verdict.as_json()}

"""What a check is, and what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "Finding", "Status"]


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Works, or may work, but a person should know."""
    FAILED = "failed"
    ABSENT = "not configured"
    """Optional and not asked for; nothing was tried."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in one line for a person, without secrets."""

    status: Status
    detail: str
    remedy: str = ""
    """What to do about it; empty where there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the machine."""

    group: str
    name: str
    run: Callable[[], Finding]
    limit_s: float | None = None
    """Seconds after which it has failed; None: it answers at once and is not watched."""

"""One message to a person."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum

__all__ = ["Alert", "AlertEvent", "Severity"]

_NS_PER_S = 1_000_000_000


class AlertEvent(StrEnum):
    """What it is about."""

    STARTED = "started"
    STOPPED = "stopped"
    KILL = "kill"
    REARM = "rearm"
    GUARD_TRIPPED = "guard_tripped"
    GUARD_REARMED = "guard_rearmed"
    FEED_STALE = "feed_stale"
    """The guard that watches the feed has tripped: no bar, or one price repeated."""
    ORDER_UNKNOWN = "order_unknown"
    """Nobody knows whether an order was carried out; nothing is opened until it is found."""
    ORDER_SETTLED = "order_settled"
    """It was found out what became of such an order."""
    POSITION_UNPROTECTED = "position_unprotected"
    """A position could not be given its stop, and is being closed."""
    APPROVAL_WANTED = "approval_wanted"
    STATE_LOST = "state_lost"
    ALARM = "alarm"
    """Anything else that a person should look at."""
    DAILY_SUMMARY = "daily_summary"
    TEST = "test"


class Severity(IntEnum):
    """The higher, the sooner somebody should look."""

    INFO = 0
    WARNING = 1
    ALARM = 2


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened, where and when."""

    event: AlertEvent
    severity: Severity
    at_ns: int
    """Nanoseconds since 1970, UTC."""
    source: str
    """Who says so, such as `paper XAUUSD 1h` or `service DEMO-1`."""
    text: str
    """One line."""
    key: str = ""
    """The same key of the same event and source is told once in a while; empty: told every time."""
    repeats: int = 0
    """How often the same was left out since it was told last."""

    @property
    def at(self) -> str:
        """The moment in ISO 8601, to the second."""
        return datetime.fromtimestamp(self.at_ns // _NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def line(self) -> str:
        """For a person."""
        again = f" ({self.repeats} more of the same since)" if self.repeats else ""
        return f"{self.severity.name} {self.at} {self.source}: {self.text}{again}"

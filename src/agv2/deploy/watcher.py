"""What the decision service asks of whoever watches it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agv2.deploy.audit_chain import AuditKind
from agv2.deploy.guard_keeper import GuardKeeper
from agv2.deploy.open_hours import OpenHours
from agv2.execution.safeguards import BarFacts

__all__ = ["WatchedMarket", "Watcher"]


@dataclass(frozen=True, slots=True)
class WatchedMarket:
    """One served market and what watches it."""

    keeper: GuardKeeper
    hours: OpenHours | None
    """None where nobody can tell them: silence trips nothing."""
    off: tuple[str, ...]
    """Guards that are off, each as `guard: reason`."""

    @property
    def guards(self) -> tuple[str, ...]:
        """Names of those that are on."""
        off = {line.partition(":")[0] for line in self.off}
        return tuple(name for name in self.keeper.guards.names if name not in off)


class Watcher(Protocol):
    """Halts a service by its account's switch, gives signs of life, and tells people."""

    @property
    def markets(self) -> Mapping[str, WatchedMarket]:
        """By symbol."""
        ...

    def begin(self) -> None:
        """The service is ready: what tripped before holds again."""
        ...

    def trips(self, symbol: str, facts: BarFacts) -> bool:
        """A bar was decided on; whether something tripped by it, so that it must be decided anew."""
        ...

    def settle(self) -> None:
        """Hold what has tripped against the switch, which a person may have re-armed."""
        ...

    def recorded(self, kind: AuditKind, body: Mapping[str, Any]) -> None:
        """A record is in the audit log."""
        ...

    def end(self) -> None:
        """The service ends on purpose: no further looks, a goodbye."""
        ...

    def close(self) -> None:
        """Everything was recorded: tell people what they were not told yet."""
        ...

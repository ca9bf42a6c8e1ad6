"""What the decision service is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agv2.core.errors import AGV2Error
from agv2.deploy.state_store import StateStore

if TYPE_CHECKING:
    from agv2.deploy.decision_engine import DecisionEngine
    from agv2.deploy.watcher import Watcher

__all__ = ["NotReadyError", "OtherSwitch", "ServiceParts"]


class NotReadyError(AGV2Error):
    """The service cannot decide now: it is starting, stopping, or has lost its account or its state."""


class OtherSwitch(Protocol):
    """A trader's kill switch."""

    def throw(self, reason: str, by: str, *, flatten: bool = False) -> object:
        """Halt."""
        ...

    def rearm(self, reason: str, by: str) -> object:
        """Allow new positions again."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What a service is made of; opened in the background, so that `/health` answers at once."""

    account: str
    audit: Path
    open_state: Callable[[], StateStore]
    load_engine: Callable[[], "DecisionEngine"]
    other_switches: Callable[[], Sequence[OtherSwitch]] = tuple
    """Switches of traders beside the service, thrown and re-armed with its own."""
    open_watch: "Callable[[Any, DecisionEngine], Watcher] | None" = None
    """Makes what halts the service (its first argument) by itself and tells people; None: nothing does."""

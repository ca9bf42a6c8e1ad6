"""What the executor is asked for and what it answers."""

from dataclasses import dataclass
from enum import StrEnum

from agv2.core.orders import Order
from agv2.execution.broker_messages import BrokerFill, BrokerPosition

__all__ = ["ExecutionSettings", "Pursuit", "PursuitReport", "ReconcileReport", "Target"]


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How patient the executor is."""

    search_s: float = 15.0
    """How long an order in doubt must have been nowhere to be seen before it counts as absent."""
    fewest_looks: int = 3
    """And how often it must have been looked for."""
    settle_s: float = 10.0
    """How long what was accepted may take to show."""
    poll_s: float = 1.0
    """Pause between two looks."""
    bracket_attempts: int = 3
    """Repairs of a stop before its position is closed."""
    require_stop: bool = True
    """Whether nothing is opened without a stop, and what has none is closed."""


@dataclass(frozen=True, slots=True)
class Target:
    """The position that a decision wants."""

    symbol: str
    order: Order
    """The change that the planner ordered, with the bracket of the position that results."""
    counted_from: float
    """Signed units of the book from which `order.units` was counted."""

    @property
    def units(self) -> float:
        """Signed units wanted."""
        return self.counted_from + self.order.units


class Pursuit(StrEnum):
    """How far one attempt to reach a target came."""

    REACHED = "reached"
    """The venue shows the target, protected."""
    WAITING = "waiting"
    """Accepted, or closing first; it shows later."""
    BLOCKED = "blocked"
    """Something is in doubt: nothing is opened until it is found out."""
    KILLED = "killed"
    """The kill switch is thrown: nothing is opened until a person re-arms."""
    SKIPPED = "skipped"
    """Not sent, for a reason of ours: too small, no stop, wrong side of the market, market closed, book moved on."""
    FAILED = "failed"
    """The venue refused, rejected, or provably never got it. The next decision decides anew."""


@dataclass(frozen=True, slots=True)
class PursuitReport:
    """One attempt to reach a target."""

    outcome: Pursuit
    reason: str = ""
    intent_id: str | None = None
    """Of the opening order, where one was written."""


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """Our books against the venue's, after what could be repaired was."""

    ours: tuple[BrokerPosition, ...]
    foreign: tuple[BrokerPosition, ...]
    in_doubt: tuple[str, ...]
    """Intents of which nobody knows whether they were carried out."""
    new_fills: tuple[BrokerFill, ...]
    repaired: tuple[str, ...]
    """Positions whose stop or target was put back."""
    closed: tuple[str, ...]
    """Positions that were ordered closed because they could not be protected, or were one too many."""
    killed: bool
    """Whether the kill switch is thrown."""

    @property
    def may_open(self) -> bool:
        """Whether new positions may be opened."""
        return not self.in_doubt and not self.killed

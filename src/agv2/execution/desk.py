"""What the trader loop asks of whoever deals with the venue."""

from dataclasses import dataclass
from typing import Protocol

from agv2.core.account import Account
from agv2.core.bars import Bar
from agv2.decision.planner import Plan
from agv2.execution.broker_messages import BrokerFill
from agv2.risk.position_sizer import AccountView

__all__ = ["Desk", "DeskView", "Flattened"]


@dataclass(frozen=True, slots=True)
class DeskView:
    """Where a symbol stands after a bar."""

    book: Account
    account: AccountView
    fills: tuple[BrokerFill, ...]
    """New since the last view, oldest first."""
    doubt: str = ""
    """Why nothing may be opened: an order whose fate is unknown, a venue that does not answer; empty for none."""


@dataclass(frozen=True, slots=True)
class Flattened:
    """What came of closing all that is held."""

    is_done: bool
    """Nothing is left to send: flat, or a simulated venue fills what was ordered at its next bar."""
    words: str


class Desk(Protocol):
    """One symbol's dealings with one account.

    No method raises for what a venue does: it is in the views' `doubt`, and settled by and by.
    """

    @property
    def name(self) -> str:
        """Of the account, for the journal and for a person."""
        ...

    @property
    def halted_because(self) -> str | None:
        """Why nothing is opened until a person re-arms, whoever found that out; None where it is."""
        ...

    async def start(self) -> str:
        """Settle what an earlier start left open; what cannot be settled is the doubt."""
        ...

    async def observe(self, bar: Bar) -> DeskView:
        """Where things stand after `bar`; bars come in order."""
        ...

    async def watch(self) -> str:
        """Look after what is open between bars: settle, protect, repair; returns the doubt."""
        ...

    async def move_stop(self, book: Account, decided_ns: int) -> str:
        """Have the venue hold the stop of `book`; returns what came of it, empty for well."""
        ...

    async def carry_out(self, plan: Plan) -> str:
        """Send the order of `plan`, once, and return what became of it in a word; empty where there is none."""
        ...

    async def is_carried_out(self, plan: Plan) -> bool:
        """Whether the order of `plan`, decided before a restart, was sent or there was none."""
        ...

    async def flatten(self) -> Flattened:
        """Close what is held and withdraw what is pending; called again until it is done."""
        ...

    async def kill(self, reason: str, by: str) -> None:
        """Write down that nothing is opened until `rearm`."""
        ...

    async def rearm(self, reason: str, by: str) -> None:
        """Write down that a person allowed new positions again."""
        ...

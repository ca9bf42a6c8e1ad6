"""What a trader must know of its former self, read from the journal."""

from dataclasses import dataclass

from agv2.core.account import Account
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import BarSeen, DecisionMade, Killed, Rearmed, RiskSaved
from agv2.risk.limits import RiskState

__all__ = ["TraderMemory", "remember"]


@dataclass(frozen=True, slots=True)
class TraderMemory:
    """The end of what was done before.

    Attributes:
        done_ns: open of the last bar that was carried through; 0 for none.
        seen_ns: open of the last bar that was written down.
        risk: the limits' memory after that bar; None before the first.
        decision: the last one; None before the first.
        halted_ns: when it was halted, if the journal's last word is that it is; else None.
    """

    done_ns: int
    seen_ns: int
    risk: RiskState | None
    decision: DecisionMade | None
    halted_ns: int | None

    @property
    def book(self) -> Account | None:
        """The book of the last decision."""
        return None if self.decision is None else self.decision.book

    @property
    def number(self) -> int:
        """Of the last decision."""
        return 0 if self.decision is None else self.decision.number


def remember(journal: JournalReader, symbol: str) -> TraderMemory:
    """What the journal says of `symbol`'s trader.

    A bar is done once the limits' memory after it is written: with the decision, in one piece, where there is one.
    """
    risk = journal.newest(RiskSaved)
    seen = journal.newest(BarSeen, symbol)
    made = journal.newest(DecisionMade, symbol)
    thrown, armed = journal.newest(Killed), journal.newest(Rearmed)
    saved = risk.record if risk is not None and isinstance(risk.record, RiskSaved) else None
    return TraderMemory(
        done_ns=0 if saved is None else saved.bar_ts_ns,
        seen_ns=seen.record.bar.ts_ns if seen is not None and isinstance(seen.record, BarSeen) else 0,
        risk=None if saved is None else saved.state,
        decision=made.record if made is not None and isinstance(made.record, DecisionMade) else None,
        halted_ns=thrown.ts_ns if thrown is not None and (armed is None or armed.seq < thrown.seq) else None,
    )

"""What a paper journal says of one bundle: its days, results, halts, orders and books, folded in one pass."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from agv2.core.timeframes import Timeframe
from agv2.execution.journal import JournalEntry, JournalReader
from agv2.execution.journal_records import BarSeen, DecisionMade, Killed, Rearmed, RiskSaved, Started
from agv2.execution.order_ledger import FOLDED, OrderLedger
from agv2.risk.config import RiskConfig, RiskProfile
from agv2.risk.limits import RiskState

__all__ = ["KillDrill", "PaperRecord", "read_paper_record"]

_NS_PER_DAY = 86_400_000_000_000
_AT_THE_CLOSE_NS = 900_000_000_000
"""A decision that was written down later than this after its bar's close was not made on a running market."""


class CountedBars(NamedTuple):
    """Bars of a trading day."""

    seen: int = 0
    decided: int = 0
    """At their close and free to open a position, in a start that counts."""


@dataclass(frozen=True, slots=True)
class KillDrill:
    """One throw of the kill switch, as the trader obeyed it."""

    thrown_ns: int
    by: str
    reason: str
    held_back: int = 0
    """Decisions that were held back meanwhile."""
    rearmed_ns: int = 0
    """0: it is thrown still."""
    rearmed_by: str = ""


@dataclass(slots=True)
class PaperRecord:
    """Of one symbol. What counts are starts of the bundle in question on paper, on live bars and under its limits."""

    days: dict[int, CountedBars] = field(default_factory=dict)
    """By trading day, in order."""
    last_day: int = -1
    """Trading day of the newest bar: it is not over."""
    last_bar_ns: int = 0
    stretches: list[dict[int, tuple[float, float]]] = field(default_factory=list)
    """Equity after the first and the last bar of each trading day, between starts that do not count."""
    kills: list[KillDrill] = field(default_factory=list)
    risk: RiskState | None = None
    last_decision: DecisionMade | None = None
    venue_units: float = 0.0
    """Of our own in the symbol, as the venue showed them at the last reconcile before that decision; signed."""
    foreign: int = 0
    """Positions of others then."""
    decided_utc_days: list[int] = field(default_factory=list)
    """Days since 1970, UTC, on which the bundle decided, in order."""
    not_counted: dict[str, int] = field(default_factory=dict)
    """Starts that did not count, by reason."""
    ledger: OrderLedger = field(default_factory=lambda: OrderLedger(""))


def read_paper_record(journal: JournalReader, symbol: str, digest: str, limits: RiskProfile) -> PaperRecord:
    """Fold a journal.

    Args:
        journal: of a paper trader.
        symbol: which of its markets.
        digest: of the bundle in question.
        limits: that it will trade under.

    Raises:
        DataError: the journal cannot be read.
        InvariantError: it contradicts itself.
    """
    return _Fold(symbol, digest, limits, journal.identity).folded(
        journal.entries(kinds=(*FOLDED, Started, BarSeen, DecisionMade, RiskSaved))
    )


class _Fold:
    def __init__(self, symbol: str, digest: str, limits: RiskProfile, identity: str) -> None:
        self._symbol, self._digest, self._limits = symbol, digest, limits
        self._record = PaperRecord(ledger=OrderLedger(identity))
        self._counts = False
        self._bar: BarSeen | None = None

    def folded(self, entries: Iterator[JournalEntry]) -> PaperRecord:
        for entry in entries:
            self._take(entry)
            self._record.ledger.apply(entry.record, entry.ts_ns)
        self._record.days = dict(sorted(self._record.days.items()))
        return self._record

    def _take(self, entry: JournalEntry) -> None:
        found = self._record
        match entry.record:
            case Started() as started:
                self._take_start(started)
            case BarSeen() as seen if seen.symbol == self._symbol:
                self._bar = seen
                day = seen.bar.day
                found.last_bar_ns, found.last_day = seen.bar.ts_ns, max(day, found.last_day)
                counted = found.days.get(day, CountedBars())
                found.days[day] = counted._replace(seen=counted.seen + 1)
            case RiskSaved() as saved:
                found.risk = saved.state
                if self._counts:
                    first, _ = found.stretches[-1].get(saved.state.day, (saved.state.last_equity, 0.0))
                    found.stretches[-1][saved.state.day] = first, saved.state.last_equity
            case DecisionMade() as made if made.symbol == self._symbol:
                self._take_decision(made, entry.ts_ns)
            case Killed() as killed:
                if not found.kills or found.kills[-1].rearmed_ns:
                    found.kills.append(KillDrill(entry.ts_ns, killed.by, killed.reason))
            case Rearmed() as rearmed if found.kills and not found.kills[-1].rearmed_ns:
                found.kills[-1] = dataclasses.replace(
                    found.kills[-1], rearmed_ns=max(entry.ts_ns, 1), rearmed_by=rearmed.by
                )

    def _take_start(self, started: Started) -> None:
        why = self._why_not(started)
        if why:
            self._record.not_counted[why] = self._record.not_counted.get(why, 0) + 1
        elif not self._counts:
            self._record.stretches.append({})
        self._counts = not why

    def _why_not(self, started: Started) -> str:
        if started.mode != "paper":
            return "not on paper"
        if started.bundle_digest != self._digest:
            return "another bundle"
        if started.settings.get("feed") is not None:
            return "a recording"
        try:
            limits = RiskConfig.model_validate(started.settings["config"]["risk"]).active
        except (KeyError, TypeError, ValueError):
            return "settings of another version"
        return "" if limits == self._limits else "other limits"

    def _take_decision(self, made: DecisionMade, written_ns: int) -> None:
        found = self._record
        found.last_decision = made
        ours = [each for each in found.ledger.positions.values() if found.ledger.opener_of(each) is not None]
        found.venue_units = sum(each.units for each in ours if each.symbol == self._symbol)
        found.foreign = len(found.ledger.positions) - len(ours)
        if made.held_back and found.kills and not found.kills[-1].rearmed_ns:
            last = found.kills[-1]
            found.kills[-1] = dataclasses.replace(last, held_back=last.held_back + 1)
        seen = self._bar
        if not self._counts or seen is None or seen.bar.ts_ns != made.bar_ts_ns:
            return
        close_ns = made.bar_ts_ns + Timeframe.parse(seen.timeframe).nanoseconds
        if abs(written_ns - close_ns) > _AT_THE_CLOSE_NS:
            return
        if not made.held_back:
            counted = found.days[seen.bar.day]
            found.days[seen.bar.day] = counted._replace(decided=counted.decided + 1)
        if (utc_day := made.bar_ts_ns // _NS_PER_DAY) not in found.decided_utc_days[-1:]:
            found.decided_utc_days.append(utc_day)

"""What is left of a schedule, held against the venue's own ledger and against itself."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from agv2.execution.journal import JournalEntry, JournalReader
from agv2.execution.journal_records import (
    BarSeen,
    DecisionMade,
    FillSeen,
    IntentMade,
    Killed,
    Rearmed,
    RiskSaved,
)
from agv2.execution.kill_switch import SwitchState
from agv2.execution.order_ledger import OrderLedger
from agv2.execution.order_track import IntentKind
from agv2.risk.config import RiskParams
from agv2.risk.limits import RiskState, fresh_risk_state, observe_equity
from tests.chaos.venue_process import Truth
from tests.wishful_model import FLAT, LONG, Wish

__all__ = ["Records", "broken_promises", "read_records"]

_MINUTE_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Records:
    """What the traders of a schedule wrote down."""

    ledger: OrderLedger
    entries: tuple[JournalEntry, ...]

    def of(self, kind: type) -> list[JournalEntry]:
        """Entries of one kind, in order."""
        return [entry for entry in self.entries if isinstance(entry.record, kind)]


def read_records(location: str) -> Records:
    """The journal at `location`, a file or `postgresql://…#NAME`."""
    address, _, name = location.partition("#")
    with JournalReader(address, name=name or "trader") as journal:
        return Records(OrderLedger.load(journal), tuple(journal.entries()))


def broken_promises(
    truth: Truth, records: Records, switch: SwitchState, wish: Wish, params: RiskParams, *, may_halt: bool
) -> Iterator[str]:
    """What of the promises does not hold.

    Args:
        truth: the venue's.
        records: of all traders.
        switch: as it lies there at the end.
        wish: the last.
        params: limits.
        may_halt: a person or a loss threw the kill switch, or may have.
    """
    if truth.unsound:
        yield f"the venue's books: {truth.unsound}"
    yield from _orders(truth, records)
    yield from _books(truth, records)
    yield from _holding(truth, switch, wish)
    yield from _bars_and_decisions(records)
    yield from _risk(records, params)
    yield from _halts(records, switch, may_halt=may_halt)


def _orders(truth: Truth, records: Records) -> Iterator[str]:
    """One intent, one request, one order; and one order a decision."""
    made = [entry.record for entry in records.of(IntentMade)]
    intents = {each.intent_id: each for each in made if isinstance(each, IntentMade) and each.what is IntentKind.OPEN}
    for what, counts in (("order", truth.orders), ("request", truth.requests)):
        for name, count in counts.items():
            if count > 1:
                yield f"{count} {what}s for the intent {name}"
            if name not in intents:
                yield f"the {what} {name} is not in the journal"
    decided = Counter(intents[name].decided_ns for name in truth.orders if name in intents)
    for stamp, count in decided.items():
        if count > 1:
            yield f"{count} orders for the decision at {stamp}"


def _books(truth: Truth, records: Records) -> Iterator[str]:
    ledger = records.ledger
    if truth.unprotected:
        yield f"positions without a stop: {truth.unprotected}"
    ours = {each.position_id for each in ledger.positions.values()}
    if set(truth.positions) != ours:
        yield f"positions at the venue {sorted(truth.positions)}, in the journal {sorted(ours)}"
    held = sum(each.units for each in ledger.positions.values())
    if abs(held - truth.units) > 1e-9:
        yield f"the venue holds {truth.units:g} units, the journal {held:g}"
    if ledger.unsettled():
        yield f"unsettled: {[track.intent_id for track in ledger.unsettled()]}"
    yield from _fills(truth, records)


def _fills(truth: Truth, records: Records) -> Iterator[str]:
    known: dict[str, float] = {}
    money = 0.0
    for entry in records.of(FillSeen):
        assert isinstance(entry.record, FillSeen)
        fill = entry.record.fill
        if fill.fill_id in known:
            yield f"the fill {fill.fill_id} is in the journal twice"
        known[fill.fill_id] = fill.side * fill.units
        money += fill.side * fill.units * fill.price
    happened: dict[str, float] = {}
    for order_id, side, units, _ in truth.fills:
        happened[order_id] = happened.get(order_id, 0.0) + side * units
    if set(happened) != set(known):
        yield f"fills at the venue {sorted(happened)}, in the journal {sorted(known)}"
    elif any(abs(happened[each] - known[each]) > 1e-9 for each in known):
        yield f"fills differ: {happened} at the venue, {known} in the journal"
    paid = sum(side * units * price for _, side, units, price in truth.fills)
    if abs(paid - money) > 1e-6:
        yield f"paid {paid:.6f} at the venue, {money:.6f} by the journal"


def _holding(truth: Truth, switch: SwitchState, wish: Wish) -> Iterator[str]:
    """At the end the last wish is held, as far as a halt lets it."""
    side = 0 if wish[0] == FLAT else 1 if wish[0] == LONG else -1
    if switch.is_thrown:
        if switch.flattens and truth.units:
            yield f"{truth.units:g} units are held although the switch flattens"
    elif (truth.units > 0.0) - (truth.units < 0.0) != side:
        yield f"the venue holds {truth.units:g} units, side {side} is wished"


def _bars_and_decisions(records: Records) -> Iterator[str]:
    """Every bar once, none left out; at most one decision each, numbered without a hole; nothing above the target."""
    seen = [entry.record.bar.ts_ns for entry in records.of(BarSeen) if isinstance(entry.record, BarSeen)]
    done = [entry.record.bar_ts_ns for entry in records.of(RiskSaved) if isinstance(entry.record, RiskSaved)]
    for what, stamps in (("written down", seen), ("carried through", done)):
        if odd := [(a, b) for a, b in pairwise(stamps) if b - a != _MINUTE_NS]:
            yield f"bars {what} out of step: {odd}"
    made = [entry.record for entry in records.of(DecisionMade) if isinstance(entry.record, DecisionMade)]
    if not all(a.bar_ts_ns < b.bar_ts_ns for a, b in pairwise(made)):
        yield "two decisions at one bar"
    if [each.number for each in made] != list(range(1, len(made) + 1)):
        yield f"decisions are numbered {[each.number for each in made]}"
    if not {each.bar_ts_ns for each in made} <= set(done):
        yield "a decision without the limits that it was made under"


def _risk(records: Records, params: RiskParams) -> Iterator[str]:
    """Each state of the limits follows from the one before, whichever process wrote that."""
    before: RiskState | None = None
    for entry in records.of(RiskSaved):
        assert isinstance(entry.record, RiskSaved)
        state = entry.record.state
        if before is None:
            wanted = fresh_risk_state(state.last_equity, state.day)
        else:
            wanted = observe_equity(before, state.last_equity, state.day, params)
        if state != wanted:
            yield f"the limits' memory at {entry.record.bar_ts_ns} is {state}, {wanted} follows from the one before"
        before = state


def _halts(records: Records, switch: SwitchState, *, may_halt: bool) -> Iterator[str]:
    """A halt is written down once, opens nothing, and stays until a person re-arms."""
    halted = False
    for entry in records.entries:
        match entry.record:
            case Killed():
                if halted:
                    yield f"halted twice: {entry.record.reason}"
                if not may_halt:
                    yield f"the kill switch was thrown: {entry.record.reason}"
                halted = True
            case Rearmed():
                if not halted:
                    yield "re-armed what was not halted"
                halted = False
            case IntentMade() if halted and entry.record.what is IntentKind.OPEN:
                yield f"{entry.record.intent_id} was to open something while halted"
            case _:
                pass
    if halted != switch.is_thrown:
        yield f"the journal is {'' if halted else 'not '}halted, the switch says {switch}"

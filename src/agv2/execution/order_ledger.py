"""Everything the executor knows, folded from the journal: the same code runs at each record and at a restart."""

from agv2.core.errors import InvariantError
from agv2.execution.broker_messages import BracketChange, BrokerFill, BrokerPosition
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import (
    BracketIntended,
    FillSeen,
    IntentMade,
    JournalRecord,
    Killed,
    OrderMoved,
    PositionEnded,
    PositionSeen,
    Rearmed,
    RequestSent,
)
from agv2.execution.order_states import OrderEvent
from agv2.execution.order_track import IntentKind, OrderTrack

__all__ = ["FOLDED", "OrderLedger"]

FOLDED: tuple[type[JournalRecord], ...] = (
    IntentMade,
    RequestSent,
    OrderMoved,
    BracketIntended,
    FillSeen,
    PositionSeen,
    PositionEnded,
    Killed,
    Rearmed,
)
"""What a ledger is made of; other records change nothing in it."""
_TRADES = ("submit", "close")


class OrderLedger:
    """Orders, positions and brackets as the journal tells them.

    Args:
        identity: the journal's; part of every intent's id.
    """

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self.tracks: dict[str, OrderTrack] = {}
        self.positions: dict[str, BrokerPosition] = {}
        """As last seen, open ones, foreign ones included."""
        self.seen_fills: set[str] = set()
        self.newest_fill_ns = 0
        self.first_intent_ns = 0
        self.kill_reason: str | None = None
        self._brackets: dict[str, BracketChange] = {}
        self._opened_by: dict[str, str] = {}
        self._unsettled: dict[str, None] = {}
        self._last_order_id = 0

    @classmethod
    def load(cls, journal: JournalReader) -> "OrderLedger":
        """The ledger that the journal's records make."""
        ledger = cls(journal.identity)
        for entry in journal.entries(kinds=FOLDED):
            ledger.apply(entry.record, entry.ts_ns)
        return ledger

    def apply(self, record: JournalRecord, ts_ns: int) -> None:
        """Take in one record, in the order of the journal.

        Raises:
            InvariantError: it contradicts what came before.
        """
        match record:
            case IntentMade():
                self._begin(record, ts_ns)
            case RequestSent() if record.what in _TRADES:
                self._put(self._track(record.intent_id).after(OrderEvent.SEND, ts_ns))
            case OrderMoved():
                self._move(record, ts_ns)
            case BracketIntended():
                self._brackets[record.change.position_id] = record.change
            case FillSeen():
                self.seen_fills.add(record.fill.fill_id)
                self.newest_fill_ns = max(self.newest_fill_ns, record.fill.filled_ns)
            case PositionSeen():
                self.positions[record.position.position_id] = record.position
            case PositionEnded():
                self.positions.pop(record.position_id, None)
            case Killed():
                self.kill_reason = record.reason
            case Rearmed():
                self.kill_reason = None
            case _:
                pass  # inputs, decisions and the like are other readers'

    def next_intent_id(self) -> str:
        """An id that was never used: at most 31 characters, the venue's limit."""
        return f"agv2-{self._identity}-{len(self.tracks) + 1:06d}"

    def next_order_id(self) -> int:
        """A number above every order's so far."""
        return self._last_order_id + 1

    def unsettled(self, kind: IntentKind | None = None, symbol: str | None = None) -> list[OrderTrack]:
        """Tracks of which more is expected, oldest first."""
        found = (self.tracks[intent_id] for intent_id in self._unsettled)
        return [each for each in found if kind in (None, each.kind) and symbol in (None, each.symbol)]

    def in_doubt(self) -> list[OrderTrack]:
        """Tracks that may have been carried out without our knowing."""
        return [each for each in self.unsettled() if each.state.is_doubtful]

    def opener_of(self, position: BrokerPosition) -> OrderTrack | None:
        """The order of ours that opened `position`; None where it is foreign."""
        name = position.strategy_id or self._opened_by.get(position.position_id)
        track = self.tracks.get(name or "")
        return track if track is not None and track.kind is IntentKind.OPEN else None

    def track_of(self, fill: BrokerFill) -> OrderTrack | None:
        """The order of ours that `fill` carries out, or whose position it ends; None where nobody can tell."""
        return self.tracks.get(fill.strategy_id or self._opened_by.get(fill.position_id or "") or "")

    def opened(self, position_id: str) -> bool:
        """Whether an order of ours opened the position, open or closed."""
        return position_id in self._opened_by

    def carries_our_mark(self, name: str | None) -> bool:
        """Whether a strategy id is of this journal's, known to it or not."""
        return name is not None and name.startswith(f"agv2-{self._identity}-")

    def bracket_of(self, position: BrokerPosition) -> BracketChange | None:
        """Stop and target that `position` shall have; None where it is foreign."""
        opener = self.opener_of(position)
        if opener is None:
            return None
        wanted = self._brackets.get(position.position_id)
        if wanted is not None:
            return wanted
        return BracketChange(
            position.symbol, position.position_id, opener.stop_loss, opener.take_profit, opener.decided_ns, False
        )

    def _begin(self, record: IntentMade, ts_ns: int) -> None:
        if record.intent_id in self.tracks:
            raise InvariantError(f"the intent {record.intent_id} is in the journal twice")
        self.first_intent_ns = self.first_intent_ns or ts_ns
        self._last_order_id = max(self._last_order_id, record.order_id)
        self._put(
            OrderTrack(
                intent_id=record.intent_id,
                kind=record.what,
                symbol=record.symbol,
                units=record.units,
                stop_loss=record.stop_loss,
                take_profit=record.take_profit,
                order_id=record.order_id,
                reason=record.reason,
                decided_ns=record.decided_ns,
                intended_ns=ts_ns,
                position_id=record.position_id,
                units_before=record.units_before,
                moved_ns=ts_ns,
                trace=record.trace,
            )
        )

    def _move(self, record: OrderMoved, ts_ns: int) -> None:
        track = self._track(record.intent_id)
        if track.state is not record.before:
            raise InvariantError(
                f"the journal moves {record.intent_id} from {record.before}, but it was {track.state} before"
            )
        self._put(
            track.after(
                record.event,
                ts_ns,
                filled_units=record.filled_units,
                average_price=record.average_price,
                venue_order_id=record.venue_order_id,
                position_id=record.position_id,
            )
        )

    def _put(self, track: OrderTrack) -> None:
        self.tracks[track.intent_id] = track
        if track.is_settled:
            self._unsettled.pop(track.intent_id, None)
        else:
            self._unsettled[track.intent_id] = None
        if track.kind is IntentKind.OPEN and track.position_id is not None:
            self._opened_by[track.position_id] = track.intent_id

    def _track(self, intent_id: str) -> OrderTrack:
        if intent_id not in self.tracks:
            raise InvariantError(f"the journal speaks of {intent_id} before it was intended")
        return self.tracks[intent_id]

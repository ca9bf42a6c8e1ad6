"""Writes to the venue, each announced in the journal before it goes on the wire, and sent once."""

import dataclasses
from collections.abc import Awaitable, Callable

import structlog

from agv2.core.errors import InvariantError
from agv2.core.orders import Order
from agv2.execution.broker_messages import (
    BracketChange,
    BrokerOrder,
    BrokerPosition,
    Close,
    Submission,
    WriteOutcome,
    WriteReply,
)
from agv2.execution.journal import Journal
from agv2.execution.journal_records import (
    BracketIntended,
    IntentMade,
    JournalRecord,
    Noted,
    OrderMoved,
    ReplyReceived,
    RequestSent,
)
from agv2.execution.order_ledger import OrderLedger
from agv2.execution.order_states import OrderEvent, next_state
from agv2.execution.order_track import IntentKind, OrderTrack, event_of_reply
from agv2.execution.ports import Broker
from agv2.utils.clock import Clock
from agv2.utils.tracing import SpanKind, span, traceparent

__all__ = ["JournaledWrites"]


class JournaledWrites:
    """The only road from the executor to a broker's writes.

    Each goes through the same four steps: the intent is written and safe on the disk; that it is now sent is written
    and safe; it is sent, once; what came back is written. Killed between any two of them, the journal says how far it
    came at most. Nothing here tries again.

    Args:
        broker: carries out.
        journal: written first.
        ledger: follows each record.
        clock: stamps moves.
    """

    def __init__(self, broker: Broker, journal: Journal, ledger: OrderLedger, clock: Clock) -> None:
        self._broker = broker
        self._journal = journal
        self._ledger = ledger
        self._clock = clock

    def write(self, *records: JournalRecord) -> None:
        """Append to the journal, then let the ledger follow: never the other way round."""
        self._journal.append(*records)
        now_ns = self._clock.now_ns()
        for record in records:
            self._ledger.apply(record, now_ns)

    def note(self, level: str, text: str, symbol: str = "") -> None:
        """Tell a person, now and later."""
        log = structlog.get_logger()
        (log.error if level == "alarm" else log.warning if level == "warning" else log.info)(text, symbol=symbol)
        self.write(Noted(level, text, symbol))

    def move(self, track: OrderTrack, event: OrderEvent, remark: str = "", seen: BrokerOrder | None = None) -> None:
        """Take `track` along the edge `event`, with what the venue shows of it."""
        self.write(self._moved(track if seen is None else track.with_fill(seen), event, remark))

    def move_filled(self, track: OrderTrack, event: OrderEvent, filled_units: float, remark: str = "") -> None:
        """Take a close along the edge `event`, `filled_units` of it carried out."""
        self.write(self._moved(dataclasses.replace(track, filled_units=filled_units), event, remark))

    async def open(self, symbol: str, order: Order) -> OrderTrack:
        """Send a market order under a new identity; the track after the answer.

        Raises:
            DataError: the journal cannot be written; where that was before the request, nothing was sent.
            InvariantError: the order is wrong in itself; nothing was sent.
        """
        intent = IntentMade(
            intent_id=self._ledger.next_intent_id(),
            what=IntentKind.OPEN,
            symbol=symbol,
            units=order.units,
            stop_loss=order.stop_loss,
            take_profit=order.take_profit,
            order_id=order.order_id,
            reason=order.reason,
            decided_ns=order.decided_ns,
            trace=traceparent(),
        )
        self._announce(intent)
        submission = Submission(intent.intent_id, symbol, order)
        return await self._traded(intent.intent_id, "submit", lambda: self._broker.submit(submission))

    async def close(
        self, position: BrokerPosition, units: float, reason: int, decided_ns: int, order_id: int
    ) -> OrderTrack:
        """Send the close of `units` (> 0; 0 for all) of `position`; the track after the answer.

        Raises:
            DataError, InvariantError: as for `open`.
        """
        sign = -1.0 if position.units > 0.0 else 1.0
        intent = IntentMade(
            intent_id=self._ledger.next_intent_id(),
            what=IntentKind.CLOSE,
            symbol=position.symbol,
            units=sign * (units or abs(position.units)),
            stop_loss=0.0,
            take_profit=0.0,
            order_id=order_id,
            reason=reason,
            decided_ns=decided_ns,
            position_id=position.position_id,
            units_before=position.units,
            trace=traceparent(),
        )
        self._announce(intent)
        close = Close(position.symbol, position.position_id, units, order_id, reason, decided_ns)
        return await self._traded(intent.intent_id, "close", lambda: self._broker.close(close))

    async def amend(self, change: BracketChange) -> WriteReply:
        """Send stop and target of a position. Levels are absolute: sending them again changes nothing."""
        self.write(BracketIntended(change), RequestSent(change.position_id, "amend"))
        with span("bracket", SpanKind.CLIENT, symbol=change.symbol, position_id=change.position_id) as step:
            try:
                reply = await self._broker.amend(change)
            except InvariantError as error:
                reply = WriteReply(WriteOutcome.NOT_SENT, reason=str(error))
            step.tell(outcome=reply.outcome)
        self.write(ReplyReceived(change.position_id, "amend", reply))
        return reply

    async def cancel(self, track: OrderTrack) -> WriteReply:
        """Send the withdrawal of a working order; what became of it is for a look at the venue to say."""
        assert track.venue_order_id is not None
        self.write(RequestSent(track.intent_id, "cancel"))
        reply = await self._broker.cancel(track.symbol, track.venue_order_id)
        self.write(ReplyReceived(track.intent_id, "cancel", reply))
        return reply

    def _announce(self, intent: IntentMade) -> None:
        with span("intent", intent_id=intent.intent_id, symbol=intent.symbol, units=intent.units):
            self.write(intent)

    async def _traded(self, intent_id: str, what: str, send: Callable[[], Awaitable[WriteReply]]) -> OrderTrack:
        """Say that it is sent, send it, write what came back."""
        self.write(RequestSent(intent_id, what))
        track = self._ledger.tracks[intent_id]
        with span(what, SpanKind.CLIENT, intent_id=intent_id, symbol=track.symbol) as step:
            try:
                reply = await send()
            except InvariantError as error:
                self.write(self._moved(track, OrderEvent.NOT_SENT, str(error)))
                raise
            except Exception as error:  # noqa: BLE001 - whatever broke, the request may have left
                reply = WriteReply(WriteOutcome.UNKNOWN, reason=f"{type(error).__name__} while it was sent: {error}")
            step.tell(outcome=reply.outcome, venue_order_id=reply.venue_order_id or "")
        known = track if reply.venue_order_id is None else _named(track, reply.venue_order_id)
        self.write(
            ReplyReceived(intent_id, what, reply), self._moved(known, event_of_reply(reply.outcome), reply.reason)
        )
        return self._ledger.tracks[intent_id]

    @staticmethod
    def _moved(track: OrderTrack, event: OrderEvent, remark: str) -> OrderMoved:
        return OrderMoved(
            intent_id=track.intent_id,
            symbol=track.symbol,
            before=track.state,
            event=event,
            after=next_state(track.state, event),
            filled_units=track.filled_units,
            average_price=track.average_price,
            venue_order_id=track.venue_order_id,
            position_id=track.position_id,
            remark=remark,
        )


def _named(track: OrderTrack, venue_order_id: str) -> OrderTrack:
    return dataclasses.replace(track, venue_order_id=venue_order_id)

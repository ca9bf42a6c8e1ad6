"""One order from intent to end, as a value: every change makes a new one, and the journal holds what made it."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from agv2.core.errors import InvariantError
from agv2.execution.broker_messages import BrokerOrder, BrokerOrderStatus, WriteOutcome
from agv2.execution.order_states import OrderEvent, OrderState, next_state

__all__ = ["IntentKind", "OrderTrack", "event_of_reply"]

_CLOSE_ENOUGH = 1e-9  # share of an order's units that conversions to lots and back may lose


class IntentKind(StrEnum):
    """What is meant to happen at the venue."""

    OPEN = "open"
    """A market order with an identity of its own."""
    CLOSE = "close"
    """Taking units off one position; the venue gives it no identity."""


@dataclass(frozen=True, slots=True)
class OrderTrack:
    """What we know of one intent to trade.

    Quantities are signed base units of what is bought (+) or sold (-).
    """

    intent_id: str
    """Unique for ever; of an `OPEN` also the strategy id at the venue."""
    kind: IntentKind
    symbol: str
    units: float
    """Wanted, not 0."""
    stop_loss: float
    """Of the position that results; 0 for none, and of a `CLOSE`."""
    take_profit: float
    order_id: int
    reason: int
    """`FillReason`."""
    decided_ns: int
    intended_ns: int
    """When it was written down: nothing of it can be older at the venue."""
    position_id: str | None = None
    """Position that it opened, or takes units off."""
    units_before: float = 0.0
    """Of a `CLOSE`: what the position held, signed."""
    state: OrderState = OrderState.INTENDED
    filled_units: float = 0.0
    average_price: float | None = None
    venue_order_id: str | None = None
    is_given_up: bool = False
    """It was sent, perhaps, and searched for in vain: whoever sends it again may have it twice."""
    moved_ns: int = 0
    """When `state` was last entered."""
    trace: str = ""
    """Place of the intent in a trace, as a `traceparent`; what becomes of it later belongs there too."""

    @property
    def is_settled(self) -> bool:
        """Whether no more is expected of it."""
        return self.state.is_settled

    def after(self, event: OrderEvent, now_ns: int, **known: object) -> "OrderTrack":
        """The track after `event`, with what is newly known.

        Raises:
            InvariantError: the event cannot happen in this state.
        """
        state = next_state(self.state, event)
        given_up = event is OrderEvent.GIVE_UP
        return dataclasses.replace(self, state=state, moved_ns=now_ns, is_given_up=given_up, **known)  # type: ignore[arg-type]  # its own fields

    def event_of(self, seen: BrokerOrder) -> OrderEvent | None:
        """What it means that the venue shows `seen` under this identity; None where it is no news.

        Raises:
            InvariantError: what is shown contradicts what was ordered or already known.
        """
        self._require_same(seen)
        event = _event_of_listing(seen, self._is_whole(seen.filled_units))
        change = abs(seen.filled_units) - abs(self.filled_units)
        if change < -self._tolerance:
            if seen.is_working:
                return None  # a list that lags behind what we saw before
            raise InvariantError(
                f"order {self.intent_id}: {abs(self.filled_units):g} units were filled, the venue now says "
                f"{abs(seen.filled_units):g}"
            )
        if change > self._tolerance or _PROGRESS[_SHOWN[event]] > _PROGRESS[self.state]:
            return event
        return None

    def with_fill(self, seen: BrokerOrder) -> "OrderTrack":
        """The track with what `seen` tells of quantity, price and names; the state is left as it is."""
        return dataclasses.replace(
            self,
            filled_units=seen.filled_units,
            average_price=seen.average_price if seen.average_price is not None else self.average_price,
            venue_order_id=seen.venue_order_id or self.venue_order_id,
            position_id=seen.position_id or self.position_id,
        )

    @property
    def _tolerance(self) -> float:
        return _CLOSE_ENOUGH * abs(self.units)

    def _is_whole(self, filled_units: float) -> bool:
        return abs(filled_units) >= abs(self.units) - self._tolerance

    def _require_same(self, seen: BrokerOrder) -> None:
        if seen.symbol != self.symbol or seen.units * self.units <= 0.0:
            raise InvariantError(
                f"order {self.intent_id} is for {self.units:g} {self.symbol}, the venue shows {seen.units:g} "
                f"{seen.symbol} under its name"
            )
        if seen.filled_units * self.units < 0.0 or abs(seen.filled_units) > abs(self.units) + self._tolerance:
            raise InvariantError(
                f"order {self.intent_id} is for {self.units:g} units, the venue says that {seen.filled_units:g} filled"
            )


_SHOWN = {
    OrderEvent.SEE_WORKING: OrderState.WORKING,
    OrderEvent.SEE_PART: OrderState.PART_FILLED,
    OrderEvent.SEE_FILLED: OrderState.FILLED,
    OrderEvent.SEE_CANCELLED: OrderState.CANCELLED,
    OrderEvent.SEE_REJECTED: OrderState.REJECTED,
}
# How far an order has come; what the venue shows of an earlier stage is an older picture.
_PROGRESS = dict.fromkeys(OrderState, 0) | {
    OrderState.WORKING: 1,
    OrderState.PART_FILLED: 2,
    OrderState.FILLED: 3,
    OrderState.CANCELLED: 3,
    OrderState.REJECTED: 3,
}
_OF_REPLY = {
    WriteOutcome.ACCEPTED: OrderEvent.ACCEPT,
    WriteOutcome.REFUSED: OrderEvent.REFUSE,
    WriteOutcome.NOT_SENT: OrderEvent.NOT_SENT,
    WriteOutcome.UNKNOWN: OrderEvent.DOUBT,
}


def _event_of_listing(seen: BrokerOrder, whole: bool) -> OrderEvent:
    """By quantity first: how venues call a partly filled order is not documented."""
    if whole:
        return OrderEvent.SEE_FILLED
    if seen.is_working:
        return OrderEvent.SEE_PART if seen.filled_units else OrderEvent.SEE_WORKING
    if seen.status is BrokerOrderStatus.REJECTED and not seen.filled_units:
        return OrderEvent.SEE_REJECTED
    return OrderEvent.SEE_CANCELLED


def event_of_reply(outcome: WriteOutcome) -> OrderEvent:
    """What the answer to a request means for its order."""
    return _OF_REPLY[outcome]

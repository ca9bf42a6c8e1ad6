"""The life of an order as a table: states, events, and the only edges there are.

`docs/orders.md` draws it, and a test holds the drawing against this table and walks every edge.
"""

from collections.abc import Mapping
from enum import StrEnum

from agv2.core.errors import InvariantError

__all__ = ["EDGES", "OrderEvent", "OrderState", "next_state"]


class OrderState(StrEnum):
    """Where an order stands, as far as we can know."""

    INTENDED = "intended"
    """Written down; nothing has been sent."""
    SENT = "sent"
    """The request is written down as sent: it may be on the wire or about to be."""
    UNKNOWN = "unknown"
    """It may or may not exist at the venue; it is searched for, and nothing new is opened meanwhile."""
    WORKING = "working"
    """The venue has it; nothing was filled yet."""
    PART_FILLED = "part_filled"
    """The venue has it; some of it was filled, and more may be."""
    FILLED = "filled"
    """Filled whole."""
    CANCELLED = "cancelled"
    """Ended with less than was wanted, perhaps with nothing."""
    REJECTED = "rejected"
    """Accepted, then thrown out; nothing was filled."""
    REFUSED = "refused"
    """The venue said no at once."""
    ABSENT = "absent"
    """Never reached the venue, or was searched for long enough and is nowhere."""

    @property
    def is_settled(self) -> bool:
        """Whether no more is expected of it; should the venue show it all the same, it is adopted."""
        return self in _SETTLED

    @property
    def is_doubtful(self) -> bool:
        """Whether it may have been carried out without our knowing."""
        return self in (OrderState.SENT, OrderState.UNKNOWN)


_SETTLED = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.REJECTED,
        OrderState.REFUSED,
        OrderState.ABSENT,
    }
)


class OrderEvent(StrEnum):
    """What can happen to an order: what we do, what the venue answers, what it shows."""

    SEND = "send"
    """The request is in the journal and is now sent, once."""
    DROP = "drop"
    """Given up before anything was sent."""
    ACCEPT = "accept"
    """The venue answered yes."""
    REFUSE = "refuse"
    """The venue answered no."""
    NOT_SENT = "not_sent"
    """The request provably never reached the venue's order handling."""
    DOUBT = "doubt"
    """No answer, a broken one, or a restart in the middle; or an accepted order that is nowhere to be seen."""
    SEE_WORKING = "see_working"
    SEE_PART = "see_part"
    """Seen working with some of it filled."""
    SEE_FILLED = "see_filled"
    SEE_CANCELLED = "see_cancelled"
    SEE_REJECTED = "see_rejected"
    GIVE_UP = "give_up"
    """Searched for long enough, everywhere, and not found."""


_S, _E = OrderState, OrderEvent
_SEEN = {
    _E.SEE_WORKING: _S.WORKING,
    _E.SEE_PART: _S.PART_FILLED,
    _E.SEE_FILLED: _S.FILLED,
    _E.SEE_CANCELLED: _S.CANCELLED,
    _E.SEE_REJECTED: _S.REJECTED,
}


def _edges() -> dict[tuple[OrderState, OrderEvent], OrderState]:
    edges = {
        (_S.INTENDED, _E.SEND): _S.SENT,
        (_S.INTENDED, _E.DROP): _S.ABSENT,
        (_S.SENT, _E.ACCEPT): _S.WORKING,
        (_S.SENT, _E.REFUSE): _S.REFUSED,
        (_S.SENT, _E.NOT_SENT): _S.ABSENT,
        (_S.SENT, _E.DOUBT): _S.UNKNOWN,
        (_S.UNKNOWN, _E.GIVE_UP): _S.ABSENT,
        (_S.WORKING, _E.DOUBT): _S.UNKNOWN,
    }
    # The venue is the master: what it shows is adopted, also what we had given up or it had refused.
    for state in (_S.UNKNOWN, _S.ABSENT, _S.REFUSED):
        edges |= {(state, event): after for event, after in _SEEN.items()}
    edges |= {(_S.WORKING, event): after for event, after in _SEEN.items() if event is not _E.SEE_WORKING}
    edges |= {(_S.PART_FILLED, event): _SEEN[event] for event in (_E.SEE_PART, _E.SEE_FILLED, _E.SEE_CANCELLED)}
    # A fill may be told after the end.
    edges |= {(_S.CANCELLED, event): _SEEN[event] for event in (_E.SEE_CANCELLED, _E.SEE_FILLED)}
    return edges


EDGES: Mapping[tuple[OrderState, OrderEvent], OrderState] = _edges()
"""State after each event that may happen in a state; every other pair is a defect of ours or of the venue."""


def next_state(state: OrderState, event: OrderEvent) -> OrderState:
    """State after `event`.

    >>> next_state(OrderState.SENT, OrderEvent.DOUBT).value
    'unknown'

    Raises:
        InvariantError: there is no such edge.
    """
    after = EDGES.get((state, event))
    if after is None:
        raise InvariantError(f"an order that is {state} cannot {event}")
    return after

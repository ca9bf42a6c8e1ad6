"""Finding out what became of an order: patient looks at the venue, each adopting what it shows."""

import asyncio
from collections.abc import Awaitable, Callable

from agv2.core.errors import InvariantError
from agv2.execution.broker_messages import BrokerState
from agv2.execution.execution_reports import ExecutionSettings
from agv2.execution.journal_records import Killed
from agv2.execution.journaled_writes import JournaledWrites
from agv2.execution.order_ledger import OrderLedger
from agv2.execution.order_states import OrderEvent, OrderState
from agv2.execution.order_track import IntentKind, OrderTrack
from agv2.execution.ports import Broker
from agv2.utils.clock import Clock

__all__ = ["OrderSearch"]

_NS_PER_S = 1_000_000_000
_TOLERANCE = 1e-9


class OrderSearch:
    """Takes orders along their edges by what the venue shows.

    Args:
        broker: asked.
        ledger: what is known.
        writes: journals each step.
        clock: measures patience.
        settings: how much of it there is.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        broker: Broker,
        ledger: OrderLedger,
        writes: JournaledWrites,
        clock: Clock,
        settings: ExecutionSettings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._broker = broker
        self._ledger = ledger
        self._writes = writes
        self._clock = clock
        self._settings = settings
        self._sleep = sleep
        self._empty_looks: dict[str, list[int]] = {}
        """Moments at which an order was looked for in vain; counted anew after a restart."""

    def take_over(self) -> None:
        """When nothing is on its way: what was never sent is dropped, what was being sent is in doubt.

        So it is at a start after a kill, and after a call that was cancelled half-way.
        """
        for track in self._ledger.unsettled():
            if track.state is OrderState.INTENDED:
                self._writes.move(track, OrderEvent.DROP, "written down, not sent before the program ended")
            elif track.state is OrderState.SENT:
                self._writes.move(track, OrderEvent.DOUBT, "the program ended between request and answer")

    async def look(self, intent_id: str, state: BrokerState | None = None) -> OrderTrack:
        """The track of an order after one look at the venue.

        Args:
            intent_id: of an order that is not settled, or that turned up after it was.
            state: just read; None: a close is judged by a new reading.

        Raises:
            VenueError: the venue cannot be read; nothing changed.
            InvariantError: the venue contradicts what we know; the kill switch has been thrown.
        """
        track = self._ledger.tracks[intent_id]
        try:
            if track.kind is IntentKind.OPEN:
                await self._look_for_open(track)
            else:
                self._judge_close(track, state if state is not None else await self._broker.state())
        except InvariantError as error:
            self._writes.write(Killed(str(error), "executor"))
            self._writes.note("alarm", f"{error}; nothing is opened until a person re-arms", track.symbol)
            raise
        return self._ledger.tracks[intent_id]

    async def settle(self, intent_id: str, patience_s: float | None = None) -> OrderTrack:
        """Look until nothing more is expected of the order, or patience ends; in doubt for as long as the search takes.

        Raises:
            VenueError: the venue cannot be read; what is in doubt stays so.
            InvariantError: as for `look`.
        """
        settings = self._settings
        started_ns, slept_s = self._clock.now_ns(), 0.0
        while True:
            track = await self.look(intent_id)
            if track.is_settled:
                return track
            limit_s = settings.settle_s if patience_s is None else patience_s
            if track.state.is_doubtful:
                limit_s = settings.settle_s + 2.0 * settings.search_s
            # A clock that was put back would have us wait here, and nobody look after the rest.
            if max((self._clock.now_ns() - started_ns) / _NS_PER_S, slept_s) >= limit_s:
                return track
            await self._sleep(settings.poll_s)
            slept_s += settings.poll_s

    async def _look_for_open(self, track: OrderTrack) -> None:
        sighting = await self._broker.find(track.intent_id, track.intended_ns)
        if sighting.is_empty:
            self._note_empty(track)
            return
        self._empty_looks.pop(track.intent_id, None)
        if not sighting.orders:
            return  # its position is there, its order is not listed yet: look again
        seen = max(sighting.orders, key=lambda order: abs(order.filled_units))  # of several alike the oldest
        if len(sighting.orders) > 1:
            # Which of them counts does not matter for the books: the surplus is closed by whoever compares positions.
            self._writes.note(
                "alarm", f"the venue shows {len(sighting.orders)} orders under {track.intent_id}", track.symbol
            )
        event = track.event_of(seen)
        if event is None:
            return
        if track.is_settled and track.state is not OrderState.CANCELLED:
            self._writes.note("alarm", f"{track.intent_id} was {track.state} and has turned up", track.symbol)
        self._writes.move(track, event, "", seen)

    def _note_empty(self, track: OrderTrack) -> None:
        """One look in vain: an accepted order comes into doubt, one in doubt is given up in the end."""
        if track.is_settled:
            return
        looks, now_ns = self._empty_looks.setdefault(track.intent_id, []), self._clock.now_ns()
        if looks and now_ns < looks[-1]:  # the clock was put back: what was measured is worth nothing
            looks.clear()
        looks.append(now_ns)
        spent_s = (looks[-1] - looks[0]) / _NS_PER_S
        if track.state is OrderState.UNKNOWN:
            if spent_s >= self._settings.search_s and len(looks) >= self._settings.fewest_looks:
                self._writes.move(track, OrderEvent.GIVE_UP, f"looked for {len(looks)} times over {spent_s:.0f} s")
                del self._empty_looks[track.intent_id]
        elif track.state is OrderState.WORKING and spent_s >= self._settings.settle_s:
            self._writes.move(track, OrderEvent.DOUBT, f"accepted, yet nowhere to be seen for {spent_s:.0f} s")
            del self._empty_looks[track.intent_id]

    def _judge_close(self, track: OrderTrack, state: BrokerState) -> None:
        """A close has no name at the venue: what the position lost tells what became of it."""
        held = next((each.units for each in state.positions if each.position_id == track.position_id), 0.0)
        gone = abs(track.units_before) - abs(held)
        wanted, tolerance = abs(track.units), _TOLERANCE * abs(track.units_before)
        sign = 1.0 if track.units > 0.0 else -1.0
        filled = sign * min(max(gone, 0.0), wanted)
        if gone >= wanted - tolerance:
            self._move_close(track, OrderEvent.SEE_FILLED, filled)
            return
        waits = any(
            order.position_id == track.position_id and order.kind == "market" and order.units * track.units > 0.0
            for order in state.orders
        )
        if waits:
            if track.state is OrderState.UNKNOWN:
                self._move_close(track, OrderEvent.SEE_WORKING, track.filled_units)
            return
        spent_s = (self._clock.now_ns() - track.moved_ns) / _NS_PER_S
        if gone > tolerance and (spent_s >= self._settings.settle_s):
            self._move_close(track, OrderEvent.SEE_CANCELLED, filled, "part of it was carried out")
        elif track.state is OrderState.WORKING and spent_s >= self._settings.settle_s:
            self._move_close(track, OrderEvent.DOUBT, track.filled_units, "accepted, yet the position is as it was")
        elif track.state is OrderState.UNKNOWN and spent_s >= self._settings.search_s:
            self._move_close(track, OrderEvent.GIVE_UP, track.filled_units, "the position is as it was")

    def _move_close(self, track: OrderTrack, event: OrderEvent, filled_units: float, remark: str = "") -> None:
        self._writes.move_filled(track, event, filled_units, remark)

"""Reaching a target position exactly once, and keeping it protected, whatever the venue and the network do."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from agv2.core.errors import InvariantError
from agv2.core.instruments import Market, round_lots
from agv2.core.orders import FillReason
from agv2.execution.broker_messages import (
    BracketChange,
    BrokerFill,
    BrokerPosition,
    BrokerState,
    TradingTerms,
    WriteOutcome,
)
from agv2.execution.execution_reports import ExecutionSettings, Pursuit, PursuitReport, ReconcileReport, Target
from agv2.execution.journal import Journal
from agv2.execution.journal_records import (
    BracketIntended,
    FillSeen,
    JournalRecord,
    Killed,
    PositionEnded,
    PositionSeen,
    Rearmed,
)
from agv2.execution.journaled_writes import JournaledWrites
from agv2.execution.order_ledger import OrderLedger
from agv2.execution.order_search import OrderSearch
from agv2.execution.order_states import OrderState
from agv2.execution.order_track import IntentKind, OrderTrack
from agv2.execution.ports import Broker
from agv2.execution.protection import UNPROTECTED, bracket_on_grid, bracket_problem, entry_problem
from agv2.utils.clock import Clock
from agv2.utils.tracing import Place, continuing, here, span

__all__ = ["OrderExecutor"]

_NS_PER_S = 1_000_000_000
_FILL_OVERLAP_NS = 3600 * _NS_PER_S  # the venue's clock and ours may differ; a fill that is known is passed over
_FILLS_EVERY_NS = 300 * _NS_PER_S
_FILLS_FOLLOW_NS = 60 * _NS_PER_S
_DUST_LOT_STEPS = 1e-3
_GIVEN_UP = (OrderState.ABSENT, OrderState.REFUSED)


class OrderExecutor:
    """Carries decisions out at one broker; one call at a time, others wait.

    Whatever it knows it learnt from the journal, and whatever it learns goes there first: a restart is a load, and
    `reconcile` comes before anything else. It opens nothing while an order is in doubt or the kill switch is thrown;
    reducing and protecting go on.

    Args:
        broker: where.
        journal: open for writing.
        clock: measures patience.
        settings: how patient.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        broker: Broker,
        journal: Journal,
        clock: Clock,
        settings: ExecutionSettings | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._settings = settings or ExecutionSettings()
        self._sleep = sleep
        self._ledger = OrderLedger.load(journal)
        self._writes = JournaledWrites(broker, journal, self._ledger, clock)
        self._search = OrderSearch(broker, self._ledger, self._writes, clock, self._settings, sleep)
        self._turn = asyncio.Lock()
        self._has_reconciled = False
        self._fills_follow_until_ns = 0
        self._fills_due_ns = 0
        self._market: dict[str, Market] = {}

    @property
    def ledger(self) -> OrderLedger:
        """What is known of orders and positions; to be read only."""
        return self._ledger

    @property
    def is_killed(self) -> bool:
        """Whether the kill switch is thrown."""
        return self._ledger.kill_reason is not None

    async def kill(self, reason: str, by: str) -> None:
        """Open nothing more until `rearm`, also after a restart; what is open stays, protected."""
        self._writes.write(Killed(reason, by))

    async def rearm(self, reason: str, by: str) -> None:
        """A person allows new positions again."""
        self._writes.write(Rearmed(reason, by))

    # -------------------------------------------------------------------------------------------- reconcile

    async def reconcile(self) -> ReconcileReport:
        """Compare our books with the venue's and repair what can be: at a start, after any error, every few seconds.

        Orders in doubt are looked for (their patience runs over several calls), what was filled is taken in, each
        position of ours gets its stop back or is closed, foreign ones are told and left alone.

        Raises:
            VenueError: the venue cannot be read now; call again.
            InvariantError: the venue contradicts our journal; the kill switch has been thrown.
            DataError: the journal cannot be written: stop.
        """
        async with self._turn:
            return await self._reconcile()

    async def _reconcile(self) -> ReconcileReport:
        self._search.take_over()
        state = await self._broker.state()
        wrong: list[InvariantError] = []  # told once what is held has been protected
        looked = await self._adopt_what_turned_up(state, wrong)
        for track in self._ledger.unsettled():
            looked = track.kind is IntentKind.OPEN or looked
            await self._look(track.intent_id, state, wrong)
        if looked:
            state = await self._broker.state()  # what was looked for may have opened a position since
        changed = self._note_positions(state)
        repaired: list[str] = []
        closed: list[str] = await self._close_surplus(state)
        for position in self._ours(state):
            if position.position_id not in closed:
                await self._keep_protected(position, repaired, closed)
        if wrong:
            raise wrong[0]
        new_fills = await self._take_fills(changed or bool(repaired or closed))
        self._has_reconciled = True
        state = await self._broker.state() if repaired or closed else state
        return ReconcileReport(
            ours=tuple(self._ours(state)),
            foreign=tuple(each for each in state.positions if self._ledger.opener_of(each) is None),
            in_doubt=tuple(track.intent_id for track in self._ledger.in_doubt()),
            new_fills=new_fills,
            repaired=tuple(repaired),
            closed=tuple(closed),
            killed=self.is_killed,
        )

    async def _look(self, intent_id: str, state: BrokerState | None, wrong: list[InvariantError]) -> None:
        try:
            await self._search.look(intent_id, state)
        except InvariantError as error:
            wrong.append(error)

    async def _adopt_what_turned_up(self, state: BrokerState, wrong: list[InvariantError]) -> bool:
        """Orders that we had given up, or that were refused, and that the venue shows after all; whether any."""
        names = {each.strategy_id for each in state.positions} | {each.strategy_id for each in state.orders}
        found = False
        for name in sorted(name for name in names if name is not None):
            track = self._ledger.tracks.get(name)
            if track is not None and track.state in _GIVEN_UP:
                await self._look(name, None, wrong)
                found = True
            elif track is None and self._ledger.carries_our_mark(name) and not self.is_killed:
                reason = f"the venue shows {name}, which carries this journal's mark, and the journal does not know it"
                self._writes.write(Killed(reason, "executor"))
                self._writes.note("alarm", f"{reason}; was an older copy of it restored?")
        return found

    def _note_positions(self, state: BrokerState) -> bool:
        """Journal positions that are new, changed or gone; whether any is."""
        records: list[JournalRecord] = []
        there = {each.position_id: each for each in state.positions}
        for position_id, position in there.items():
            before = self._ledger.positions.get(position_id)
            if before is None or _without_profit(before) != _without_profit(position):
                is_ours = self._ledger.opener_of(position) is not None
                records.append(PositionSeen(position, is_ours))
                if before is None and not is_ours and self._has_reconciled:
                    self._writes.note("warning", f"foreign position {position_id} appeared", position.symbol)
        for position_id, position in self._ledger.positions.items():
            if position_id not in there:
                is_ours = self._ledger.opener_of(position) is not None
                records.append(PositionEnded(position_id, position.symbol, is_ours))
        if records:
            self._writes.write(*records)
        return bool(records)

    async def _take_fills(self, expected: bool) -> tuple[BrokerFill, ...]:
        """Fills of ours that are not in the journal yet.

        Asked for when something happened and for a while after, since venues tell late; else now and then, for what
        opened and ended between two looks.
        """
        now_ns = self._clock.now_ns()
        if expected or not self._has_reconciled or self._ledger.unsettled():
            self._fills_follow_until_ns = now_ns + _FILLS_FOLLOW_NS
        if not self._ledger.tracks or self._fills_follow_until_ns < now_ns < self._fills_due_ns:
            return ()
        self._fills_due_ns = now_ns + _FILLS_EVERY_NS
        known_from_ns = self._ledger.newest_fill_ns or self._ledger.first_intent_ns
        found = [
            fill
            for fill in await self._broker.fills(max(known_from_ns - _FILL_OVERLAP_NS, 0))
            if fill.fill_id not in self._ledger.seen_fills and self._is_ours(fill)
        ]
        for fill in found:
            opener = self._ledger.tracks.get(fill.strategy_id or "")
            if opener is not None and opener.state in _GIVEN_UP:
                await self._search.look(opener.intent_id)
        if found:
            self._writes.write(*(FillSeen(fill) for fill in found))
            for fill in found:
                self._trace_fill(fill)
        return tuple(found)

    def _trace_fill(self, fill: BrokerFill) -> None:
        """In the trace of the order that it carries out, however much later it is seen."""
        track = self._ledger.track_of(fill)
        place, intent_id = (None, "") if track is None else (Place.parse(track.trace), track.intent_id)
        with (
            continuing(place or here()),
            span("fill", intent_id=intent_id, symbol=fill.symbol, units=fill.units) as step,
        ):
            step.tell(price=fill.price, reason=fill.reason_name)

    def _is_ours(self, fill: BrokerFill) -> bool:
        if fill.strategy_id is not None:
            return fill.strategy_id in self._ledger.tracks
        return fill.position_id is not None and self._ledger.opened(fill.position_id)

    async def _close_surplus(self, state: BrokerState) -> list[str]:
        """Close what one intent opened more than once: it was not meant, whoever made it."""
        closed: list[str] = []
        by_opener: dict[str, list[BrokerPosition]] = {}
        for position in () if self._broker.nets else self._ours(state):
            opener = self._ledger.opener_of(position)
            assert opener is not None
            by_opener.setdefault(opener.intent_id, []).append(position)
        for intent_id, positions in by_opener.items():
            wanted = abs(self._ledger.tracks[intent_id].units)
            for position in positions:
                wanted -= abs(position.units)
                if wanted < -_DUST_LOT_STEPS * abs(position.units) and len(positions) > 1:
                    text = f"{intent_id} opened {len(positions)} positions; the surplus is closed"
                    self._writes.note("alarm", text, position.symbol)
                    await self._close_now(position)
                    closed.append(position.position_id)
        return closed

    # ------------------------------------------------------------------------------------------- protection

    async def _keep_protected(self, position: BrokerPosition, repaired: list[str], closed: list[str]) -> None:
        """Give `position` the bracket that it shall have; where no stop can be had, close it."""
        wanted = self._ledger.bracket_of(position)
        assert wanted is not None
        problem = self._bracket_problem(position, wanted, await self._market_of(position.symbol))
        if not problem and (position.stop_loss > 0.0 or not self._settings.require_stop):
            return
        if self._is_being_closed(position):
            return
        current: BrokerPosition | None = position
        name = f"position {position.position_id}"
        for _ in range(self._settings.bracket_attempts if wanted.stop_loss > 0.0 else 0):
            self._writes.note("warning", f"{name}: {problem}; putting it back", position.symbol)
            reply = await self._writes.amend(wanted)
            current = await self._position_again(position.position_id)
            if current is None:
                return  # closed meanwhile
            problem = self._bracket_problem(current, wanted, await self._market_of(position.symbol))
            if not problem:
                repaired.append(position.position_id)
                return
            if reply.outcome is WriteOutcome.REFUSED:
                break
            await self._sleep(max(self._settings.poll_s, reply.retry_after_s))
        if current is not None and current.stop_loss > 0.0:
            self._writes.note("warning", f"{name}: {problem}; its stop holds", position.symbol)
            return
        self._writes.note("alarm", f"{name} {UNPROTECTED}", position.symbol)
        await self._close_now(current or position)
        closed.append(position.position_id)

    @staticmethod
    def _bracket_problem(position: BrokerPosition, wanted: BracketChange, market: Market) -> str:
        return bracket_problem(position, wanted, market.tick_size)

    async def move_bracket(self, symbol: str, stop_loss: float, take_profit: float, decided_ns: int) -> ReconcileReport:
        """Move stop and target of our positions of `symbol`, as a trailing stop does, and read them back.

        Raises:
            VenueError, InvariantError, DataError: as for `reconcile`.
        """
        async with self._turn:
            for position in self._ours(await self._broker.state(), symbol):
                market = await self._market_of(symbol)
                wanted = self._ledger.bracket_of(position)
                moved = wanted is not None and (wanted.trailed or wanted.stop_loss != stop_loss)
                change = BracketChange(symbol, position.position_id, stop_loss, take_profit, decided_ns, moved)
                if wanted is None or bracket_problem(position, change, market.tick_size):
                    self._writes.write(BracketIntended(change))
                    await self._writes.amend(change)
            return await self._reconcile()

    async def _position_again(self, position_id: str) -> BrokerPosition | None:
        state = await self._broker.state()
        return next((each for each in state.positions if each.position_id == position_id), None)

    def _is_being_closed(self, position: BrokerPosition) -> bool:
        """Whether a close of all of it is under way and not in doubt."""
        return any(
            track.position_id == position.position_id
            and track.state in (OrderState.WORKING, OrderState.PART_FILLED)
            and abs(track.units) >= abs(position.units)
            for track in self._ledger.unsettled(IntentKind.CLOSE)
        )

    # --------------------------------------------------------------------------------------------- pursuit

    async def pursue(self, target: Target) -> PursuitReport:
        """Bring the venue to `target`, as far as it can be brought now. Calling again is harmless.

        What is on the wrong side, or too much, is closed first; only when the venue shows it gone is the rest opened,
        by one order under a new identity. A failure is not tried again: the next decision makes a target from what
        is then there.

        Raises:
            VenueError, InvariantError, DataError: as for `reconcile`, which is to be called next.
        """
        async with self._turn:
            if not self._has_reconciled:
                raise InvariantError("an executor reconciles before it trades")
            self._search.take_over()
            return await (self._pursue_netted(target) if self._broker.nets else self._pursue_hedged(target))

    async def flatten(self, symbol: str | None = None, reason: int = FillReason.RISK.value) -> ReconcileReport:
        """Close every position of ours (of `symbol`), withdraw what waits, and reconcile.

        Raises:
            VenueError, InvariantError, DataError: as for `reconcile`.
        """
        async with self._turn:
            for track in self._ledger.unsettled(IntentKind.OPEN, symbol):
                if track.state in (OrderState.WORKING, OrderState.PART_FILLED) and track.venue_order_id is not None:
                    await self._writes.cancel(track)
            for position in self._ours(await self._broker.state(), symbol):
                await self._close(position, 0.0, reason, self._clock.now_ns())
            return await self._reconcile()

    async def _pursue_netted(self, target: Target) -> PursuitReport:
        """One net book: the planner's order as it is, which takes the place of what waits."""
        symbol, order = target.symbol, target.order
        held = sum(position.units for position in self._ours(await self._broker.state(), symbol))
        dust = await self._dust(symbol)
        if abs(held - target.counted_from) > dust:
            return PursuitReport(
                Pursuit.SKIPPED, f"decided on {target.counted_from:g} units, the venue now shows {held:g}"
            )
        waiting = self._ledger.unsettled(IntentKind.OPEN, symbol)
        if order.units == 0.0:
            for track in waiting:
                if track.venue_order_id is not None:
                    await self._writes.cancel(track)
                    await self._search.look(track.intent_id)
            return PursuitReport(Pursuit.REACHED)
        opens = abs(target.units) > dust
        if opens and (refusal := self._may_not_open()) is not None:
            return refusal
        if opens and order.stop_loss <= 0.0 and self._settings.require_stop:
            return PursuitReport(Pursuit.SKIPPED, "it has no stop")
        track = await self._writes.open(symbol, order)
        for older in waiting:
            await self._search.look(older.intent_id)
        return self._report(track)

    async def _pursue_hedged(self, target: Target) -> PursuitReport:
        """Positions side by side: reduce what is too much, then open what is missing."""
        symbol, dust = target.symbol, await self._dust(target.symbol)
        wanted = 0.0 if abs(target.units) <= dust else target.units
        for track in self._ledger.unsettled(symbol=symbol):
            await self._search.settle(track.intent_id)
        positions = self._ours(await self._broker.state(), symbol)
        excess = [each for each in positions if each.units * wanted <= 0.0]
        kept = [each for each in positions if each.units * wanted > 0.0]
        reductions = [(position, 0.0) for position in excess]
        surplus = sum(abs(each.units) for each in kept) - abs(wanted)
        for position in reversed(kept):  # the newest first: the oldest carries the book's bracket
            if surplus <= dust:
                break
            part = min(surplus, abs(position.units))
            surplus -= part
            whole = part >= abs(position.units) - dust
            reductions.append((position, 0.0 if whole else part))
        for position, part in reductions:
            order = target.order
            closing = await self._close(position, part, order.reason, order.decided_ns, order.order_id)
            if closing is None:
                continue
            if not closing.is_settled:
                closing = await self._search.settle(closing.intent_id)
            if not closing.is_settled:
                return PursuitReport(Pursuit.WAITING, f"position {position.position_id} is not closed yet")
            if closing.state is not OrderState.FILLED:
                return PursuitReport(Pursuit.FAILED, f"close of {position.position_id}: {closing.state}")
        if reductions:
            positions = self._ours(await self._broker.state(), symbol)
        held = sum(each.units for each in positions)
        if abs(wanted) - abs(held) <= dust:
            await self._reconcile()
            return PursuitReport(Pursuit.REACHED)
        if wanted * target.counted_from > 0.0 and abs(held) < abs(target.counted_from) - dust:
            # What the decision built on was left meanwhile, by its stop or by hand: it never ordered all of it anew.
            return PursuitReport(
                Pursuit.SKIPPED, f"decided on {target.counted_from:g} units, the venue now shows {held:g}"
            )
        return await self._open_hedged(target, wanted - held)

    async def _open_hedged(self, target: Target, missing: float) -> PursuitReport:
        if (refusal := self._may_not_open()) is not None:
            return refusal
        terms = await self._terms(target.symbol)
        if not terms.is_open:
            return PursuitReport(Pursuit.SKIPPED, f"the market is {terms.status}")
        units = round_lots(missing, terms.market)
        if units == 0.0:
            return PursuitReport(Pursuit.SKIPPED, f"{missing:g} units are less than the smallest lot")
        order = bracket_on_grid(target.order._replace(units=units), terms.market)
        quote = await self._broker.quote(target.symbol)
        if problem := entry_problem(order, quote, require_stop=self._settings.require_stop):
            return PursuitReport(Pursuit.SKIPPED, problem)
        track = await self._writes.open(target.symbol, order)
        if not track.is_settled:
            track = await self._search.settle(track.intent_id)
        await self._reconcile()  # reads the position and its bracket back
        return self._report(self._ledger.tracks[track.intent_id])

    async def _close_now(self, position: BrokerPosition) -> None:
        """Close all of a position for a reason of ours, and see it gone where the venue shows it at once."""
        track = await self._close(position, 0.0, FillReason.RISK.value, self._clock.now_ns())
        if track is not None and not track.is_settled and not self._broker.nets:
            await self._search.settle(track.intent_id)

    async def _close(
        self, position: BrokerPosition, units: float, reason: int, decided_ns: int, order_id: int = 0
    ) -> OrderTrack | None:
        """Send the close of `units` (0: all) of a position as it is now, unless one is still under way.

        `order_id` is the decision's; 0 where nobody decided but us.

        Returns:
            The track of the close; None where the position is gone already.
        """
        for track in self._ledger.unsettled(IntentKind.CLOSE, position.symbol):
            if track.position_id == position.position_id:
                track = await self._search.look(track.intent_id)
                if not track.is_settled:
                    return track
        again = await self._position_again(position.position_id)
        if again is None:
            return None
        order_id = order_id or self._ledger.next_order_id()
        return await self._writes.close(again, min(units, abs(again.units)), reason, decided_ns, order_id)

    # ---------------------------------------------------------------------------------------------- details

    def _may_not_open(self) -> PursuitReport | None:
        if self._ledger.kill_reason is not None:
            return PursuitReport(Pursuit.KILLED, self._ledger.kill_reason)
        if doubtful := self._ledger.in_doubt():
            return PursuitReport(Pursuit.BLOCKED, f"{', '.join(each.intent_id for each in doubtful)} in doubt")
        return None

    def _report(self, track: OrderTrack) -> PursuitReport:
        match track.state:
            case OrderState.FILLED:
                outcome = Pursuit.REACHED
            case OrderState.CANCELLED if track.filled_units:
                outcome = Pursuit.REACHED
            case OrderState.WORKING | OrderState.PART_FILLED:
                outcome = Pursuit.WAITING
            case OrderState.UNKNOWN | OrderState.SENT:
                outcome = Pursuit.BLOCKED
            case _:
                outcome = Pursuit.FAILED
        part = f", {abs(track.filled_units):g} of {abs(track.units):g}" if track.filled_units != track.units else ""
        return PursuitReport(outcome, f"{track.state}{part}", track.intent_id)

    def _ours(self, state: BrokerState, symbol: str | None = None) -> list[BrokerPosition]:
        return [
            each
            for each in state.positions
            if symbol in (None, each.symbol) and self._ledger.opener_of(each) is not None
        ]

    async def _terms(self, symbol: str) -> TradingTerms:
        terms = await self._broker.terms(symbol)
        self._market[symbol] = terms.market
        return terms

    async def _market_of(self, symbol: str) -> Market:
        if symbol not in self._market:
            await self._terms(symbol)
        return self._market[symbol]

    async def _dust(self, symbol: str) -> float:
        market = await self._market_of(symbol)
        return _DUST_LOT_STEPS * market.lot_step * market.contract_size


def _without_profit(position: BrokerPosition) -> BrokerPosition:
    return dataclasses.replace(position, open_pnl=None)

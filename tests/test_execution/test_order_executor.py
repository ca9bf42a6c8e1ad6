"""The executor at both venues: exactly once, protected or closed, through whatever goes wrong."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from agv2.core.errors import InvariantError, RetryableVenueError
from agv2.core.orders import FillReason, Order
from agv2.execution.broker_messages import Submission
from agv2.execution.execution_reports import Pursuit, Target
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.journal_records import FillSeen, IntentMade, Killed, Noted, OrderMoved, ReplyReceived, RequestSent
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.order_states import OrderState
from agv2.tradelocker.fake.faults import FaultKind, FaultRule
from agv2.tradelocker.fake.rules import VenueRules
from tests.execution_venues import (
    ORDERS,
    OTHER,
    START_NS,
    SYMBOL,
    FakeVenue,
    Trouble,
    VenueUnderTest,
    an_order,
    fake_venue,
    quiet,
    simulated_venue,
)

Opening = Callable[..., AbstractAsyncContextManager[Any]]
POSITION = "/trade/positions/*"


class Desk:
    """An executor, its journal, and the venue; a restart is a new executor on the same journal."""

    def __init__(self, venue: VenueUnderTest, path: Path) -> None:
        self.venue, self.path = venue, path
        self.journal = Journal(path, clock=venue.clock)
        self.executor = self._executor()
        self.number = 0

    def _executor(self) -> OrderExecutor:
        return OrderExecutor(self.venue.broker, self.journal, self.venue.clock, sleep=self.venue.sleep)

    async def restart(self) -> None:
        self.journal.close()
        await self.venue.reconnect()
        self.journal = Journal(self.path, clock=self.venue.clock)
        self.executor = self._executor()

    async def want(self, units: float, *, stop: float = 90.0, target: float = 115.0) -> Pursuit:
        """Ask for a position of `units` and let a bar pass."""
        self.number += 1
        held = sum(each.units for each in (await self.executor.reconcile()).ours)
        if units < 0.0:
            stop, target = 200.0 - stop, 200.0 - target
        if units == 0.0:
            stop = target = 0.0
        reason = FillReason.ENTRY if units else FillReason.EXIT
        order = Order(self.executor.ledger.next_order_id(), units - held, stop, target, reason.value, START_NS)
        report = await self.executor.pursue(Target(SYMBOL, order, held))
        await self.venue.pass_bar()
        return report.outcome

    def records(self, *kinds: Any) -> list[Any]:
        with JournalReader(self.path) as reader:
            return [entry.record for entry in reader.entries(kinds=kinds)]

    def states(self) -> list[OrderState]:
        return [track.state for track in self.executor.ledger.tracks.values()]

    async def settled(self) -> list[float]:
        """Units of our positions once everything has calmed down; each has its stop."""
        for _ in range(6):
            report = await self.executor.reconcile()
            await self.venue.pass_bar()
        report = await self.executor.reconcile()
        assert not report.in_doubt
        assert all(each.stop_loss > 0.0 for each in report.ours)
        return [each.units for each in report.ours]


@pytest.fixture(params=["simulated", "tradelocker"])
def opening(request: pytest.FixtureRequest) -> Opening:
    return simulated_venue if request.param == "simulated" else fake_venue


@pytest.fixture
async def desk(opening: Opening, tmp_path: Path) -> AsyncIterator[Desk]:
    async with opening(quiet(100)) as venue:
        desk = Desk(venue, tmp_path / "journal.db")
        yield desk
        desk.journal.close()


@pytest.fixture
async def hedged(tmp_path: Path) -> AsyncIterator[Desk]:
    async with fake_venue(quiet(100)) as venue:
        desk = Desk(venue, tmp_path / "journal.db")
        yield desk
        desk.journal.close()


def fake_of(desk: Desk) -> Any:
    assert isinstance(desk.venue, FakeVenue)
    return desk.venue.fake


async def test_a_target_is_reached_turned_and_left(desk: Desk) -> None:
    for units in (3.0, -2.0, 0.0, 1.5):
        await desk.want(units)
        assert await desk.settled() == ([units] if units else [])
        assert desk.venue.true_units() == pytest.approx(units)
    assert all(state is OrderState.FILLED for state in desk.states())


async def test_nothing_goes_on_the_wire_that_is_not_in_the_journal_first(desk: Desk) -> None:
    await desk.want(3.0)
    await desk.settled()
    kinds = [type(record) for record in desk.records(IntentMade, RequestSent, ReplyReceived, OrderMoved, FillSeen)]
    assert kinds[:4] == [IntentMade, RequestSent, ReplyReceived, OrderMoved]
    assert FillSeen in kinds


async def test_reaching_it_again_sends_nothing(desk: Desk) -> None:
    await desk.want(3.0)
    await desk.settled()
    before = len(desk.records(RequestSent))
    for _ in range(3):
        held = Target(SYMBOL, Order(desk.executor.ledger.next_order_id(), 0.0, 0.0, 0.0, 0, START_NS), 3.0)
        assert (await desk.executor.pursue(held)).outcome is Pursuit.REACHED
        await desk.executor.reconcile()
    assert len(desk.records(RequestSent)) == before


@pytest.mark.parametrize(
    ("trouble", "held"),
    [
        (Trouble.REPLY_LOST, 3.0),
        (Trouble.REQUEST_LOST, 0.0),
        (Trouble.REFUSED, 0.0),
        (Trouble.REJECTED_LATE, 0.0),
        (Trouble.PARTLY_FILLED, 1.5),
        (Trouble.HIDDEN, 3.0),
        (Trouble.BRACKET_DROPPED, 3.0),
        (Trouble.TOKEN_EXPIRED, 0.0),
        (Trouble.TOO_FAST, 0.0),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
async def test_one_order_for_one_intent_and_the_venues_truth_adopted(desk: Desk, trouble: Trouble, held: float) -> None:
    await desk.executor.reconcile()
    desk.venue.trouble(trouble)
    await desk.want(3.0)
    assert await desk.settled() == ([held] if held else [])
    assert desk.venue.true_units() == held
    (track,) = desk.executor.ledger.tracks.values()
    assert desk.venue.true_orders(track.intent_id) <= 1
    assert track.is_settled
    assert track.filled_units == held
    assert sum(record.fill.units for record in desk.records(FillSeen)) == held
    # What is missing is reached by the next decision, under a new name.
    await desk.want(3.0)
    assert sum(await desk.settled()) == 3.0
    assert desk.venue.true_units() == 3.0


@pytest.mark.parametrize("trouble", [Trouble.REPLY_LOST, Trouble.REQUEST_LOST, Trouble.HIDDEN])
async def test_a_restart_in_the_middle_of_doubt_ends_at_the_truth(desk: Desk, trouble: Trouble) -> None:
    await desk.executor.reconcile()
    desk.venue.trouble(trouble)
    order = an_order()
    report = await desk.executor.pursue(Target(SYMBOL, order, 0.0))
    assert report.intent_id is not None
    await desk.restart()
    await desk.venue.pass_bar()
    held = await desk.settled()
    assert sum(held) == desk.venue.true_units() == (0.0 if trouble is Trouble.REQUEST_LOST else 3.0)
    assert desk.venue.true_orders(report.intent_id) == (0 if trouble is Trouble.REQUEST_LOST else 1)


async def test_while_one_order_is_in_doubt_no_other_is_opened(desk: Desk) -> None:
    await desk.executor.reconcile()
    writes = desk.executor._writes
    writes.write(IntentMade(desk.executor.ledger.next_intent_id(), desk_open(), OTHER, 1.0, 90.0, 0.0, 1, 1, 0))
    (name,) = desk.executor.ledger.tracks
    writes.write(RequestSent(name, "submit"))
    report = await desk.executor.pursue(Target(SYMBOL, an_order(order_id=2), 0.0))
    assert report.outcome is Pursuit.BLOCKED
    assert name in report.reason
    assert await desk.settled() == []
    assert await desk.want(3.0) in (Pursuit.REACHED, Pursuit.WAITING)
    assert await desk.settled() == [3.0]


def desk_open() -> Any:
    from agv2.execution.order_track import IntentKind

    return IntentKind.OPEN


async def test_an_intent_that_was_never_sent_is_dropped_at_the_start(desk: Desk) -> None:
    await desk.executor.reconcile()
    desk.executor._writes.write(IntentMade("agv2-x-000001", desk_open(), SYMBOL, 3.0, 90.0, 0.0, 1, 1, 0))
    await desk.restart()
    report = await desk.executor.reconcile()
    assert report.in_doubt == ()
    assert desk.states() == [OrderState.ABSENT]


async def test_the_kill_switch_outlives_a_restart_and_lets_positions_be_left(desk: Desk) -> None:
    await desk.want(3.0)
    await desk.executor.kill("somebody pulled it", "anna")
    await desk.restart()
    report = await desk.executor.reconcile()
    assert report.killed
    assert not report.may_open
    assert await desk.settled() == [3.0]
    await desk.want(0.0)
    assert await desk.settled() == []
    assert await desk.want(3.0) is Pursuit.KILLED
    await desk.executor.rearm("all is well", "anna")
    await desk.want(3.0)
    assert await desk.settled() == [3.0]


async def test_flatten_closes_what_is_ours_and_leaves_what_is_foreign(desk: Desk) -> None:
    await desk.want(3.0)
    await desk.settled()
    await desk.venue.foreign_position()
    await desk.executor.flatten()
    await desk.venue.pass_bar()
    assert await desk.settled() == []
    report = await desk.executor.reconcile()
    assert [each.symbol for each in report.foreign] == [OTHER]
    assert desk.venue.true_units(OTHER) == 3.0


async def test_the_stop_that_fired_is_taken_in_with_its_fill(opening: Opening, tmp_path: Path) -> None:
    async with opening([(100.0, 100.0, 100.0, 100.0), (100.0, 100.0, 85.0, 86.0), *quiet(50, 86.0)]) as venue:
        desk = Desk(venue, tmp_path / "j.db")
        await desk.want(3.0)
        await venue.pass_bar()
        assert await desk.settled() == []
        fills = [record.fill for record in desk.records(FillSeen)]
        assert [fill.side * fill.units for fill in fills] == [3.0, -3.0]
        assert {fill.strategy_id for fill in fills} == set(desk.executor.ledger.tracks)
        desk.journal.close()


async def test_a_moved_stop_is_at_the_venue_and_survives_a_restart(desk: Desk) -> None:
    await desk.want(3.0)
    await desk.settled()
    await desk.executor.move_bracket(SYMBOL, 95.5, 115.0, START_NS)
    await desk.restart()
    (position,) = (await desk.executor.reconcile()).ours
    assert (position.stop_loss, position.take_profit) == (95.5, 115.0)


async def test_nothing_is_opened_without_a_stop(desk: Desk) -> None:
    await desk.executor.reconcile()
    report = await desk.executor.pursue(Target(SYMBOL, an_order(stop=0.0), 0.0))
    assert report.outcome is Pursuit.SKIPPED
    assert desk.executor.ledger.tracks == {}


async def test_an_executor_that_has_not_looked_does_not_trade(desk: Desk) -> None:
    with pytest.raises(InvariantError, match="reconciles before"):
        await desk.executor.pursue(Target(SYMBOL, an_order(), 0.0))


async def test_maintenance_is_borne_and_everything_is_as_before(desk: Desk) -> None:
    await desk.want(3.0)
    await desk.settled()
    await desk.venue.away()
    with pytest.raises(RetryableVenueError):
        await desk.executor.reconcile()
    await desk.venue.back()
    assert await desk.settled() == [3.0]


# ---------------------------------------------------------------------------------- what only a hedging venue has


async def test_an_order_that_turns_up_after_it_was_given_up_is_adopted_and_the_surplus_closed(hedged: Desk) -> None:
    fake = fake_of(hedged)
    await hedged.executor.reconcile()
    fake.faults.add(
        FaultRule(FaultKind.DELAYED_VISIBILITY, seconds=300.0),
        FaultRule(FaultKind.LOST_ANSWER, method="POST", path=ORDERS),
    )
    await hedged.want(3.0)
    for _ in range(4):
        await hedged.executor.reconcile()
        await hedged.venue.pass_bar()
    assert hedged.states() == [OrderState.ABSENT]
    await hedged.want(3.0)  # the next decision, in good faith
    fake.advance(300.0)
    report = await hedged.executor.reconcile()
    assert sum(each.units for each in report.ours) == 6.0
    assert hedged.states() == [OrderState.FILLED, OrderState.FILLED]
    assert any("turned up" in note.text for note in hedged.records(Noted))
    await hedged.want(3.0)
    assert await hedged.settled() == [3.0]


async def test_the_surplus_of_a_name_used_twice_is_closed(hedged: Desk) -> None:
    await hedged.want(3.0)
    (name,) = hedged.executor.ledger.tracks
    await hedged.venue.broker.submit(Submission(name, SYMBOL, an_order()))
    assert hedged.venue.true_units() == 6.0
    report = await hedged.executor.reconcile()
    assert len(report.closed) == 1
    assert hedged.venue.true_units() == 3.0
    assert await hedged.settled() == [3.0]


async def test_a_bracket_that_cannot_be_put_back_closes_the_position(hedged: Desk) -> None:
    fake = fake_of(hedged)
    await hedged.executor.reconcile()
    fake.faults.add(
        FaultRule(FaultKind.DROPPED_BRACKET),
        FaultRule(FaultKind.SERVER_ERROR, method="PATCH", path=POSITION, times=None),
    )
    await hedged.want(3.0)
    assert fake.open_positions() == []
    assert any("cannot be protected" in note.text for note in hedged.records(Noted))


async def test_a_price_beyond_the_lost_stop_closes_the_position(tmp_path: Path) -> None:
    async with fake_venue([*quiet(1), (100.0, 100.0, 88.0, 88.0), *quiet(30, 88.0)]) as venue:
        desk = Desk(venue, tmp_path / "j.db")
        await desk.executor.reconcile()
        venue.trouble(Trouble.BRACKET_DROPPED)
        venue.fake.faults.add(FaultRule(FaultKind.TIMEOUT, method="PATCH", path=POSITION, seconds=0.0, times=None))
        report = await desk.executor.pursue(Target(SYMBOL, an_order(), 0.0))
        assert report.intent_id is not None
        assert venue.fake.unprotected_positions() == []
        desk.journal.close()


async def test_a_removed_stop_is_put_back_within_one_reconcile(hedged: Desk) -> None:
    await hedged.want(3.0)
    fake = fake_of(hedged)
    (position,) = fake.open_positions()
    from tests.test_tradelocker.fake_trader import Trader

    with Trader(fake) as person:
        person.send("PATCH", f"/positions/{position.position_id}", {"stopLoss": None})
    assert fake.unprotected_positions() != []
    report = await hedged.executor.reconcile()
    assert report.repaired == (position.position_id,)
    assert fake.unprotected_positions() == []


async def test_a_close_whose_reply_was_lost_is_not_sent_again_while_it_may_work(hedged: Desk) -> None:
    await hedged.want(3.0)
    fake = fake_of(hedged)
    fake.faults.add(FaultRule(FaultKind.LOST_ANSWER, method="DELETE", path=POSITION))
    await hedged.want(0.0)
    assert await hedged.settled() == []
    assert sum(request.method == "DELETE" for request in fake.requests) == 1


async def test_a_close_that_never_arrived_is_sent_again_by_the_next_decision(hedged: Desk) -> None:
    await hedged.want(3.0)
    fake_of(hedged).faults.add(FaultRule(FaultKind.RESET, method="DELETE", path=POSITION))
    assert await hedged.want(0.0) is Pursuit.FAILED
    assert await hedged.want(0.0) is Pursuit.REACHED
    assert hedged.venue.true_units() == 0.0


async def test_a_partly_filled_close_is_finished_by_the_next_decision(hedged: Desk) -> None:
    await hedged.want(3.0)
    fake_of(hedged).faults.add(FaultRule(FaultKind.PARTIAL_FILL, method="DELETE"))
    await hedged.want(0.0)
    await hedged.want(0.0)
    assert await hedged.settled() == []


async def test_a_smaller_target_takes_off_only_the_difference(hedged: Desk) -> None:
    await hedged.want(3.0)
    await hedged.want(1.0)
    assert await hedged.settled() == [1.0]


async def test_a_price_that_ran_past_the_stop_opens_nothing(tmp_path: Path) -> None:
    async with fake_venue(quiet(20, 89.0)) as venue:
        desk = Desk(venue, tmp_path / "j.db")
        await desk.executor.reconcile()
        report = await desk.executor.pursue(Target(SYMBOL, an_order(), 0.0))
        assert report.outcome is Pursuit.SKIPPED
        assert "past its stop" in report.reason
        assert [request.method for request in venue.fake.requests if request.path.endswith("/orders")].count(
            "POST"
        ) == 0
        desk.journal.close()


async def test_a_closed_market_opens_nothing(hedged: Desk) -> None:
    fake_of(hedged).set_symbol_status("ETHUSD.x", "CLOSED")
    assert await hedged.want(3.0) is Pursuit.SKIPPED


async def test_off_grid_wishes_are_rounded_before_they_are_sent(hedged: Desk) -> None:
    await hedged.executor.reconcile()
    order = an_order(units=3.1999, stop=90.004, target=115.006)
    await hedged.executor.pursue(Target(SYMBOL, order, 0.0))
    (position,) = fake_of(hedged).open_positions()
    assert str(position.qty) == "0.31"
    (ours,) = (await hedged.executor.reconcile()).ours
    assert (ours.stop_loss, ours.take_profit) == (90.0, 115.01)


async def test_a_journal_that_lost_its_end_throws_the_kill_switch(hedged: Desk, tmp_path: Path) -> None:
    await hedged.executor.reconcile()
    name = f"agv2-{hedged.journal.identity}-000009"
    await hedged.venue.broker.submit(Submission(name, SYMBOL, an_order()))
    report = await hedged.executor.reconcile()
    assert report.killed
    assert [each.strategy_id for each in report.foreign] == [name]
    assert "older copy" in " ".join(note.text for note in hedged.records(Noted))
    assert len(hedged.records(Killed)) == 1


async def test_a_slow_fill_is_waited_for(tmp_path: Path) -> None:
    rules = VenueRules(fill_delay_ns=4_000_000_000, visible_after_ns=2_000_000_000)
    async with fake_venue(quiet(50), rules=rules) as venue:
        desk = Desk(venue, tmp_path / "j.db")
        assert await desk.want(3.0) is Pursuit.REACHED
        assert await desk.settled() == [3.0]
        assert await desk.want(-3.0) is Pursuit.REACHED
        assert await desk.settled() == [-3.0]
        desk.journal.close()

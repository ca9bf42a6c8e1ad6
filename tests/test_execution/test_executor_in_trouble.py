"""The executor where people, clocks and contradictions meet it half-way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agv2.core.errors import InvariantError
from agv2.core.orders import FillReason, Order
from agv2.decision.planner import Plan, PlanReason
from agv2.execution.broker_desk import BrokerDesk
from agv2.execution.execution_reports import Pursuit, Target
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.order_states import OrderState
from agv2.tradelocker.fake.faults import FaultKind, FaultRule
from tests.execution_venues import ORDERS, START_NS, SYMBOL, fake_venue, quiet
from tests.test_execution.test_order_executor import Desk, fake_of
from tests.test_tradelocker.fake_trader import Trader


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """At the fake venue, 3 units long and protected."""
    async with fake_venue(quiet(100)) as venue:
        desk = Desk(venue, tmp_path / "journal.db")
        await desk.want(3.0)
        assert await desk.settled() == [3.0]
        yield desk
        desk.journal.close()


def an_order(units: float) -> Order:
    return Order(9, units, 90.0, 115.0, FillReason.ENTRY.value, START_NS)


@pytest.mark.parametrize("change", [-2.0, 1.0])
async def test_what_was_closed_by_hand_is_not_opened_anew_by_a_change_of_its_size(desk: Desk, change: float) -> None:
    (position,) = fake_of(desk).open_positions()
    with Trader(fake_of(desk)) as person:
        person.send("DELETE", f"/positions/{position.position_id}", {"qty": "0"})
    report = await desk.executor.pursue(Target(SYMBOL, an_order(change), 3.0))
    assert report.outcome is Pursuit.SKIPPED
    assert "decided on 3 units, the venue now shows 0" in report.reason
    assert desk.venue.true_units() == 0.0


async def test_half_closed_by_hand_a_smaller_target_opens_nothing(desk: Desk) -> None:
    (position,) = fake_of(desk).open_positions()
    with Trader(fake_of(desk)) as person:
        person.send("DELETE", f"/positions/{position.position_id}", {"qty": "0.25"})
    report = await desk.executor.pursue(Target(SYMBOL, an_order(-1.0), 3.0))
    assert report.outcome is Pursuit.SKIPPED
    assert desk.venue.true_units() == pytest.approx(0.5)
    assert fake_of(desk).unprotected_positions() == []


async def test_a_turn_decided_on_what_was_closed_by_hand_opens_the_other_side_alone(desk: Desk) -> None:
    (position,) = fake_of(desk).open_positions()
    with Trader(fake_of(desk)) as person:
        person.send("DELETE", f"/positions/{position.position_id}", {"qty": "0"})
    turn = Order(9, -5.0, 110.0, 85.0, FillReason.REVERSE.value, START_NS)
    assert (await desk.executor.pursue(Target(SYMBOL, turn, 3.0))).outcome is Pursuit.REACHED
    assert desk.venue.true_units() == pytest.approx(-2.0)


async def in_doubt(desk: Desk, units: float) -> str:
    """An order whose request was lost, and that nobody has looked for yet."""
    fake_of(desk).faults.add(FaultRule(FaultKind.RESET, method="POST", path=ORDERS))
    track = await desk.executor._writes.open(SYMBOL, an_order(units))
    assert track.state is OrderState.UNKNOWN
    return track.intent_id


async def test_a_contradiction_about_one_order_does_not_leave_a_position_without_its_stop(desk: Desk) -> None:
    fake = fake_of(desk)
    (position,) = fake.open_positions()
    intent_id = await in_doubt(desk, 1.0)
    with Trader(fake) as person:
        person.place(qty="0.10", side="sell", strategyId=intent_id)
        person.send("PATCH", f"/positions/{position.position_id}", {"stopLoss": None})
    with pytest.raises(InvariantError, match="the venue shows -1"):
        await desk.executor.reconcile()
    assert desk.executor.is_killed
    assert position.position_id not in {each.position_id for each in fake.unprotected_positions()}


class PutBack:
    """A clock that somebody puts back by half an hour."""

    def __init__(self, desk: Desk) -> None:
        self.venue, self.back_ns, self.slept_s = desk.venue, 0, 0.0

    def now_ns(self) -> int:
        return self.venue.clock.now_ns() - self.back_ns

    def sleep_until(self, ts_ns: int) -> None:
        raise AssertionError("nobody waits for it")

    async def sleep(self, seconds: float) -> None:
        self.back_ns, self.slept_s = 1_800_000_000_000, self.slept_s + seconds
        assert self.slept_s < 120.0, "it waits for ever"
        await self.venue.sleep(seconds)


async def test_a_clock_that_is_put_back_does_not_stop_the_search_or_keep_the_doubt(desk: Desk) -> None:
    clock = PutBack(desk)
    desk.executor = OrderExecutor(desk.venue.broker, desk.journal, clock, sleep=clock.sleep)
    await desk.executor.reconcile()
    fake_of(desk).faults.add(FaultRule(FaultKind.RESET, method="POST", path=ORDERS))
    report = await desk.executor.pursue(Target(SYMBOL, an_order(1.0), 3.0))
    assert report.outcome is Pursuit.FAILED
    assert desk.venue.true_units() == pytest.approx(3.0)


async def test_an_order_that_was_searched_for_in_vain_is_not_sent_again_by_a_restart(desk: Desk) -> None:
    fake_of(desk).faults.add(FaultRule(FaultKind.LOST_ANSWER, method="POST", path=ORDERS))
    fake_of(desk).faults.add(FaultRule(FaultKind.DELAYED_VISIBILITY, seconds=300.0))
    order = an_order(1.0)._replace(decided_ns=START_NS + 1)
    assert (await desk.executor.pursue(Target(SYMBOL, order, 3.0))).outcome is Pursuit.FAILED
    assert desk.states()[-1] is OrderState.ABSENT
    await desk.restart()
    again = BrokerDesk(desk.venue.broker, desk.executor, desk.journal, SYMBOL)
    assert await again.is_carried_out(Plan(order, 1, 90.0, 115.0, 1.0, 1.0, PlanReason.AS_WISHED))
    assert desk.venue.true_units() == pytest.approx(4.0)  # it was there all the time

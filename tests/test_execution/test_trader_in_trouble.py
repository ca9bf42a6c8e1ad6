"""The loop where the venue says no: it goes on looking after what is held, and a flatten is tried until it is flat."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agv2.core.bars import Bars
from agv2.core.errors import FinalVenueError
from agv2.core.timeframes import Timeframe
from agv2.execution.broker_desk import BrokerDesk
from agv2.execution.feed_watch import FeedWatch
from agv2.execution.journal import Journal
from agv2.execution.journal_records import DecisionMade, Noted, RiskSaved, Started
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.ports import BarFeed
from agv2.execution.trader import Trader
from agv2.execution.trader_memory import remember
from agv2.execution.trader_parts import TraderParts, TraderRules
from agv2.tradelocker.fake.faults import FaultKind, FaultRule
from tests.execution_venues import SYMBOL, fake_venue
from tests.test_execution.test_trader_at_venue import VenueDay, venue_prices

POSITION = "/trade/positions/*"


@pytest.fixture
async def day(tmp_path: Path) -> AsyncIterator[VenueDay]:
    """A trader that holds something."""
    prices = venue_prices()
    async with fake_venue(prices) as venue:
        day = VenueDay(venue, tmp_path, prices)
        while not venue.true_units():
            await day.run(1)
        yield day


class Silent:
    async def bars(self) -> AsyncIterator[Bars]:
        await asyncio.Event().wait()
        yield Bars.none("", Timeframe(1))


async def run_until(
    day: VenueDay, feed: BarFeed, is_enough: Callable[[], bool], rules: dict[str, Any], *, has_model: bool = True
) -> str:
    venue = day.venue
    with Journal(day.folder / "live.sqlite", clock=venue.clock) as journal:
        executor = OrderExecutor(venue.broker, journal, venue.clock, sleep=venue.sleep)
        parts = TraderParts(
            model=day.model if has_model else None,
            desk=BrokerDesk(venue.broker, executor, journal, SYMBOL, remember(journal, SYMBOL).book),
            feed=feed,
            history=day.bars.slice(0, day.next),
            journal=journal,
            switch=day.switch,
            clock=venue.clock,
            watch=FeedWatch(Timeframe(1), grace_s=7200.0),
            started=Started("paper", venue.broker.name, (SYMBOL,), "0", "", "", {}),
        )
        trader = Trader(parts, replace(TraderRules("paper", SYMBOL, Timeframe(1), poll_s=0.02), **rules))
        running = asyncio.create_task(trader.run())
        async with asyncio.timeout(10.0):
            while not is_enough() and not running.done():
                await asyncio.sleep(0.01)
        trader.stop("enough")
        return await running


def n_closes(day: VenueDay) -> int:
    return sum(request.method == "DELETE" for request in day.venue.fake.requests)


@pytest.mark.parametrize("has_model", [True, False])
async def test_a_flatten_that_failed_is_tried_again_before_any_bar_comes(day: VenueDay, has_model: bool) -> None:
    day.venue.fake.faults.add(FaultRule(FaultKind.TOKEN_EXPIRED, method="DELETE", path=POSITION, times=2))
    day.switch.throw("enough", "anna", flatten=True)
    await run_until(day, Silent(), lambda: day.venue.true_units() == 0.0, {}, has_model=has_model)
    assert day.venue.true_units() == 0.0
    assert n_closes(day) == 3


async def test_stopped_to_flatten_it_tries_again(day: VenueDay) -> None:
    day.venue.fake.faults.add(FaultRule(FaultKind.TOKEN_EXPIRED, method="DELETE", path=POSITION))
    await run_until(day, Silent(), lambda: True, {"flatten_on_stop": True})
    assert day.venue.true_units() == 0.0
    assert [each.text for each in day.records(Noted)][-1] == "stopping: flat"


async def test_a_feed_that_breaks_leaves_a_loop_that_protects(day: VenueDay) -> None:
    venue, n_begun = day.venue, 0
    (position,) = venue.fake.open_positions()

    class Broken:
        async def bars(self) -> AsyncIterator[Bars]:
            nonlocal n_begun
            n_begun += 1
            if n_begun == 3:
                async for bars in day._feed(1):
                    yield bars
                await asyncio.Event().wait()
            raise FinalVenueError("history: the venue answered 403: a page of the network edge")

    from tests.test_tradelocker.fake_trader import Trader as Person

    with Person(venue.fake) as person:
        person.send("PATCH", f"/positions/{position.position_id}", {"stopLoss": None})
    n_decided = len(day.records(DecisionMade))
    ended = await run_until(day, Broken(), lambda: len(day.records(DecisionMade)) > n_decided, {})
    assert ended == "enough"
    assert venue.fake.unprotected_positions() == []
    assert sum("the feed broke" in each.text for each in day.records(Noted)) == 1


async def test_an_account_that_was_never_read_is_not_the_beginning_of_its_limits(tmp_path: Path) -> None:
    prices = venue_prices()
    async with fake_venue(prices) as venue:
        day = VenueDay(venue, tmp_path, prices)
        await venue.away()
        await day.run(2)
        assert day.records(RiskSaved) == []
        await venue.back()
        await day.run(1)
        assert all(each.state.day_start_equity > 0.0 for each in day.records(RiskSaved))

"""The trader loop at the fake TradeLocker over HTTP: a hedging venue that shows things when it likes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.decision.observation import BOOK_FIELDS
from agv2.execution.broker_desk import BrokerDesk
from agv2.execution.feed_watch import FeedWatch
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.journal_records import DecisionMade, FillSeen, IntentMade, Started
from agv2.execution.kill_switch import KillSwitch
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.order_track import IntentKind
from agv2.execution.trader import Trader
from agv2.execution.trader_memory import remember
from agv2.execution.trader_parts import TraderParts, TraderRules
from agv2.utils.clock import SystemClock
from tests.execution_venues import MARKET, SYMBOL, FakeVenue, Trouble, fake_venue
from tests.paper_trading import Drifting, TapeModel
from tests.tapes import a_tape, costs, limits, walk

N_BARS = 40
UTC = SessionCalendar(0, "UTC", 365.0, None, True)


def venue_prices() -> list[tuple[float, float, float, float]]:
    bars = walk(N_BARS + 6, seed=2)
    columns = (bars.open, bars.high, bars.low, bars.close)
    return [tuple(round(float(each[row]), 2) for each in columns) for row in range(len(bars))]  # type: ignore[misc]


def a_model(venue: FakeVenue, prices: list[tuple[float, float, float, float]]) -> TapeModel:
    opens, high, low, close = np.array(prices).T
    minute_ns = 60_000_000_000
    first_ns = venue.clock.now_ns() // minute_ns * minute_ns - 5 * minute_ns
    stamps = first_ns + np.arange(len(prices)) * minute_ns
    unknown = np.full(len(prices), np.nan)
    bars = Bars(SYMBOL, Timeframe(1), stamps, opens, high, low, close, unknown, unknown.copy())
    rows = np.random.default_rng(1).normal(size=(len(bars), 6)).astype(np.float32)
    tape = a_tape(
        bars, rows, costs=costs(half_spread_frac=5e-4), market=MARKET,
        params=limits(daily_loss_frac=0.9, drawdown_frac=0.9, trailing_units=3.0, target_volatility=0.0005),
    )  # fmt: skip
    return TapeModel(replace(tape, bars=bars.records(UTC)), Drifting(6 + len(BOOK_FIELDS)))


class VenueDay:
    """Starts of a trader at one venue, in one journal."""

    def __init__(self, venue: FakeVenue, folder: Path, prices: list[tuple[float, float, float, float]]) -> None:
        self.venue, self.folder, self.next = venue, folder, 5
        self.model = a_model(venue, prices)
        names = ("ts_ns", "open", "high", "low", "close", "volume", "spread")
        self.bars = Bars(SYMBOL, Timeframe(1), *(self.model.tape.bars[name].copy() for name in names))
        self.switch = KillSwitch(folder, str(folder / "live.sqlite"), SystemClock())
        self.trader: Trader | None = None

    async def _feed(self, n_bars: int) -> AsyncIterator[Bars]:
        for _ in range(n_bars):
            await self.venue.pass_bar()
            self.next += 1
            yield self.bars.slice(self.next - 1, self.next)

    async def run(self, n_bars: int) -> None:
        day = self

        class Feed:
            def bars(self) -> AsyncIterator[Bars]:
                return day._feed(n_bars)

        venue = self.venue
        with Journal(self.folder / "live.sqlite", clock=venue.clock) as journal:
            executor = OrderExecutor(venue.broker, journal, venue.clock, sleep=venue.sleep)
            parts = TraderParts(
                model=self.model,
                desk=BrokerDesk(venue.broker, executor, journal, SYMBOL, remember(journal, SYMBOL).book),
                feed=Feed(),
                history=self.bars.slice(0, self.next),
                journal=journal,
                switch=self.switch,
                clock=venue.clock,
                watch=FeedWatch(Timeframe(1), grace_s=7200.0),
                started=Started("paper", venue.broker.name, (SYMBOL,), "0", "", "", {}),
            )
            self.trader = Trader(parts, TraderRules("paper", SYMBOL, Timeframe(1), poll_s=60.0))
            await self.trader.run()

    def records(self, *kinds: Any) -> list[Any]:
        with JournalReader(self.folder / "live.sqlite") as journal:
            return [entry.record for entry in journal.entries(kinds=kinds)]


@pytest.fixture
async def day(tmp_path: Path) -> AsyncIterator[VenueDay]:
    prices = venue_prices()
    async with fake_venue(prices) as venue:
        yield VenueDay(venue, tmp_path, prices)


async def test_it_trades_and_its_book_is_the_venues(day: VenueDay) -> None:
    await day.run(N_BARS)
    assert day.trader is not None
    status = day.trader.status
    assert day.venue.fake.check() == []
    assert status.book is not None
    assert len(day.records(FillSeen)) > 10
    positions = (await day.venue.broker.state()).positions
    assert all(position.stop_loss > 0.0 for position in positions)
    decided = day.records(DecisionMade)
    assert len(decided) == N_BARS
    for before, after in pairwise(decided):
        assert np.sign(after.book.units) in (before.plan.side, 0.0)  # what was decided, or stopped out
    held = [each.book for each in decided if each.book.units]
    assert all(book.stop_loss > 0.0 and book.initial_risk > 0.0 and book.bars_held > 0 for book in held)
    opened = [each for each in day.records(IntentMade) if each.what is IntentKind.OPEN]
    assert len({each.decided_ns for each in opened}) == len(opened)


async def test_the_parts_of_the_result_add_up_to_the_change_of_equity(day: VenueDay) -> None:
    await day.run(N_BARS)
    assert day.trader is not None
    status = day.trader.status
    assert status.attribution is not None
    saved = status.risk
    assert saved is not None
    assert status.attribution.total == pytest.approx(saved.last_equity - status.first_equity, abs=1e-6)
    assert status.attribution.costs < 0.0
    assert abs(status.attribution.other) < 0.02 * abs(status.attribution.costs) + 1.0


async def test_a_restart_goes_on_with_what_the_venue_holds(day: VenueDay) -> None:
    await day.run(12)
    before = day.records(DecisionMade)[-1]
    await day.venue.reconnect()
    await day.run(12)
    after = day.records(DecisionMade)[12]
    assert after.number == before.number + 1
    if before.plan.side and np.sign(after.book.units) == before.plan.side and before.book.units:
        assert after.book.initial_risk == before.book.initial_risk
        assert after.book.bars_held == before.book.bars_held + 1
    assert day.venue.fake.check() == []


async def test_a_venue_that_is_away_opens_nothing_and_trading_goes_on_after_it(day: VenueDay) -> None:
    await day.run(6)
    await day.venue.away()
    await day.run(3)
    away = day.records(DecisionMade)[6:9]
    assert {each.held_back for each in away} == {"reducing"}
    assert all("venue cannot be read" in each.restraint for each in away)
    await day.venue.back()
    await day.run(12)
    assert [each.restraint for each in day.records(DecisionMade)[-6:]] == [""] * 6
    assert day.venue.fake.check() == []


async def test_a_lost_reply_leaves_one_order(day: VenueDay) -> None:
    day.venue.trouble(Trouble.REPLY_LOST)
    await day.run(20)
    opened = [each for each in day.records(IntentMade) if each.what is IntentKind.OPEN]
    assert len({each.decided_ns for each in opened}) == len(opened)
    assert all(day.venue.true_orders(each.intent_id) <= 1 for each in opened)
    assert day.trader is not None
    assert day.trader.status.doubt == ""


async def test_flatten_closes_at_the_venue_at_once(day: VenueDay) -> None:
    await day.run(6)
    for _ in range(20):
        if day.venue.true_units():
            break
        await day.run(1)
    assert day.venue.true_units() != 0.0
    day.switch.throw("enough", "anna", flatten=True)
    await day.run(1)
    assert day.venue.true_units() == 0.0


async def test_what_somebody_else_holds_in_our_symbol_counts_in_the_account_and_not_in_our_book(day: VenueDay) -> None:
    for _ in range(20):
        if day.venue.true_units():
            break
        await day.run(1)
    (theirs,) = (await day.venue.broker.state()).positions
    with Journal(day.folder / "another.sqlite", clock=day.venue.clock) as journal:
        executor = OrderExecutor(day.venue.broker, journal, day.venue.clock, sleep=day.venue.sleep)
        seen = await BrokerDesk(day.venue.broker, executor, journal, SYMBOL).observe(day.model.tape.bar(day.next - 1))
    assert seen.book.units == 0.0
    assert seen.account.other_notional == abs(theirs.units) * theirs.entry_price
    assert seen.account.other_positions == 1

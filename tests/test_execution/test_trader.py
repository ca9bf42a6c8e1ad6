"""The trader loop at the simulated venue, against the backtest of the same bars."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.orders import FillReason
from agv2.core.timeframes import Timeframe
from agv2.decision.observation import BOOK_FIELDS
from agv2.execution.feed_watch import FeedWatch
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.journal_records import (
    BarSeen,
    DecisionMade,
    IntentMade,
    JournalRecord,
    Killed,
    Noted,
    Rearmed,
    RiskSaved,
    Started,
    Stopped,
)  # fmt: skip
from agv2.execution.size_ramp import FullSize
from agv2.execution.trader import Trader
from agv2.utils.clock import ReplayClock
from tests.paper_trading import Drifting, PaperDay, TapeModel, bars_of_tape, fills_of, replayed
from tests.tapes import a_tape, costs, limits, near_levels, walk

COSTLY = costs(half_spread_frac=1e-4, slippage_frac=5e-5, commission_frac=2e-5, financing_long_frac_per_night=1e-4)
HOUR_NS = 3_600_000_000_000


def a_model(n_bars: int = 90, seed: int = 0, **changes: Any) -> TapeModel:
    bars = walk(n_bars, seed=seed, gap=0.0005)
    levels = near_levels(np.random.default_rng(7).uniform(0.25, 6.0, (n_bars, 2)))
    limit = {"daily_loss_frac": 0.9, "drawdown_frac": 0.9, "trailing_units": 2.5, "level_stop_max_units": 8.0}
    tape = a_tape(bars, levels=levels, costs=COSTLY, params=limits(**(limit | changes)))
    return TapeModel(tape, Drifting(tape.market_rows.shape[1] + len(BOOK_FIELDS)))


def expected_fills(model: TapeModel, n_bars: int | None = None) -> list[tuple[Any, ...]]:
    """Those of the backtest, but for the close of what is left and the order that its last bar does not decide."""
    return fills_of([fill for _, fill in replayed(model, n_bars).fills if fill.reason != FillReason.END])


def records(day: PaperDay, *kinds: type[JournalRecord]) -> list[Any]:
    with JournalReader(day.journal_path) as journal:
        return [entry.record for entry in journal.entries(kinds=kinds)]


async def test_paper_trading_has_the_fills_of_the_backtest(tmp_path: Path) -> None:
    model = a_model()
    day = PaperDay(tmp_path, model)
    assert await day.run() == "the feed ended"
    expected = expected_fills(model)
    assert len(expected) > 20
    assert {fill[6] for fill in expected} >= {FillReason.ENTRY, FillReason.REVERSE, FillReason.TRAILING}
    assert day.fills() == expected


async def test_every_decision_and_every_limit_is_that_of_the_backtest(tmp_path: Path) -> None:
    model = a_model(seed=3)
    day = PaperDay(tmp_path, model)
    await day.run()
    then = replayed(model)
    made = records(day, DecisionMade)
    assert len(made) == len(then.decisions) + 1  # the last bar of a fold decides nothing
    for ours, (_, _, theirs) in zip(made, then.decisions, strict=False):
        assert (ours.bar_ts_ns, ours.action, ours.plan) == (theirs.ts_ns, theirs.action, theirs.plan)
    equities = [saved.state.last_equity for saved in records(day, RiskSaved)]
    assert equities[:-1] == [row.equity for row in then.equity[:-1]]


class Died(BaseException):
    """What a kill looks like from inside: nothing runs after it."""


class MortalJournal(Journal):
    """Dies at its n-th append: before anything is on the disk, or just after."""

    dies_at = -1
    after = False
    count = 0

    def append(self, *records: JournalRecord) -> int:
        kind = type(self)
        kind.count += 1
        if kind.count == kind.dies_at and not kind.after:
            raise Died
        seq = super().append(*records)
        if kind.count == kind.dies_at and kind.after:
            raise Died
        return seq


async def killed_and_restarted(folder: Path, model: TapeModel, dies_at: int, after: bool) -> PaperDay:
    folder.mkdir()
    day = PaperDay(folder, model)
    MortalJournal.dies_at, MortalJournal.after, MortalJournal.count = dies_at, after, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.paper_trading.Journal", MortalJournal)
        with pytest.raises(Died):
            await day.run()
    await day.run()
    return day


@pytest.mark.parametrize("dies_at", [3, 31, 32, 33, 35])
async def test_a_trader_killed_at_a_write_ends_as_if_nothing_had_happened(tmp_path: Path, dies_at: int) -> None:
    model = a_model(12)
    for after in (False, True):
        day = await killed_and_restarted(tmp_path / str(after), model, dies_at, after)
        assert day.fills() == expected_fills(model)


@pytest.mark.slow
async def test_a_trader_killed_at_any_write_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    model = a_model(24)
    whole = tmp_path / "whole"
    whole.mkdir()
    await PaperDay(whole, model).run()
    expected = expected_fills(model)
    with JournalReader(whole / "paper.sqlite") as journal:
        most = journal.last_seq()
    for dies_at in range(2, most // 2):  # an append holds one record or more
        for after in (False, True):
            try:
                day = await killed_and_restarted(tmp_path / f"{dies_at}{after}", model, dies_at, after)
            except pytest.fail.Exception:
                return  # there are no more appends than that
            assert day.fills() == expected, (dies_at, after)


async def test_the_limits_are_on_the_disk_before_an_order_is_announced(tmp_path: Path) -> None:
    day = PaperDay(tmp_path, a_model(20))
    await day.run()
    saved: set[int] = set()
    intents = 0
    for record in records(day, RiskSaved, IntentMade):
        if isinstance(record, RiskSaved):
            saved.add(record.bar_ts_ns)
        else:
            intents += 1
            assert record.decided_ns in saved
    assert intents > 3


async def test_a_kill_lets_a_position_go_and_opens_none_until_a_person_rearms(tmp_path: Path) -> None:
    model = a_model(60)
    day = PaperDay(tmp_path, model)
    await day.run(30)
    day.switch.throw("news", "anna")
    await day.run(45)
    opened = [fill for fill in day.fills() if fill[0] > bars_of_tape(model.tape).ts_ns[30]]
    assert {fill[6] for fill in opened} <= {FillReason.EXIT, FillReason.TRAILING, FillReason.STOP_LOSS,
                                            FillReason.TAKE_PROFIT}  # fmt: skip
    assert day.status is not None
    assert day.status.book is not None
    assert day.status.book.units == 0.0
    day.switch.path.unlink()  # a lost file re-arms nothing
    await day.run(50)
    assert day.status.book.units == 0.0
    assert day.switch.state().is_thrown
    day.switch.rearm("all is well", "anna")
    await day.run(60)
    assert [type(each) for each in records(day, Killed, Rearmed)] == [Killed, Rearmed]
    assert any(fill[0] > bars_of_tape(model.tape).ts_ns[50] for fill in day.fills())


async def test_flatten_closes_what_is_held_and_keeps_it_closed(tmp_path: Path) -> None:
    model = a_model(40)
    day = PaperDay(tmp_path, model)
    n_bars = next(n for n in range(8, 30) if replayed(model, n).equity[-2].units != 0.0)
    await day.run(n_bars)
    day.switch.throw("enough", "anna", flatten=True)
    await day.run(n_bars + 2)
    assert day.status is not None
    assert day.status.book is not None
    assert day.status.book.units == 0.0
    held_back = [each.held_back for each in records(day, DecisionMade)]
    assert held_back[-2:] == ["flat", "flat"]


async def test_a_daily_loss_flattens_and_throws_the_switch_which_outlives_the_day(tmp_path: Path) -> None:
    model = a_model(80, daily_loss_frac=0.004)
    day = PaperDay(tmp_path, model)
    await day.run()
    state = day.switch.state()
    assert state.is_thrown
    assert state.flattens
    assert state.reason == "daily loss limit of 0.4% hit"
    hit = next(at for at, saved in enumerate(records(day, RiskSaved)) if saved.state.daily_loss_hit)
    assert hit < 50
    books = [each.book.units for each in records(day, DecisionMade)]
    assert not any(books[hit + 2 :])
    assert day.fills() == [fill for fill in expected_fills(model) if fill[0] <= model.tape.bars["ts_ns"][hit + 1]]


async def test_a_drawdown_throws_the_switch_and_rearming_counts_from_a_new_peak(tmp_path: Path) -> None:
    model = a_model(80, drawdown_frac=0.006)
    day = PaperDay(tmp_path, model)
    await day.run(60)
    assert day.switch.state().reason == "drawdown limit of 0.6% hit"
    day.switch.rearm("looked at it", "anna")
    await day.run(62)
    last = records(day, RiskSaved)[-1].state
    assert last.breaker_until_day == 0
    assert last.peak_equity < 100_000.0


async def test_bars_that_cannot_be_read_hold_what_is_there_and_say_so(tmp_path: Path) -> None:
    model = a_model(30)
    model.broken_at = int(model.tape.bars["ts_ns"][12])
    day = PaperDay(tmp_path, model)
    await day.run()
    assert model.broken_at not in {each.bar_ts_ns for each in records(day, DecisionMade)}
    assert model.broken_at in {each.bar_ts_ns for each in records(day, RiskSaved)}
    notes = [note for note in records(day, Noted) if note.level == "alarm"]
    assert [note.text for note in notes] == [
        "no decision: the close of bar 7 is nan, and prices must be finite and above zero; what is held stays, "
        "with its stop"
    ]


async def test_bars_that_come_late_are_carried_through_and_not_decided_on(tmp_path: Path) -> None:
    model = a_model(30)
    day = PaperDay(tmp_path, model)
    await day.run(20)
    late = ReplayClock(int(model.tape.bars["ts_ns"][29]) + 5 * HOUR_NS)
    await day.run(30, clock=late)
    assert [each.bar_ts_ns for each in records(day, DecisionMade)] == model.tape.bars["ts_ns"][:20].tolist()
    assert [each.bar_ts_ns for each in records(day, RiskSaved)] == model.tape.bars["ts_ns"].tolist()


async def test_clocks_apart_open_nothing(tmp_path: Path) -> None:
    model = a_model(30)
    day = PaperDay(tmp_path, model)
    await day.run(rules={}, venue_now=lambda: 0)
    assert day.fills() == []
    assert {each.held_back for each in records(day, DecisionMade)} == {"reducing"}
    assert "apart" in records(day, DecisionMade)[-1].restraint


class Quarter(FullSize):
    """A ramp that stands still."""

    def share(self) -> float:
        return 0.25


async def test_a_ramp_cuts_the_size_of_new_positions(tmp_path: Path) -> None:
    model = a_model(30)
    whole, part = PaperDay(tmp_path / "whole", model), PaperDay(tmp_path / "part", model)
    for day in (whole, part):
        day.folder.mkdir()
    await whole.run()
    await part.run(ramp=Quarter())
    assert part.fills()[0][2] == pytest.approx(whole.fills()[0][2] * 0.25, abs=1e-4)
    assert {each.size_share for each in records(part, DecisionMade)} == {0.25}


class Silent:
    """A feed that gives some bars and then nothing."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    async def bars(self) -> AsyncIterator[Bars]:
        yield self._bars.slice(0, 1)
        await asyncio.sleep(3600.0)
        yield self._bars


async def test_asked_to_stop_it_ends_in_good_order_while_no_bar_comes(tmp_path: Path) -> None:
    model = a_model(30)
    day = PaperDay(tmp_path, model)

    def stop_soon(trader: Trader) -> None:
        asyncio.get_running_loop().call_later(0.2, trader.stop, "asked to stop (SIGINT)")

    assert await day.run(feed=Silent(day.bars), saw=stop_soon) == "asked to stop (SIGINT)"
    assert records(day, Stopped)[-1].reason == "asked to stop (SIGINT)"


async def test_stopped_to_flatten_it_orders_the_close(tmp_path: Path) -> None:
    model = a_model(40)
    day = PaperDay(tmp_path, model)
    n_bars = next(n for n in range(8, 30) if replayed(model, n).equity[-2].units != 0.0)
    await day.run(n_bars)

    def stop_now(trader: Trader) -> None:
        trader.stop("asked to stop")

    await day.run(n_bars, feed=Silent(day.bars), saw=stop_now, rules={"flatten_on_stop": True})
    assert records(day, Noted)[-1].text == "stopping: ordered, fills at the next bar"


async def test_once_it_stops_after_one_decision(tmp_path: Path) -> None:
    day = PaperDay(tmp_path, a_model(30))
    assert await day.run(rules={"once": True}) == "one bar, as asked"
    await day.run(rules={"once": True})
    assert [each.number for each in records(day, DecisionMade)] == [1, 2]


async def test_a_silent_feed_is_called_stale(tmp_path: Path) -> None:
    model = a_model(30)
    day = PaperDay(tmp_path, model)
    clock = ReplayClock(int(model.tape.bars["ts_ns"][0]) + HOUR_NS)

    def later(trader: Trader) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.15, clock.sleep_until, clock.now_ns() + 3 * HOUR_NS)
        loop.call_later(0.5, trader.stop, "enough")

    await day.run(feed=Silent(day.bars), clock=clock, saw=later, watch=FeedWatch(Timeframe(60)))
    assert day.status is not None
    assert day.status.health == "stale"
    assert records(day, Noted)[-1].text == "feed stale: newest bar 10,800 s old, clocks +0.0 s"


async def test_a_feed_of_another_market_is_refused(tmp_path: Path) -> None:
    model = a_model(30)
    day = PaperDay(tmp_path, model)
    await day.run(5)
    other = Silent(replace(day.bars.slice(5, 30), symbol="GOLD"))
    with pytest.raises(DataError, match="the feed gives GOLD 1h, the history is WALK 1h"):
        await day.run(feed=other)
    assert records(day, Stopped)[-1].reason.startswith("failed: the feed gives GOLD")


async def test_the_journal_holds_the_bars_that_decisions_read(tmp_path: Path) -> None:
    model = a_model(30)
    model.bars_needed = 8
    day = PaperDay(tmp_path, model)
    clock = ReplayClock(int(day.bars.close_ns[9]))
    from agv2.data.feeds import HistoricalFeed

    feed = HistoricalFeed(day.bars.slice(10, 30), clock=clock)
    await day.run(feed=feed, history=day.bars.slice(0, 10), clock=clock)
    seen = [each.bar.ts_ns for each in records(day, BarSeen)]
    assert seen == day.bars.ts_ns[2:].tolist()
    assert len(records(day, Started)) == 1


async def test_a_venue_that_was_never_read_is_no_loss(tmp_path: Path) -> None:
    from agv2.core.account import open_account
    from agv2.execution.desk import DeskView
    from agv2.risk.position_sizer import AccountView

    day = PaperDay(tmp_path, a_model(12))
    await day.run(6)

    def blind(trader: Trader) -> None:
        desk: Any = trader._parts.desk

        async def observe(bar: Any) -> DeskView:
            return DeskView(open_account(0.0, bar.close), AccountView(0.0, 0.0, 0), (), "the venue cannot be read")

        desk.observe = observe

    await day.run(12, saw=blind)
    assert not day.switch.state().is_thrown
    assert {each.held_back for each in records(day, DecisionMade)[6:]} == {"reducing"}
    assert records(day, RiskSaved)[-1].state == records(day, RiskSaved)[5].state


async def test_whoever_cannot_have_its_turn_in_the_account_opens_nothing(tmp_path: Path) -> None:
    @asynccontextmanager
    async def taken() -> AsyncIterator[str]:
        yield "another trader is deciding"

    day = PaperDay(tmp_path, a_model())
    await day.run(10, turn=taken)
    decided = records(day, DecisionMade)
    assert {each.restraint for each in decided} == {"another trader is deciding"}
    assert {each.held_back for each in decided} == {"reducing"}
    assert records(day, IntentMade) == []

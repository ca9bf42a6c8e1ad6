"""A recorded day fed back: nothing differs, and what was tampered with is named."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agv2.core.errors import DataError
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import BarSeen, DecisionMade, FillSeen, InputsSeen, IntentMade, JournalRecord
from agv2.execution.replay_day import DayReplay, replay_day
from tests.paper_trading import PaperDay, TapeModel
from tests.test_execution.test_trader import Quarter, a_model

DAY_NS = 86_400_000_000_000
Change = Callable[[Any], JournalRecord]


@pytest.fixture(scope="module")
def model() -> TapeModel:
    return a_model(60)


@pytest.fixture(scope="module")
def day(model: TapeModel, tmp_path_factory: pytest.TempPathFactory) -> PaperDay:
    done = PaperDay(tmp_path_factory.mktemp("journal"), model)

    async def trade() -> None:
        await done.run(40)
        done.switch.throw("news", "anna")
        await done.run(45)
        done.switch.rearm("over", "anna")
        await done.run(60)

    asyncio.run(trade())
    return done


class Tampered(JournalReader):
    """The same journal with one record changed."""

    kind: type[JournalRecord] = BarSeen
    number = 0
    change: Change

    def entries(self, after: int = 0, **filters: Any) -> Any:
        met = 0
        for entry in super().entries(after, **filters):
            if isinstance(entry.record, self.kind):
                met += 1
                if met == self.number:
                    yield entry._replace(record=self.change(entry.record))
                    continue
            yield entry


def replayed_day(day: PaperDay, model: TapeModel, reader: type[JournalReader] = JournalReader) -> DayReplay:
    first_ns = int(day.bars.ts_ns[0])
    with reader(day.journal_path) as journal:
        return replay_day(journal, day.bars.symbol, first_ns, first_ns + 3 * DAY_NS, model, is_simulated=True)


def tampered(day: PaperDay, model: TapeModel, kind: type[JournalRecord], number: int, change: Change) -> DayReplay:
    reader = type("One", (Tampered,), {"kind": kind, "number": number, "change": staticmethod(change)})
    return replayed_day(day, model, reader)


def test_an_untouched_day_replays_to_the_same(day: PaperDay, model: TapeModel) -> None:
    found = replayed_day(day, model)
    assert found.differences == ()
    assert (found.n_bars, found.n_views, found.n_decisions) == (60, 60, 60)
    assert found.n_orders > 10
    assert found.n_fills > 10
    assert found.unread == ()


def test_a_day_at_a_share_of_the_size_replays_to_the_same_and_another_share_is_noticed(
    model: TapeModel, tmp_path: Path
) -> None:
    small = PaperDay(tmp_path, model)
    asyncio.run(small.run(20, ramp=Quarter()))
    assert replayed_day(small, model).differences == ()
    found = tampered(small, model, DecisionMade, 1, lambda one: replace(one, size_share=0.5))
    assert {each.stage for each in found.differences} == {"decision"}


def test_a_day_is_only_that_day(day: PaperDay, model: TapeModel) -> None:
    first_ns = int(day.bars.ts_ns[0])
    with JournalReader(day.journal_path) as journal:
        found = replay_day(journal, day.bars.symbol, first_ns + DAY_NS, first_ns + 2 * DAY_NS, model, is_simulated=True)
        assert found.n_bars == 24
        with pytest.raises(DataError, match="no bar of WALK on 2024-02-11; it has 2024-01-02 to 2024-01-04"):
            replay_day(journal, "WALK", first_ns + 40 * DAY_NS, first_ns + 41 * DAY_NS, model, is_simulated=True)


def test_a_changed_price_is_pinpointed(day: PaperDay, model: TapeModel) -> None:
    def dearer(seen: BarSeen) -> BarSeen:
        return replace(seen, bar=seen.bar._replace(close=seen.bar.close * 1.000001))

    found = tampered(day, model, BarSeen, 21, dearer)
    first = found.differences[0]
    assert (first.bar_ts_ns, first.stage, first.what) == (int(day.bars.ts_ns[20]), "inputs", "volatility")
    assert {each.stage for each in found.differences} >= {"inputs", "observation", "book"}
    assert {each.bar_ts_ns for each in found.differences} <= set(day.bars.ts_ns[20:22].tolist())


def test_a_changed_input_is_pinpointed(day: PaperDay, model: TapeModel) -> None:
    def calmer(seen: InputsSeen) -> InputsSeen:
        return replace(seen, volatility=seen.volatility * 0.5)

    found = tampered(day, model, InputsSeen, 30, calmer)
    first = found.differences[0]
    assert (first.bar_ts_ns, first.stage, first.what) == (int(day.bars.ts_ns[29]), "inputs", "volatility")
    assert "observation" in {each.stage for each in found.differences}

    def other_row(seen: InputsSeen) -> InputsSeen:
        row = seen.row()
        row[3] += 0.01
        return replace(seen, market_row=InputsSeen.packed_row(row))

    found = tampered(day, model, InputsSeen, 30, other_row)
    assert [each.what for each in found.differences[:2]] == ["market row, number 3", "digest"]


def test_a_changed_decision_order_or_fill_is_pinpointed(day: PaperDay, model: TapeModel) -> None:
    def other_stop(made: DecisionMade) -> DecisionMade:
        return replace(made, plan=made.plan._replace(stop_loss=made.plan.stop_loss + 1.0))

    found = tampered(day, model, DecisionMade, 25, other_stop)
    assert [(each.stage, each.what) for each in found.differences] == [("decision", "plan.stop_loss")]

    def larger(made: IntentMade) -> IntentMade:
        return replace(made, stop_loss=made.stop_loss * 0.9)

    found = tampered(day, model, IntentMade, 4, larger)
    assert [(each.stage, each.what) for each in found.differences] == [("order", "stop")]

    def dearer(seen: FillSeen) -> FillSeen:
        return replace(seen, fill=replace(seen.fill, price=seen.fill.price * 1.001))

    found = tampered(day, model, FillSeen, 5, dearer)
    assert [(each.stage, each.what) for each in found.differences] == [("fill", "price of fill 1")]


def test_too_little_history_in_the_journal_is_said(day: PaperDay, model: TapeModel) -> None:
    needy = replace(model, bars_needed=11)
    found = replayed_day(day, needy)
    assert found.unread == ("inputs of 10 bars: too few bars before them in the journal",)
    assert found.differences == ()


def test_other_limits_are_noticed(day: PaperDay, model: TapeModel, tmp_path: Path) -> None:
    params = model.tape.params._replace(target_volatility=0.002)
    other = replace(model, tape=replace(model.tape, params=params))
    found = replayed_day(day, other)
    assert {each.stage for each in found.differences} >= {"observation", "decision"}

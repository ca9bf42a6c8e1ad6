"""A trader at the simulated venue with its guards: each cause is injected while it trades, and it stops by itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.core.bars import Bars
from agv2.core.orders import FillReason
from agv2.core.timeframes import Timeframe
from agv2.decision.decider import PolicyOutput
from agv2.decision.market_view import MarketView
from agv2.decision.observation import BOOK_FIELDS
from agv2.deploy.drift_reference import feature_reference
from agv2.deploy.guard_keeper import GuardKeeper
from agv2.deploy.guards import Guards
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.open_hours import OpenHours
from agv2.deploy.pulse import Pulse
from agv2.deploy.safeguards import Heartbeat, Listener
from agv2.deploy.trader_guards import FileMemory, TraderGuards, TraderSwitch, journalled
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import DecisionMade, GuardChanged, Killed, Noted, Rearmed
from agv2.execution.trader import Trader
from agv2.models.live_reference import LiveReference
from agv2.utils.clock import ReplayClock, SystemClock
from agv2.utils.config import load_config
from tests.paper_trading import Drifting, PaperDay, TapeModel
from tests.tapes import a_tape, costs, limits, walk

CONFIG = load_config(GuardsConfig, "guards")
HOUR_NS = 3_600_000_000_000
CAUSE_AT = 8
COLUMNS = ("one", "two")
OPENING = {FillReason.ENTRY, FillReason.REVERSE}


class Moody(Drifting):
    """Entropy between 0.4 and 0.6, until it is certain of everything."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.rng, self.is_certain = np.random.default_rng(3), False

    def act(self, observations: np.ndarray[Any, Any]) -> PolicyOutput:
        said = super().act(observations)
        entropy = np.zeros(1) if self.is_certain else self.rng.uniform(0.4, 0.6, 1)
        return PolicyOutput(said.actions, entropy, said.values)


@dataclass(slots=True)
class WatchedModel(TapeModel):
    """Tells features too, usual ones until the cause sets in."""

    cause: str = ""
    cause_ns: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(4))

    def view(self, bars: Bars) -> MarketView:
        seen = TapeModel.view(self, bars)
        is_ill = seen.bar.ts_ns >= self.cause_ns
        if isinstance(self.policy, Moody):
            self.policy.is_certain = is_ill and self.cause == "entropy"
        row = self.rng.standard_normal(2) + (4.0 if is_ill and self.cause == "drift" else 0.0)
        return replace(seen, feature_row=row.astype(np.float32))


def a_model(cause: str, n_bars: int, **limit: float) -> WatchedModel:
    bars = walk(n_bars, seed=0)
    if cause == "pnl":
        for column in (bars.open, bars.high, bars.low, bars.close):
            column[CAUSE_AT:] *= 1.25
    if cause == "frozen_feed":
        still = slice(CAUSE_AT, None)
        price = float(bars.close[CAUSE_AT])
        for column in (bars.open, bars.high, bars.low, bars.close):
            column[still] = price
    tape = a_tape(bars, costs=costs(half_spread_frac=1e-4),
                  params=limits(**({"daily_loss_frac": 0.9, "drawdown_frac": 0.9} | limit)))  # fmt: skip
    policy = Moody(tape.market_rows.shape[1] + len(BOOK_FIELDS))
    return WatchedModel(tape, policy, cause=cause, cause_ns=int(tape.bars["ts_ns"][CAUSE_AT]))


@pytest.fixture(scope="module")
def reference() -> LiveReference:
    rng = np.random.default_rng(0)
    days = np.arange(24 * 120, dtype=np.int64) // 24
    return LiveReference(
        features={"WALK": feature_reference(rng.standard_normal((days.size, 2)), days, COLUMNS, 5.0)},
        entropy={"WALK": feature_reference(rng.uniform(0.4, 0.6, (days.size, 1)), days, ("policy_entropy",), 5.0)},
        daily_returns={"WALK": 0.02 * rng.standard_normal(250)},
    )


class GuardedDay:
    """Starts of one guarded trader in one folder."""

    def __init__(self, folder: Path, model: WatchedModel, reference: LiveReference) -> None:
        self.day, self.folder = PaperDay(folder, model), folder
        self.heart = Heartbeat(folder / "heartbeat.json")
        self.guards = Guards.of_bundle("a" * 64, reference, "WALK", Timeframe(60), model.tape.params, CONFIG)
        self.hours: OpenHours | None = None
        self.venue_ahead_s = 0.0
        self.steady_ns, self.step_ns = 0, 60_000_000_000
        self.is_heeded = True

    async def run(self, n_bars: int, **more: Any) -> str:
        def guarded(trader: Trader) -> None:
            parts = trader._parts
            keeper = GuardKeeper(
                self.guards,
                FileMemory(self.folder / "guards.json"),
                TraderSwitch(self.day.switch, is_heeded=self.is_heeded),
                lambda record: parts.journal.append(journalled("WALK", record)),
            )
            pulse = Pulse(self.heart, "paper WALK", 10.0, SystemClock(), self.steady)
            venue_now = (lambda: parts.clock.now_ns() + round(self.venue_ahead_s * 1e9)) if self.venue_ahead_s else None
            guards = TraderGuards(keeper, pulse, self.hours, venue_now, (), self.steady)
            trader._parts = replace(parts, safeguards=guards)
            for also in more.get("also", ()):
                also(trader)

        return await self.day.run(n_bars, saw=guarded, **{name: each for name, each in more.items() if name != "also"})

    def steady(self) -> int:
        self.steady_ns += self.step_ns
        return self.steady_ns

    def records(self, *kinds: Any) -> list[Any]:
        with JournalReader(self.day.journal_path) as journal:
            return [entry.record for entry in journal.entries(kinds=kinds)]

    def openings(self, from_bar: int) -> list[Any]:
        from_ns = int(self.day.bars.ts_ns[from_bar])
        return [fill for fill in self.day.fills() if fill[0] >= from_ns and fill[6] in OPENING]


def tripped_at(day: GuardedDay, guard: str) -> int:
    """Number of the bar after which the guard's record stands in the journal."""
    with JournalReader(day.day.journal_path) as journal:
        at_ns = next(
            entry.ts_ns
            for entry in journal.entries(kinds=[GuardChanged])
            if isinstance(entry.record, GuardChanged) and entry.record.guard == guard
        )
    return int(np.searchsorted(day.day.bars.close_ns, at_ns))


@pytest.mark.parametrize(
    ("cause", "limit", "most_bars", "flattens"),
    [
        ("drift", {}, 16, False),
        ("entropy", {}, 16, False),
        ("pnl", {}, 16, False),
        ("frozen_feed", {}, 12, False),
        ("daily_loss", {"daily_loss_frac": 0.004}, 40, True),
        ("drawdown", {"drawdown_frac": 0.006}, 40, True),
    ],
)
async def test_a_cause_stops_the_trader_until_a_person_rearms_it(
    tmp_path: Path, reference: LiveReference, cause: str, limit: dict[str, float], most_bars: int, flattens: bool
) -> None:
    n_bars = CAUSE_AT + most_bars + 12
    model = a_model(cause, n_bars + 12, **limit)
    day = GuardedDay(tmp_path, model, reference)
    await day.run(n_bars - 6)
    first = next(each for each in day.records(GuardChanged) if each.guard == cause)
    assert (first.event, first.level, bool(first.reason)) == ("tripped", "flatten" if flattens else "halt", True)
    at = tripped_at(day, cause)
    assert at <= CAUSE_AT + most_bars
    state = day.day.switch.state()
    assert (state.is_thrown, state.flattens) == (True, flattens)
    assert day.openings(at + 1) == []
    assert len(day.records(Killed)) == 1
    made = [each for each in day.records(DecisionMade) if each.bar_ts_ns > int(day.day.bars.ts_ns[at])]
    assert {each.held_back for each in made} == {"flat" if flattens else "reducing"}
    assert day.day.status is not None
    assert day.day.status.tripped[0].startswith(f"{cause}: ")

    day.day.switch.path.unlink()  # neither a restart nor a lost file re-arms
    await day.run(n_bars)
    assert day.day.switch.state().is_thrown
    assert day.openings(at + 1) == []

    day.day.switch.rearm("looked at it", "anna")
    model.cause, day.guards = "", replace(day.guards, breaker=replace(day.guards.breaker, params=limits()))
    await day.run(n_bars + 1)
    rearmed = next(each for each in day.records(GuardChanged) if each.event == "rearmed")
    assert (rearmed.guard, rearmed.by, rearmed.note) == (cause, "anna", "looked at it")
    assert [each.by for each in day.records(Rearmed)] == ["anna"]


async def test_the_order_of_the_bar_that_trips_is_withheld(tmp_path: Path, reference: LiveReference) -> None:
    model = a_model("", 40)
    usual = GuardedDay(tmp_path / "usual", model, reference)
    usual.folder.mkdir()
    await usual.run(20)
    opening_ns = next(fill[7] for fill in usual.day.fills() if fill[6] in OPENING)
    model.cause, model.cause_ns = "drift", opening_ns
    day = GuardedDay(tmp_path, model, reference)
    day.guards = replace(day.guards, drift=replace(day.guards.drift, limit=1e-9))  # type: ignore[type-var]
    await day.run(20)
    made = next(each for each in day.records(DecisionMade) if each.plan.order.order_id)
    assert (made.bar_ts_ns, made.held_back) == (opening_ns, "")
    assert day.day.fills() == []


class Silent:
    """A feed that gives its first bars and then nothing."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    async def bars(self) -> AsyncIterator[Bars]:
        for row in range(len(self._bars)):
            yield self._bars.slice(row, row + 1)
        await asyncio.sleep(3600.0)


@pytest.mark.parametrize(
    ("waits_s", "is_open", "trips"), [(3_890, True, False), (3_910, True, True), (9_000, False, False)]
)
async def test_a_silent_feed_stops_the_trader_in_open_hours_alone(
    tmp_path: Path, reference: LiveReference, waits_s: int, is_open: bool, trips: bool
) -> None:
    day = GuardedDay(tmp_path, a_model("", 12), reference)
    clock = ReplayClock(int(day.day.bars.close_ns[0]))

    class Hours(OpenHours):
        def since(self, from_ns: int, now_ns: int) -> Any:
            return np.array([from_ns]), np.array([now_ns if is_open else from_ns])

    day.hours = Hours("24/7")

    def later(trader: Trader) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.15, clock.sleep_until, clock.now_ns() + waits_s * 10**9)
        loop.call_later(0.4, trader.stop, "enough")

    await day.run(1, feed=Silent(day.day.bars.slice(0, 1)), clock=clock, also=[later])
    assert [each.guard for each in day.records(GuardChanged)] == (["stale_feed"] if trips else [])
    assert day.day.switch.state().is_thrown == trips
    if trips:  # the silence of a machine that was off is not the feed's
        day.day.switch.rearm("line repaired", "anna")
        clock.sleep_until(clock.now_ns() + 100 * HOUR_NS)
        await day.run(1, feed=Silent(day.day.bars.slice(0, 0)), clock=clock, also=[stop_soon])
        assert [each.event for each in day.records(GuardChanged)] == ["tripped", "rearmed"]


def stop_soon(trader: Trader) -> None:
    asyncio.get_running_loop().call_later(0.3, trader.stop, "enough")


async def test_clocks_apart_stop_the_trader(tmp_path: Path, reference: LiveReference) -> None:
    day = GuardedDay(tmp_path, a_model("", 12), reference)
    day.venue_ahead_s = 60.0

    day.step_ns = 3_600_000_000_000

    def until_thrown(trader: Trader) -> None:
        if day.day.switch.state().is_thrown:
            trader.stop("enough")
        asyncio.get_running_loop().call_later(0.02, until_thrown, trader)

    await asyncio.wait_for(day.run(1, feed=Silent(day.day.bars.slice(0, 1)), also=[until_thrown]), 20.0)
    (record,) = day.records(GuardChanged)
    assert record.guard == "clock_skew"
    assert record.evidence["skew_s"] == pytest.approx(-60.0, abs=2.0)
    assert day.day.switch.state().by == "guard clock_skew"


async def test_a_trader_that_ends_says_goodbye_and_one_that_fails_does_not(
    tmp_path: Path, reference: LiveReference
) -> None:
    day = GuardedDay(tmp_path, a_model("", 20), reference)
    await day.run(3)
    beat = day.heart.last()
    assert beat is not None
    assert (beat.trader, beat.stopped, beat.number) == ("paper WALK", True, 5)
    other = Silent(replace(day.day.bars.slice(3, 5), symbol="GOLD"))
    with pytest.raises(Exception, match="the feed gives GOLD"):
        await day.run(5, feed=other)
    beat = day.heart.last()
    assert beat is not None
    assert not beat.stopped
    listener = Listener(90.0).listened(beat, 0)
    assert listener.finding(100 * 10**9).flatten


async def test_a_trip_that_was_saved_and_not_thrown_is_thrown_at_the_next_start(
    tmp_path: Path, reference: LiveReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = a_model("drift", 40)
    day = GuardedDay(tmp_path, model, reference)
    with monkeypatch.context() as patch:
        patch.setattr(TraderSwitch, "throw", killed)
        with pytest.raises(KilledHere):
            await day.run(30)
    assert not day.day.switch.state().is_thrown
    at = tripped_at(day, "drift")
    model.cause = ""
    await day.run(30)
    assert day.day.switch.state().by == "guard drift"
    assert day.openings(at + 1) == []


class KilledHere(BaseException):
    """Nothing runs after it."""


def killed(*_: Any, **__: Any) -> None:
    raise KilledHere


async def test_a_rehearsal_is_told_and_goes_on(tmp_path: Path, reference: LiveReference) -> None:
    day = GuardedDay(tmp_path, a_model("drift", 42), reference)
    day.is_heeded = False
    await day.run(40)
    assert [each.guard for each in day.records(GuardChanged)] == ["drift"]
    assert not day.day.switch.state().is_thrown
    assert day.openings(tripped_at(day, "drift") + 1)
    day.day.switch.rearm("seen", "anna")
    await day.run(41)
    assert [each.event for each in day.records(GuardChanged)][:2] == ["tripped", "rearmed"]


async def test_guards_that_are_off_are_told_at_every_start(tmp_path: Path) -> None:
    day = GuardedDay(tmp_path, a_model("", 12), LiveReference())
    await day.run(2)
    notes = [each.text for each in day.records(Noted)]
    assert [note.split(":")[:2] for note in notes] == [
        ["guard off", f" {name}"] for name in ("drift", "entropy", "pnl")
    ]

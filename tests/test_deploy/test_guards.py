"""All guards together: a cause goes in, the latched verdict comes out, and a restart changes nothing."""

import json
import math

import numpy as np
import pytest

from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.deploy.clock_watch import ClockReading
from agv2.deploy.drift_reference import feature_reference
from agv2.deploy.guard_state import GuardsState
from agv2.deploy.guards import Guards, GuardStep
from agv2.deploy.guards_config import GuardsConfig
from agv2.execution.safeguards import BarFacts
from agv2.models.live_reference import LiveReference
from agv2.risk.limits import RiskState, fresh_risk_state, observe_equity
from agv2.utils.config import load_config
from tests.factories import START_NS, a_bar
from tests.tapes import limits

CONFIG = load_config(GuardsConfig, "guards")
HOUR = 3_600_000_000_000
COLUMNS = ("one", "two", "three")
PARAMS = limits(daily_loss_frac=0.04, drawdown_frac=0.2)


@pytest.fixture(scope="module")
def reference() -> LiveReference:
    rng = np.random.default_rng(0)
    days = np.arange(24 * 200, dtype=np.int64) // 24
    return LiveReference(
        features={"XAUUSD": feature_reference(rng.standard_normal((days.size, 3)), days, COLUMNS, 10.0)},
        entropy={"XAUUSD": feature_reference(2.0 + rng.random((days.size, 1)), days, ("policy_entropy",), 10.0)},
        daily_returns={"XAUUSD": 0.01 * rng.standard_normal(300)},
    )


@pytest.fixture(scope="module")
def guards(reference: LiveReference) -> Guards:
    return Guards.of_bundle("a" * 64, reference, "XAUUSD", Timeframe(60), PARAMS, CONFIG)


class Book:
    """A quiet account, bar after bar, until something is done to it."""

    def __init__(self, guards: Guards, seed: int = 1) -> None:
        self.guards, self.rng = guards, np.random.default_rng(seed)
        self.bar, self.risk = 0, fresh_risk_state(100.0, 0)
        self.step = GuardStep(guards.fresh(), ())
        self.events: list[str] = []

    def after(self, n_bars: int, *, cause: str = "", restart: bool = False) -> "Book":
        for _ in range(n_bars):
            self.bar += 1
            day = self.bar // 24
            self.risk = observe_equity(self.risk, self.risk.last_equity * self.grown(cause), day, PARAMS)
            if restart:
                saved = json.loads(json.dumps(self.step.state.as_json()))
                self.step = self.step._replace(state=self.guards.resumed(GuardsState.from_json(saved)))
            self.step = self.guards.after_bar(self.step.state, self.facts(cause, day, self.risk))
            self.events += [f"{record.event} {record.verdict.guard}" for record in self.step.records]
        return self

    def grown(self, cause: str) -> float:
        return {"gaining": 1.002, "losing": 0.95}.get(cause, 1.0) * (1.0 + 0.002 * float(self.rng.standard_normal()))

    def facts(self, cause: str, day: int, risk: RiskState) -> BarFacts:
        price = 100.0 + (0.0 if cause == "frozen" else float(self.rng.standard_normal()))
        wick = 0.0 if cause == "frozen" else 1.0
        bar = a_bar(ts_ns=self.close_ns - HOUR, close=price, high=price + wick, low=price - wick, open=price, day=day)
        row = self.rng.standard_normal(3) + (3.0 if cause == "drifting" else 0.0)
        entropy = 0.0 if cause == "certain" else 2.0 + float(self.rng.random())
        return BarFacts(self.close_ns, bar, self.close_ns, row, entropy, risk)

    @property
    def close_ns(self) -> int:
        return START_NS + self.bar * HOUR


@pytest.mark.parametrize(
    ("cause", "guard", "most_bars", "flattens"),
    [
        ("drifting", "drift", 24, False),
        ("certain", "entropy", 72, False),
        ("gaining", "pnl", 24 * 8, False),
        ("losing", "daily_loss", 2, True),
        ("frozen", "frozen_feed", 12, False),
    ],
)
def test_each_cause_trips_its_guard_soon_and_stays_tripped(
    guards: Guards, cause: str, guard: str, most_bars: int, flattens: bool
) -> None:
    book = Book(guards).after(100)
    assert book.events == []
    delay = next(n for n in range(1, most_bars + 1) if f"tripped {guard}" in book.after(1, cause=cause).events)
    assert delay <= most_bars
    verdict = book.step.verdict
    assert (verdict.halted, verdict.flatten) == (True, flattens)
    assert verdict.since_ns == book.close_ns
    assert verdict.reason
    assert all(math.isfinite(value) for value in verdict.evidence.values() if not isinstance(value, str))
    book.after(24 * 3)
    assert guard in book.step.state.tripwires.tripped
    assert book.events.count(f"tripped {guard}") == 1


def test_a_restart_after_every_bar_changes_nothing(guards: Guards) -> None:
    straight, restarted = (
        Book(guards).after(60, restart=restart).after(30, cause="drifting", restart=restart)
        for restart in (False, True)
    )
    assert straight.events == restarted.events
    assert straight.events
    assert straight.step.state.as_json() == restarted.step.state.as_json()


def test_a_feed_that_falls_silent_trips_between_bars(guards: Guards) -> None:
    book = Book(guards).after(5)
    open_ns, close_ns = np.array([START_NS]), np.array([START_NS + 240 * HOUR])
    grace_ns = round(CONFIG.feed.grace_s * 1e9)
    in_time = guards.between_bars(book.step.state, book.close_ns + HOUR + grace_ns, open_ns, close_ns)
    late = guards.between_bars(in_time.state, book.close_ns + HOUR + grace_ns + 1, open_ns, close_ns)
    assert not in_time.verdict.halted
    assert [record.verdict.guard for record in late.records] == ["stale_feed"]


def test_a_clock_that_is_set_wrong_trips_after_the_median_has_seen_it(guards: Guards) -> None:
    step, count = GuardStep(guards.fresh(), ()), 0
    while not step.verdict.halted:
        count += 1
        step = guards.after_reading(step.state, ClockReading(60 * 10**9, 0, 60 * 10**9), START_NS)
    assert count == CONFIG.clock.samples


def test_a_rearmed_guard_begins_anew_and_trips_again_on_the_same_cause(guards: Guards) -> None:
    book = Book(guards).after(24, cause="drifting")
    step = guards.rearmed(book.step.state, "drift", "Ada", "new model is on its way", book.close_ns)
    assert [(record.event, record.by) for record in step.records] == [("rearmed", "Ada")]
    assert not step.verdict.halted
    book.step, book.events = step, []
    assert book.after(24).events == []
    assert book.after(24, cause="drifting").events == ["tripped drift"]


def test_a_daily_loss_that_is_still_there_trips_again_however_often_it_is_rearmed(guards: Guards) -> None:
    book = Book(guards).after(24).after(1, cause="losing")
    book.step = guards.rearmed(book.step.state, "daily_loss", "Ada", "I disagree", book.close_ns)
    assert "tripped daily_loss" in book.after(1).events[-1:]


def test_another_bundle_keeps_what_has_tripped_and_forgets_what_was_usual(
    guards: Guards, reference: LiveReference
) -> None:
    book = Book(guards).after(24, cause="drifting")
    other = Guards.of_bundle("b" * 64, reference, "XAUUSD", Timeframe(60), PARAMS, CONFIG)
    state = other.resumed(book.step.state)
    assert state.tripwires == book.step.state.tripwires
    assert state.drift is not None
    assert state.drift.seen_bars == 0


def test_guards_that_a_bundle_knows_nothing_for_are_off_and_say_so() -> None:
    bare = Guards.of_bundle("c" * 64, LiveReference(), "XAUUSD", Timeframe(60), PARAMS, CONFIG)
    assert [reason.split(":")[0] for reason in bare.off] == ["drift", "entropy", "pnl"]
    book = Book(bare).after(24, cause="drifting")
    assert book.events == []
    assert "tripped daily_loss" in book.after(2, cause="losing").events


def test_books_of_one_account_share_one_rate_of_false_alarms(guards: Guards, reference: LiveReference) -> None:
    shared = Guards.of_bundle("a" * 64, reference, "XAUUSD", Timeframe(60), PARAMS, CONFIG, n_books=4)
    assert shared.drift is not None
    assert guards.drift is not None
    assert shared.drift.limit > guards.drift.limit


def test_a_state_that_cannot_be_read_is_refused(guards: Guards) -> None:
    document = guards.fresh().as_json()
    for broken in ({**document, "schema": 99}, {**document, "tripwires": None}, {}):
        with pytest.raises(DataError, match="state of the guards cannot be read"):
            GuardsState.from_json(broken)

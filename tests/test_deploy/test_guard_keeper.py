"""Guards over time: what is saved and when, what a switch is told, which word of a person counts."""

import json

import numpy as np
import pytest

from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.deploy.drift_reference import feature_reference
from agv2.deploy.guard_keeper import GuardKeeper, SwitchLook
from agv2.deploy.guards import Guards
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.open_hours import OpenHours
from agv2.deploy.verdicts import GuardRecord
from agv2.execution.safeguards import BarFacts
from agv2.models.live_reference import LiveReference
from agv2.risk.limits import RiskState, fresh_risk_state
from agv2.utils.config import load_config
from tests.factories import START_NS, a_bar
from tests.tapes import limits

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
QUIET = fresh_risk_state(100.0, 0)


@pytest.fixture(scope="module")
def guards() -> Guards:
    rng = np.random.default_rng(0)
    days = np.arange(24 * 60, dtype=np.int64) // 24
    known = LiveReference(features={"X": feature_reference(rng.standard_normal((days.size, 2)), days, ("a", "b"), 5.0)})
    return Guards.of_bundle("a" * 64, known, "X", Timeframe(60), limits(), load_config(GuardsConfig, "guards"))


class Kept:
    """Memory and switch in one, and all that was asked of them."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.said = SwitchLook(is_thrown=False, mark=0, by="", reason="")
        self.events: list[str] = []

    def load(self) -> str | None:
        return self.text

    def save(self, text: str) -> None:
        self.events.append("saved")
        self.text = text

    def look(self) -> SwitchLook:
        return self.said

    def throw(self, reason: str, by: str, *, flatten: bool) -> None:
        self.events.append(f"thrown by {by}, {'flatten' if flatten else 'halt'}")
        self.said = SwitchLook(True, self.said.mark + 1, by, reason)

    def write(self, record: GuardRecord) -> None:
        self.events.append(f"{record.event} {record.verdict.guard} {record.by}".rstrip())

    def rearm(self) -> None:
        self.said = SwitchLook(False, self.said.mark + 1, "anna", "looked")

    def keeper(self, guards: Guards) -> GuardKeeper:
        return GuardKeeper(guards, self, self, self.write)


def facts(bar: int, risk: RiskState = QUIET) -> BarFacts:
    close_ns = START_NS + bar * HOUR_NS
    return BarFacts(close_ns, a_bar(ts_ns=close_ns - HOUR_NS), close_ns, np.zeros(2), None, risk)


def test_a_bar_counts_once_also_over_a_restart(guards: Guards) -> None:
    kept = Kept()
    keeper = kept.keeper(guards)
    for bar in (1, 2, 2, 1):
        keeper.after_bar(facts(bar))
    assert keeper.state.drift is not None
    assert keeper.state.drift.seen_bars == 2
    assert kept.events == [], "what did not trip is saved when it is asked for"
    keeper.save()
    keeper.save()
    assert kept.events == ["saved"]
    again = kept.keeper(guards)
    again.after_bar(facts(2))
    again.after_bar(facts(3))
    assert again.state.drift is not None
    assert again.state.drift.seen_bars == 3


def test_a_trip_is_written_saved_and_thrown_in_this_order_and_rearmed_by_a_later_word(guards: Guards) -> None:
    kept = Kept()
    keeper = kept.keeper(guards)
    lost = QUIET._replace(daily_loss_hit=True, last_equity=90.0)
    assert keeper.after_bar(facts(1, lost))
    assert not keeper.after_bar(facts(2, lost))
    assert kept.events == ["tripped daily_loss", "saved", "thrown by guard daily_loss, flatten"]
    kept.events.clear()
    kept.rearm()
    keeper.settle(START_NS)
    assert kept.events == ["rearmed daily_loss anna", "saved"]
    assert keeper.tripped() == ()
    assert keeper.after_bar(facts(3, lost)), "a cause that is still there trips again"
    assert kept.said.is_thrown


def test_a_switch_that_was_thrown_before_is_rearmed_with_what_tripped_meanwhile(guards: Guards) -> None:
    kept = Kept()
    kept.said = SwitchLook(True, 7, "bob", "news")
    keeper = kept.keeper(guards)
    keeper.after_bar(facts(1, QUIET._replace(breaker_until_day=9)))
    keeper.settle(START_NS)
    assert [each.guard for each in keeper.tripped()] == ["drawdown"]
    kept.rearm()
    keeper.settle(START_NS)
    assert keeper.tripped() == ()


def test_a_switch_that_was_lost_is_thrown_again(guards: Guards) -> None:
    kept = Kept()
    kept.keeper(guards).after_bar(facts(1, QUIET._replace(breaker_until_day=9)))
    kept.said = SwitchLook(False, 0, "", "")
    kept.keeper(guards).settle(START_NS)
    assert kept.said.is_thrown


@pytest.mark.parametrize("text", ["", "{}", '{"mark": 0, "guards": {}}', '{"mark": "x", "guards": 1}'])
def test_a_memory_that_cannot_be_read_is_no_open_switch(guards: Guards, text: str) -> None:
    kept = Kept()
    kept.text = text
    with pytest.raises(DataError, match="state of the guards cannot be read"):
        kept.keeper(guards)


def test_what_is_saved_is_plain_json(guards: Guards) -> None:
    kept = Kept()
    kept.keeper(guards).after_bar(facts(1, QUIET._replace(breaker_until_day=9)))
    assert kept.text is not None
    assert json.loads(kept.text)["mark"] == 0


def test_hours_count_from_where_one_began_to_listen() -> None:
    now_ns = 1_900_000_000 * 10**9
    hours = OpenHours("24/7")
    assert hours.problem(now_ns) == ""
    for at_ns in (now_ns, now_ns + 40 * DAY_NS):  # beyond what was looked up at first
        open_ns, close_ns = hours.since(at_ns - HOUR_NS, at_ns)
        waited = np.maximum(np.minimum(close_ns, at_ns) - np.maximum(open_ns, at_ns - 5 * HOUR_NS), 0).sum()
        assert waited == HOUR_NS


def test_nobody_knows_the_hours_of_a_market_without_a_calendar() -> None:
    assert "set its calendar in markets.yaml" in OpenHours("inferred").problem(0)

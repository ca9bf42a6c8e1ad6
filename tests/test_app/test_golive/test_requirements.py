"""What a paper journal must show, journal by journal."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.golive.paper_record import PaperRecord, read_paper_record
from agv2.app.golive.requirements import Requirement, paper_requirements
from agv2.core.account import open_account
from agv2.core.errors import DataError
from agv2.deploy.bundle_band import bundle_band
from agv2.deploy.golive_config import GoLiveConfig
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.pnl_band import PnlBand
from agv2.execution.broker_messages import BrokerPosition
from agv2.execution.journal_records import IntentMade, Killed, OrderMoved, PositionSeen, Rearmed, RequestSent
from agv2.execution.kill_switch import SwitchState
from agv2.execution.order_states import OrderEvent, OrderState
from agv2.execution.order_track import IntentKind
from agv2.execution.replay_day import DayReplay, Difference
from agv2.risk.config import RiskConfig
from agv2.utils.config import load_config
from tests.trading_journals import WrittenTrader

GATE = load_config(GoLiveConfig, "golive").gate
RISK = load_config(RiskConfig, "risk")
SETTINGS: dict[str, Any] = {"config": {"risk": RISK.model_dump(mode="json")}}
SAME = DayReplay(24, 24, 24, 3, 2, (), ())
ARMED = SwitchState("paper.sqlite")
NS_PER_DAY = 86_400_000_000_000
NAMES = ["paper trading", "results", "halts", "kill switch", "orders", "replay", "books"]


@pytest.fixture(scope="module")
def band() -> PnlBand:
    returns = 0.0005 + 0.01 * np.random.default_rng(0).standard_normal(400)
    return bundle_band(returns, load_config(GuardsConfig, "guards"))


@pytest.fixture
def trader(tmp_path: Path) -> WrittenTrader:
    """A paper trader that has shown everything but the days still to come."""
    made = WrittenTrader(tmp_path / "paper.sqlite")
    made.start(**SETTINGS)
    made.write(IntentMade("agv2-abc-9", IntentKind.OPEN, "TREND", 1.0, 90.0, 0.0, 2, 1, 5))
    for _ in range(28):
        made.live_day(0.0004)
    made.live_day(after_bar=(Killed("drill", "anna"),))
    made.live_day(held_back="reducing", after_bar=(Rearmed("over", "anna"),))
    return made


def record_of(trader: WrittenTrader, bundle: str = "b0b") -> PaperRecord:
    return read_paper_record(trader.journal, trader.symbol, bundle, RISK.active)


def asked(
    trader: WrittenTrader,
    band: PnlBand | str,
    *,
    switch: SwitchState = ARMED,
    replayed: Callable[[str], DayReplay] = lambda day: SAME,
    days_later: float = 0.0,
    bundle: str = "b0b",
) -> dict[str, Requirement]:
    now_ns = trader.clock.now_ns() + round(days_later * NS_PER_DAY)
    found = paper_requirements(record_of(trader, bundle), GATE, band, switch, replayed, now_ns)
    assert [each.name for each in found] == NAMES
    assert all(bool(each.remedy) is not each.is_met for each in found)
    return {each.name: each for each in found}


def unmet(found: dict[str, Requirement]) -> list[str]:
    return [name for name, each in found.items() if not each.is_met]


def test_thirty_finished_days_with_all_the_rest_are_enough_and_a_day_less_is_not(
    trader: WrittenTrader, band: PnlBand
) -> None:
    trader.live_day()  # days 1 to 29 count: one was halted, the last is not over
    short = asked(trader, band)
    assert unmet(short) == ["paper trading"]
    assert short["paper trading"].evidence.startswith("29 of 30 trading days, 2026-03-02 to 2026-03-30")
    trader.live_day()
    found = asked(trader, band)
    assert unmet(found) == []
    assert "in the backtest's band on each of 30 days; furthest now: +" in found["results"].evidence
    assert "thrown by anna (drill) on 2026-03-30, obeyed, re-armed by anna" in found["kill switch"].evidence
    assert "1 decisions held back" in found["kill switch"].evidence


def test_days_are_counted_not_promised(trader: WrittenTrader, band: PnlBand) -> None:
    for _ in range(10):
        trader.live_day(n_decided=1)  # half of the bars
    for _ in range(10):
        trader.live_day(late_s=3600.0)  # a recording, played later
    found = asked(trader, band)["paper trading"]
    assert not found.is_met
    assert found.evidence.startswith("29 of 30")
    assert "10 more with fewer than 80%" in found.evidence


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ({"bundle": "another"}, "1 another bundle"),
        ({"feed": "bars.parquet"}, "1 a recording"),
        ({"config": {"risk": RISK.model_dump(mode="json") | {"profile": "conservative"}}}, "1 other limits"),
        ({"config": None}, "1 settings of another version"),
    ],
)
def test_days_of_another_model_or_feed_or_under_other_limits_do_not_count(
    trader: WrittenTrader, band: PnlBand, start: dict[str, Any], reason: str
) -> None:
    bundle = start.get("bundle", "b0b")
    trader.start(bundle, **(SETTINGS | {name: value for name, value in start.items() if name != "bundle"}))
    for _ in range(5):
        trader.live_day(-0.5)
    found = asked(trader, band)
    assert found["paper trading"].evidence.startswith("29 of 30")
    assert reason in found["paper trading"].evidence
    assert found["results"].is_met, "and neither do their results"


def test_the_days_must_be_recent(trader: WrittenTrader, band: PnlBand) -> None:
    for _ in range(3):
        trader.live_day()
    assert asked(trader, band, days_later=5.0)["paper trading"].is_met
    late = asked(trader, band, days_later=7.0)["paper trading"]
    assert not late.is_met
    assert "the last is 9 days ago, 7 at most" in late.evidence


def test_a_day_out_of_the_band_fails_until_as_many_days_as_asked_for_are_in_it(
    trader: WrittenTrader, band: PnlBand
) -> None:
    trader.live_day(-0.09)
    for _ in range(2):
        trader.live_day()
    found = asked(trader, band)["results"]
    assert not found.is_met
    assert found.evidence.startswith("out of the backtest's band after 2 of 30 days, first 2026-04-01: -9")
    for _ in range(52):  # it leaves the sums over 20 days, then 30 days are asked for
        trader.live_day(0.0004)
    assert asked(trader, band)["results"].is_met
    assert "no band" in asked(trader, "12 days are too few")["results"].evidence


def test_open_halts_are_named_whoever_threw_them(trader: WrittenTrader, band: PnlBand) -> None:
    thrown = replace(ARMED, is_thrown=True, by="guard drift", reason="features have left")
    assert "thrown by guard drift: features" in asked(trader, band, switch=thrown)["halts"].evidence
    trader.write(Killed("lost file", "journal"))
    assert "lost file" in asked(trader, band)["halts"].evidence
    assert "kill switch" not in unmet(asked(trader, band)), "the earlier drill stands"


def test_an_old_drill_or_one_never_ended_is_none(trader: WrittenTrader, band: PnlBand, tmp_path: Path) -> None:
    old = asked(trader, band, days_later=40.0)["kill switch"]
    assert not old.is_met
    assert "the last time thrown by anna" in old.evidence
    fresh = WrittenTrader(tmp_path / "fresh.sqlite")
    fresh.start(**SETTINGS)
    fresh.live_day(after_bar=(Killed("drill", "anna"),))
    assert asked(fresh, band)["kill switch"].evidence.startswith("never thrown and re-armed")


def test_an_order_in_doubt_is_named(trader: WrittenTrader, band: PnlBand) -> None:
    trader.write(
        IntentMade("agv2-abc-1", IntentKind.OPEN, "TREND", 1.0, 90.0, 0.0, 3, 1, 5),
        RequestSent("agv2-abc-1", "submit"),
        OrderMoved("agv2-abc-1", "TREND", OrderState.SENT, OrderEvent.DOUBT, OrderState.UNKNOWN, 0.0, None, None, None),
    )
    found = asked(trader, band)["orders"]
    assert (found.is_met, found.evidence) == (False, "nobody knows what became of agv2-abc-1 unknown")


def test_the_last_finished_day_must_replay(trader: WrittenTrader, band: PnlBand) -> None:
    asked_for: list[str] = []

    def differs(day: str) -> DayReplay:
        asked_for.append(day)
        return replace(SAME, differences=(Difference(5, "decision", "action.side", "1", "0"),))

    def fails(day: str) -> DayReplay:
        raise DataError("the journal has no such day")

    found = asked(trader, band, replayed=differs)["replay"]
    assert asked_for == ["2026-03-30"]
    assert "1 differences in 24 decisions, 3 orders and 2 fills of 2026-03-30; the first: decision" in found.evidence
    assert "cannot be replayed: the journal has no such day" in asked(trader, band, replayed=fails)["replay"].evidence
    nothing = replace(SAME, n_views=0, unread=("inputs of 24 bars",))
    assert not asked(trader, band, replayed=lambda day: nothing)["replay"].is_met


def test_book_and_venue_must_agree(trader: WrittenTrader, band: PnlBand) -> None:
    position = BrokerPosition("77", "TREND", 1.0, 100.0, 90.0, 0.0, "agv2-abc-1", 9, 0.0)
    trader.write(
        IntentMade("agv2-abc-1", IntentKind.OPEN, "TREND", 1.0, 90.0, 0.0, 3, 1, 5), PositionSeen(position, True),
        PositionSeen(replace(position, position_id="78", strategy_id=None), False),
    )  # fmt: skip
    book = open_account(1e5, 100.0)
    trader.write(trader.decision(record_of(trader).last_bar_ns, book=book))
    found = asked(trader, band)["books"]
    assert not found.is_met
    assert found.evidence.startswith("+0 units in the book, +1 at the venue")
    trader.write(trader.decision(record_of(trader).last_bar_ns, book=book._replace(units=1.0)))
    found = asked(trader, band)["books"]
    assert found.is_met
    assert found.evidence.endswith("; 1 positions of others")


def test_a_journal_of_nothing_shows_nothing(tmp_path: Path, band: PnlBand) -> None:
    empty = WrittenTrader(tmp_path / "empty.sqlite")
    found = asked(empty, band)
    assert unmet(found) == ["paper trading", "results", "kill switch", "orders", "replay", "books"]

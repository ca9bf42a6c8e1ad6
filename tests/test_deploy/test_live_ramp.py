"""The ramp as a fold of a live trader's journal."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from rich.console import Console

from agv2.app.trading.view import screen
from agv2.core.errors import DataError
from agv2.decision.planner import PlanReason
from agv2.deploy.bundle_band import bundle_band
from agv2.deploy.golive_config import GoLiveConfig, RampConfig
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.live_ramp import LiveRamp, RampState
from agv2.deploy.pnl_band import PnlBand
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.journal_records import DecisionMade, Killed, Noted, RampSaved, Rearmed, Started
from agv2.execution.replay_day import replay_day
from agv2.utils.config import load_config
from tests.paper_trading import PaperDay
from tests.test_execution.test_trader import a_model
from tests.trading_journals import WrittenTrader

STEPS = RampConfig(shares=(0.1, 0.5, 1.0), days_per_step=3)
QUIET = 0.0004


@pytest.fixture(scope="module")
def band() -> PnlBand:
    returns = 0.0005 + 0.01 * np.random.default_rng(0).standard_normal(400)
    return bundle_band(returns, load_config(GuardsConfig, "guards"))


@pytest.fixture
def trader(tmp_path: Path) -> WrittenTrader:
    made = WrittenTrader(tmp_path / "live.sqlite", mode="live")
    made.start()
    return made


class Lived:
    """A ramp beside the trader that writes its journal: asked after every day, or begun anew before."""

    def __init__(self, trader: WrittenTrader, band: PnlBand | str, *, restarts: bool = False) -> None:
        self.trader, self.band, self.restarts = trader, band, restarts
        self.ramp = self.begun()

    def begun(self) -> LiveRamp:
        return LiveRamp(self.trader.journal, self.trader.symbol, STEPS, self.band)

    def days(self, *returns: float, **more: object) -> list[float]:
        """The shares after each day, as the trader would be told within the next."""
        shares = []
        for one in returns:
            share = self.ramp.share()
            self.trader.live_day(one * share, share=share, **more)  # type: ignore[arg-type]  # passed through
            if self.restarts:
                self.ramp = self.begun()
            shares.append(self.ramp.share())
        return shares


@pytest.mark.parametrize("restarts", [False, True])
def test_clean_days_lead_up_the_steps_whether_or_not_it_is_restarted(
    trader: WrittenTrader, band: PnlBand, restarts: bool
) -> None:
    lived = Lived(trader, band, restarts=restarts)
    assert lived.ramp.share() == 0.1
    # A day is judged at the first bar of the next.
    assert lived.days(*[QUIET] * 8) == [0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 1.0, 1.0]
    assert lived.ramp.words() == "100%, step 3 of 3"
    saved = [each.record for each in trader.journal.entries(kinds=[RampSaved])]
    assert [(each.step, each.clean_days) for each in saved if isinstance(each, RampSaved)] == [
        (0, 0), (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1),
    ]  # fmt: skip
    told = [each.record.text for each in trader.journal.entries(kinds=[Noted]) if isinstance(each.record, Noted)]
    assert [text.partition(",")[0] for text in told] == [
        "size of new positions: 10%", "size of new positions: 50%", "size of new positions: 100%",
    ]  # fmt: skip


def test_a_day_out_of_the_band_goes_back_one_step_once(trader: WrittenTrader, band: PnlBand) -> None:
    """At half the size the account loses half of it: the band must see the whole."""
    lived = Lived(trader, band)
    lived.days(*[QUIET] * 4)
    assert lived.days(-0.09, QUIET, QUIET) == [0.5, 0.1, 0.1]
    assert "out of the band: -9" in str(trader.journal.newest(Noted))
    assert lived.days(QUIET, QUIET) == [0.1, 0.5], "the old loss is not held against it again"
    assert lived.days(-0.09, QUIET)[-1] == 0.1
    assert lived.days(-0.09, QUIET)[-1] == 0.1, "there is no step below the first"


def test_a_position_opened_at_a_smaller_share_is_counted_at_that_share(trader: WrittenTrader, band: PnlBand) -> None:
    lived = Lived(trader, band)
    trader.live_day(share=0.1)
    trader.live_day(-0.009, share=1.0, opens=False)  # held since the day before
    trader.live_day(opens=False)
    assert lived.ramp.share() == 0.1
    assert "out of the band: -9" in lived.ramp.state.reason
    assert lived.ramp.state.full_equity == pytest.approx(0.91)


def test_a_halt_begins_the_step_anew_and_days_without_a_free_decision_do_not_count(
    trader: WrittenTrader, band: PnlBand
) -> None:
    lived = Lived(trader, band)
    lived.days(QUIET, QUIET)
    assert lived.ramp.words() == "10%, step 1 of 3, 1 of 3 days"
    lived.days(QUIET, after_bar=(Killed("drift", "guard drift"), Rearmed("looked", "anna")))
    lived.days(QUIET)
    assert lived.ramp.state.clean_days == 0
    assert "halted" in lived.ramp.state.reason
    lived.days(QUIET, held_back="reducing")
    lived.days(QUIET, n_decided=0)
    lived.days(QUIET)
    assert lived.ramp.state.clean_days == 1
    lived.days(QUIET, after_bar=(Killed("news", "anna"),))
    lived.days(*[QUIET] * 5)
    assert lived.ramp.state.clean_days == 0, "still halted"


def test_another_bundle_begins_at_the_first_step(trader: WrittenTrader, band: PnlBand) -> None:
    lived = Lived(trader, band)
    lived.days(*[QUIET] * 5)
    trader.start()
    assert lived.begun().share() == 0.5
    trader.start("another")
    ramp = lived.begun()
    assert (ramp.share(), ramp.state.clean_days, ramp.state.held_share) == (0.1, 0, 0.5)
    assert lived.begun().share() == 0.1


async def test_a_trader_grows_by_the_ramp_through_restarts_and_its_days_replay(tmp_path: Path) -> None:
    """Every size is the share's, the journal knows it, and two starts are as one."""
    model, daily = a_model(80), RampConfig(shares=(0.1, 0.5, 1.0), days_per_step=1)
    wild = bundle_band(0.2 * np.random.default_rng(0).standard_normal(400), load_config(GuardsConfig, "guards"))

    def ramp_of(journal: Journal) -> LiveRamp:
        return LiveRamp(journal, model.tape.symbol, daily, wild)

    once, twice = PaperDay(tmp_path / "once", model), PaperDay(tmp_path / "twice", model)
    live = Started("live", "sim", (model.tape.symbol,), "0", "", "b0b", {})
    for day, stops in ((once, [80]), (twice, [7, 25, 26, 51, 80])):
        day.folder.mkdir()
        for stop in stops:
            await day.run(stop, ramp_of=ramp_of, started=live)
    made = decisions_of(once)
    assert sorted({each.size_share for each in made}) == [0.1, 0.5, 1.0]
    assert [replace(each, restraint="") for each in decisions_of(twice)] == made
    assert twice.fills() == once.fills()
    assert twice.status is not None
    console = Console(width=160, file=io.StringIO())
    with console.capture() as shown:
        console.print(screen(twice.status))
    assert "100%, step 3 of 3" in shown.get()
    ramped = [each for each in made if each.size_share < 1.0 and each.plan.order.units and each.plan.side]
    assert {PlanReason(each.plan.reason) for each in ramped} == {PlanReason.RAMPED}
    with JournalReader(once.journal_path) as journal:
        found = replay_day(journal, once.bars.symbol, 0, 2**62, model, is_simulated=True)
    assert (found.n_decisions, found.differences) == (80, ())


def decisions_of(day: PaperDay) -> list[DecisionMade]:
    with JournalReader(day.journal_path) as journal:
        records = [entry.record for entry in journal.entries(kinds=[DecisionMade])]
    return [each for each in records if isinstance(each, DecisionMade)]


def test_without_a_band_it_stays_and_says_why(trader: WrittenTrader) -> None:
    lived = Lived(trader, "the bundle knows 12 days out of sample, 60 are needed")
    assert set(lived.days(*[QUIET] * 9)) == {0.1}
    assert lived.ramp.words() == "10%, step 1 of 3, and stays: the bundle knows 12 days out of sample, 60 are needed"


def test_the_state_survives_as_json_bit_by_bit_and_nonsense_is_refused(trader: WrittenTrader, band: PnlBand) -> None:
    lived = Lived(trader, band)
    lived.days(0.1 + 0.2, QUIET)
    assert RampState.from_json(lived.ramp.state.as_json()) == lived.ramp.state
    with pytest.raises(DataError, match="cannot be read"):
        RampState.from_json({"step": 1})


def test_settings_that_lead_nowhere_are_refused() -> None:
    for shares in ((0.5, 0.1, 1.0), (0.1, 0.5), (0.5, 0.5, 1.0)):
        with pytest.raises(ValidationError, match="must rise and end with 1"):
            RampConfig(shares=shares, days_per_step=3)
    shipped = load_config(GoLiveConfig, "golive")
    assert shipped.gate.paper_days == 30
    with pytest.raises(ValidationError):
        GoLiveConfig.model_validate(shipped.model_dump() | {"gate": shipped.gate.model_dump() | {"paper_days": 29}})

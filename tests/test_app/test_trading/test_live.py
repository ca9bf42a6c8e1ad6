"""`agv2 live` from its first word to the venue's ledger, at the fake venue."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agv2.app.trading.account_share import AccountShare
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import DecisionMade, Noted, Started, Stopped
from agv2.tradelocker.fake.faults import FaultKind, FaultRule
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import ReplayClock
from tests.command_line import called
from tests.test_readme import login_environment
from tests.untrained_bundles import ToldBars

FIRST_BAR, MOST_BARS = 2_400, 12


@pytest.fixture
def fake(told_bars: ToldBars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTradeLocker]:
    """The venue at the close of a bar, and a home that knows its login."""
    clock = ReplayClock(int(told_bars.bars.close_ns[FIRST_BAR]))
    with FakeTradeLocker([Listing("TREND", told_bars.bars)], clock=clock) as venue:
        for name, value in login_environment(venue.url, FakeLogin()).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DATABASE_URL", raising=False)
        monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
        monkeypatch.chdir(tmp_path)
        yield venue


def test_without_the_gate_nothing_is_sent_and_with_a_reason_a_tenth_is_protected_and_closed(
    fake: FakeTradeLocker,
    untrained_bundle: Path,
    told_bars: ToldBars,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    agv2 = partial(called, capsys)
    words = ("live", "--bundle", untrained_bundle, "--journal", "live.sqlite", "--once", "--clock", "venue", "--plain")
    refused = agv2(*words)
    assert refused.code == 1
    assert "may not trade real money" in refused.err
    assert fake.orders() == []

    for bar in range(FIRST_BAR, FIRST_BAR + MOST_BARS):
        fake.advance_to(int(told_bars.bars.close_ns[bar + 1]))
        done = agv2(*words, "--risk-real-money-without-gate", "a rehearsal")
        assert done.code == 0, done.err
        if fake.open_positions():
            break
    assert "REAL MONEY WITHOUT THE GATE" in done.err
    assert len(fake.open_positions()) == 1, "the untrained policy opens something sooner or later"
    assert fake.unprotected_positions() == []
    with JournalReader("live.sqlite") as journal:
        records = [entry.record for entry in journal.entries(kinds=(Started, DecisionMade, Noted))]
    starts = [record for record in records if isinstance(record, Started)]
    assert {start.mode for start in starts} == {"live"}
    assert all(start.settings["permit"] for start in starts)
    assert {record.size_share for record in records if isinstance(record, DecisionMade)} == {0.1}

    flatten = ("flatten", "--journal", "live.sqlite", "--reason", "enough", "--wait", "0")
    monkeypatch.setenv("TL_ACC_NUM", "2")
    elsewhere = agv2(*flatten)
    assert elsewhere.code == 1, "another account holds nothing: that is not flat"
    assert "the journal is of TREND in TradeLocker FAKE 812345" in elsewhere.out
    monkeypatch.setenv("TL_ACC_NUM", "1")
    fake.faults.add(FaultRule(FaultKind.TOKEN_EXPIRED, method="DELETE", path="/trade/positions/*"))
    not_yet = agv2(*flatten)
    assert (not_yet.code, "not gone yet" in not_yet.out) == (1, True), not_yet.out
    assert len(fake.open_positions()) == 1
    closed = agv2(*flatten)
    assert closed.code == 0, closed.err
    assert fake.open_positions() == []
    assert fake.check() == []
    fake.advance_to(int(told_bars.bars.close_ns[bar + 2]))
    after = agv2(*words, "--risk-real-money-without-gate", "a rehearsal")
    assert after.code == 0
    assert fake.open_positions() == [], "the switch holds until a person re-arms"


@pytest.mark.slow  # half a minute of polls at the venue's pace
def test_once_waits_no_longer_than_told_for_a_bar_that_does_not_come(
    fake: FakeTradeLocker, untrained_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agv2 = partial(called, capsys)
    words = ("paper", "--bundle", untrained_bundle, "--broker", "venue", "--journal", "p.sqlite", "--clock", "venue")
    assert agv2(*words, "--once", "--plain").code == 0
    again = agv2(*words, "--once", "--plain", "--wait", "0.5")
    assert again.code == 1
    assert "--once decided nothing: no bar to decide on within 0.5 s" in again.err
    with JournalReader("p.sqlite") as journal:
        ended = [
            entry.record.reason for entry in journal.entries(kinds=(Stopped,)) if isinstance(entry.record, Stopped)
        ]
    assert ended == ["one bar, as asked", "no bar to decide on within 0.5 s"]
    refused = agv2(*words, "--wait", "5")
    assert refused.code == 1
    assert "--wait says how long --once waits" in refused.err


def test_a_second_trader_of_one_symbol_and_account_is_refused_and_so_are_two_symbols(
    fake: FakeTradeLocker, untrained_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agv2 = partial(called, capsys)
    words = ("paper", "--bundle", untrained_bundle, "--broker", "venue", "--clock", "venue", "--once", "--plain")
    with AccountShare(tmp_path / "home" / "accounts", "TradeLocker FAKE 812345", "TREND"):
        refused = agv2(*words, "--journal", "another.sqlite")
    assert refused.code == 1
    assert "another trader trades TREND in TradeLocker" in refused.err
    assert fake.orders() == []
    with JournalReader("another.sqlite") as journal:
        assert journal.last_seq() == 0
    two = agv2(*words, "--symbol", "TREND", "--symbol", "NOISE")
    assert two.code == 1
    assert "one start trades one symbol" in two.err

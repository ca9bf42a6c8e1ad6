"""`agv2 paper` with its guards, as a person has it, on a bundle that was never trained."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.data.bars_file import write_bars
from agv2.deploy.safeguards import Heartbeat
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import GuardChanged, Killed, Noted
from tests.command_line import called
from tests.untrained_bundles import ToldBars

Paper = Callable[..., tuple[int, str]]


@pytest.fixture
def paper(
    untrained_bundle: Path,
    told_bars: ToldBars,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Paper:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    write_bars(told_bars.bars, tmp_path / "TREND_1h.parquet")

    def run(n_bars: int, *more: str) -> tuple[int, str]:
        words = ["paper", "--bundle", str(untrained_bundle), "--feed", "TREND_1h.parquet", "--bars", str(n_bars)]
        said = called(capsys, *words, "--plain", "--set", "risk.profiles.default.daily_loss_frac=0.0001", *more)
        return said.code, said.out + said.err

    return run


def guards(home: Path) -> list[GuardChanged]:
    with JournalReader(home / "journals" / "paper_TREND_1h.sqlite") as journal:
        records = [entry.record for entry in journal.entries(kinds=[GuardChanged, Killed, Noted])]
    notes = [record.text for record in records if isinstance(record, Noted)]
    assert "guards off: stale_feed and clock_skew, where the feed's own time is believed" in notes
    return [record for record in records if isinstance(record, GuardChanged)]


def test_a_trip_halts_it_is_kept_and_goes_by_the_usual_rearm(
    paper: Paper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    code, out = paper(60)
    assert code == 0
    assert "kill switch thrown" in out
    assert [(each.event, each.guard, each.level) for each in guards(home)] == [("tripped", "daily_loss", "flatten")]
    (kept,) = [path for path in (home / "guards").glob("*.json") if "heartbeat" not in path.name]
    (tripped,) = json.loads(kept.read_text())["guards"]["tripwires"]["tripped"]
    assert (tripped["guard"], tripped["reason"]) == ("daily_loss", guards(home)[0].reason)
    beat = Heartbeat(kept.with_suffix(".heartbeat.json")).last()
    assert beat is not None
    assert (beat.trader, beat.stopped) == ("paper TREND 1h", True)
    with pytest.raises(SystemExit):
        main(["rearm", "--reason", "a new day"])
    assert "re-armed" in capsys.readouterr().out
    paper(62, "--set", "guards.feed.frozen_bars=20", "--set", "deploy.alerts.least=alarm")
    assert ("rearmed", "daily_loss", "a new day") in [(each.event, each.guard, each.note) for each in guards(home)]


def test_settings_of_what_watches_it_are_checked_like_all_others(paper: Paper, tmp_path: Path) -> None:
    code, out = paper(60, "--set", "guards.feed.frozen=20")
    assert (code, "guards.feed.frozen" in out, "did you mean frozen_bars?" in out) == (1, True, True)
    code, out = paper(60, "--set", "deploy.alerts.summary_at=25:00")
    assert (code, "alerts.summary_at" in out) == (1, True)
    assert not list((tmp_path / "home").rglob("*.heartbeat.json"))

"""`agv2 paper` and its kin as a user has them, on the bundle of a small run."""

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from agv2.app.trading.places import open_journal
from agv2.app.trading.view import TraderView, screen
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import DecisionMade, FillSeen, Noted, Started
from agv2.execution.trader_status import TraderStatus
from agv2.utils.clock import SystemClock
from tests.command_line import called

Command = Callable[..., tuple[int, str, str]]
N_BARS = 30


@pytest.fixture
def agv2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in a home and a directory of its own; its exit code, what it printed and what it complained of."""
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    for name in ("TL_ENVIRONMENT", "TL_EMAIL", "TL_PASSWORD", "TL_SERVER", "TL_ACC_NUM", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    return partial(called, capsys)


def first_moment(run: Path) -> str:
    """Where the run's out-of-sample account begins."""
    stamp = pl.read_parquet(run / "oos" / "equity.parquet")["ts"][0]
    return str(stamp.strftime("%Y-%m-%dT%H:%M"))


def paper_words(run: Path, market_files: dict[str, Path], *more: object, n_bars: int = N_BARS) -> list[object]:
    """Guards only tell: what a rehearsal was trained on is too little to know what is usual."""
    return [
        "paper", "--bundle", run / "bundle", "--feed", market_files["TREND"], "--from", first_moment(run),
        "--bars", n_bars, "--journal", "paper.sqlite", "--guards", "tell", *more,
    ]  # fmt: skip


def journalled(*kinds: Any) -> list[Any]:
    with JournalReader(Path("paper.sqlite")) as journal:
        return [entry.record for entry in journal.entries(kinds=kinds)]


def test_paper_over_the_bars_of_a_run_has_the_runs_own_decisions_and_fills(
    agv2: Command, finished_run: Path, market_files: dict[str, Path]
) -> None:
    code, out, _ = agv2(*paper_words(finished_run, market_files, "--json", n_bars=12))
    assert code == 0
    first = json.loads(out)
    assert (first["bars"], first["decisions"]) == (12, 12)
    code, out, _ = agv2(*paper_words(finished_run, market_files))  # goes on
    assert code == 0
    assert "the feed ended: 18 bars, 18 decisions" in out
    assert "Where the money came from" in out
    until_ns = journalled(DecisionMade)[-1].bar_ts_ns
    expected = pl.read_parquet(finished_run / "oos" / "fills.parquet").with_columns(
        pl.col("ts").dt.epoch("ns"), pl.col("decided_ts").dt.epoch("ns")
    ).filter((pl.col("reason") != "end") & (pl.col("ts") <= until_ns))  # fmt: skip
    found = [
        (
            fill.filled_ns,
            fill.side,
            fill.units,
            fill.price,
            fill.mid,
            fill.commission,
            fill.reason_name,
            fill.decided_ns,
        )
        for fill in (seen.fill for seen in journalled(FillSeen))
    ]
    columns = ("ts", "side", "units", "price", "mid", "commission", "reason", "decided_ts")
    assert found == list(expected.select(columns).iter_rows())
    then = pl.read_parquet(finished_run / "oos" / "decisions.parquet").head(N_BARS)
    for ours, theirs in zip(journalled(DecisionMade), then.iter_rows(named=True), strict=True):
        plan = ours.plan
        assert (plan.side, plan.stop_loss, plan.take_profit, plan.after_units) == (
            theirs["position"], theirs["stop"], theirs["target"], theirs["order_after_units"],
        )  # fmt: skip
        assert ours.entropy == pytest.approx(theirs["entropy"], abs=1e-4)

    code, out, _ = agv2("replay", "all", "--journal", "paper.sqlite")
    assert code == 0, out
    assert f"{N_BARS} decisions" in out
    assert "no difference" in out

    code, _, err = agv2(*paper_words(finished_run, market_files))
    assert code == 1
    assert "the journal has every bar of the feed already" in err


def test_a_kill_from_elsewhere_is_obeyed_and_a_person_rearms(
    agv2: Command, finished_run: Path, market_files: dict[str, Path]
) -> None:
    assert agv2("kill")[0] == 1
    agv2(*paper_words(finished_run, market_files, n_bars=3))
    code, out, _ = agv2("kill", "--reason", "news")
    assert (code, "paper.sqlite (news)" in out) == (0, True)
    code, out, _ = agv2(*paper_words(finished_run, market_files, n_bars=6))
    assert "the kill switch is thrown (news)" in out
    assert {each.held_back for each in journalled(DecisionMade)[3:]} == {"reducing"}
    code, out, _ = agv2("flatten", "--journal", "paper.sqlite", "--reason", "enough")
    assert code == 0
    # What the policy held when it was halted is closed by whoever trades next; if nothing, there is nothing to do.
    assert re.search(r"paper\.sqlite: (flat|the next start closes what is held)", out)
    code, out, err = agv2("rearm", "--reason", " ")
    assert (code, "say why" in err) == (1, True)
    code, out, _ = agv2("rearm", "--reason", "over")
    assert "re-armed" in out
    agv2(*paper_words(finished_run, market_files, n_bars=8))
    assert [each.held_back for each in journalled(DecisionMade)[-2:]] == ["", ""]
    assert agv2("rearm", "--reason", "again")[1] == "no kill switch is thrown\n"


def test_once_decides_once(agv2: Command, finished_run: Path, market_files: dict[str, Path]) -> None:
    code, out, _ = agv2(*paper_words(finished_run, market_files, "--once"))
    assert code == 0
    assert "one bar, as asked: 1 bars, 1 decisions" in out
    started = journalled(Started)[0]
    assert started.symbols == ("TREND",)
    assert started.settings["config"]["risk"]["profile"] == "default"


def test_what_cannot_work_is_one_clear_line_and_leaves_nothing(
    agv2: Command, finished_run: Path, market_files: dict[str, Path], tmp_path: Path
) -> None:
    bundle, feed = finished_run / "bundle", market_files["TREND"]
    broken = Path(shutil.copytree(bundle, tmp_path / "broken"))
    (broken / "policy.onnx").write_bytes(b"x")
    cases: list[tuple[list[object], str]] = [
        (["--bundle", tmp_path / "none", "--feed", feed], "there is no bundle here"),
        (["--bundle", broken, "--feed", feed], "policy.onnx: differs from what the manifest says"),
        (["--bundle", bundle, "--feed", feed, "--symbol", "GOLD"], "trained on TREND, not on GOLD"),
        (["--bundle", bundle, "--feed", feed, "--timeframe", "5m"], "the bundle was trained on 1h bars"),
        (["--bundle", bundle, "--feed", tmp_path / "none.parquet"], "none.parquet"),
        (["--bundle", bundle, "--feed", feed, "--speed", "fast"], "--speed fast: write max, or how many times"),
        (["--bundle", bundle, "--feed", feed, "--from", "soon"], "--from soon: write a date"),
        (["--bundle", bundle, "--feed", feed, "--from", "2019-01-01"], "too few bars come before the first"),
        (["--bundle", bundle, "--feed", feed, "--broker", "venue"], "a real one has bars of its own"),
        (["--bundle", bundle, "--speed", "60"], "--speed, --from and --bars are for a recording"),
        (["--bundle", bundle], "not set: TL_ENVIRONMENT, TL_EMAIL, TL_PASSWORD, TL_SERVER"),
        (
            ["--bundle", bundle, "--feed", feed, "--set", "encoder.window=64"],
            "a trader reads markets, costs, risk, guards, golive and deploy",
        ),
    ]
    for words, expected in cases:
        code, out, err = agv2("paper", *words)
        assert (code, out) == (1, ""), words
        assert expected in err, err
        assert err.count("\n") == 1
    assert not list((tmp_path / "home").rglob("*.json"))


def test_paper_orders_go_to_play_money_only(agv2: Command, finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = {
        "TL_ENVIRONMENT": "https://live.tradelocker.com",
        "TL_EMAIL": "a@b.c",
        "TL_PASSWORD": "x",
        "TL_SERVER": "S",
    }
    for name, value in login.items():
        monkeypatch.setenv(name, value)
    code, _, err = agv2("paper", "--bundle", finished_run / "bundle", "--broker", "venue")
    assert code == 1
    assert "TL_ENVIRONMENT is live.tradelocker.com; real accounts are what agv2 live is for" in err


def test_a_journal_of_another_account_or_symbol_is_refused(
    agv2: Command, finished_run: Path, market_files: dict[str, Path]
) -> None:
    agv2(*paper_words(finished_run, market_files, n_bars=2))
    ours = journalled(Started)[-1]
    for other, theirs in (
        (replace(ours, broker="demo.tradelocker.com 7"), "TREND in demo.tradelocker.com 7"),
        (replace(ours, symbols=("GOLD",)), "GOLD in simulated"),
    ):
        with open_journal("paper.sqlite", "elsewhere", SystemClock()) as journal:
            journal.append(other)
        code, _, err = agv2(*paper_words(finished_run, market_files, n_bars=3))
        assert code == 1
        assert f"the journal is of {theirs}, this would be TREND in simulated: name the journal of that" in err


def test_replay_of_what_is_not_there_is_one_clear_line(
    agv2: Command, finished_run: Path, market_files: dict[str, Path]
) -> None:
    assert "there is no journal" in agv2("replay", "2026-01-01")[2]
    assert "there is no journal" in agv2("replay", "2026-01-01", "--journal", "none.sqlite")[2]
    agv2(*paper_words(finished_run, market_files, n_bars=2))
    assert "write it as 2026-03-31, or all" in agv2("replay", "tomorrow", "--journal", "paper.sqlite")[2]
    assert "no bar of TREND on 2026-01-01; it has" in agv2("replay", "2026-01-01", "--journal", "paper.sqlite")[2]


def test_the_screen_shows_book_decisions_limits_and_health(
    agv2: Command, finished_run: Path, market_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TraderStatus] = []
    monkeypatch.setattr(TraderView, "begin", lambda self, status: seen.append(status))
    agv2(*paper_words(finished_run, market_files, n_bars=20))
    console = Console(width=160, file=io.StringIO())
    with console.capture() as shown:
        console.print(screen(seen[0]))
    text = shown.get()
    for words in ("equity", "position", "daily loss", "drawdown", "exposure", "feed", "fresh", "kill switch", "armed",
                  "Last decisions", "Where the money came from", "paper · TREND 1h · simulated"):  # fmt: skip
        assert words in text, text
    assert all(each.level == "info" and each.text.startswith("guard") for each in journalled(Noted))

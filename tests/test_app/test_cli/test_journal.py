"""`agv2 journal tail` as a person and a program use it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.execution.broker_messages import WriteOutcome, WriteReply
from agv2.execution.journal import Journal
from agv2.execution.journal_records import BarSeen, IntentMade, Noted, ReplyReceived
from agv2.execution.order_track import IntentKind
from agv2.utils.clock import ReplayClock
from tests.factories import START_NS, a_bar

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journals" / "paper_ETHUSD_1m.sqlite"
    with Journal(path, run="r1", clock=ReplayClock(START_NS)) as journal:
        journal.append(BarSeen("ETHUSD", "1m", a_bar()))
        journal.append(IntentMade("agv2-x-000001", IntentKind.OPEN, "ETHUSD", 3.0, 90.0, 115.0, 1, 1, START_NS))
        journal.append(ReplyReceived("agv2-x-000001", "submit", WriteReply(WriteOutcome.UNKNOWN, None, "no answer")))
        journal.append(*(Noted("info", f"note {number}", "BTCUSD") for number in range(300)))
    return path


def run(capsys: Capture, *words: str) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as leaving:
        main(["journal", "tail", *words])
    out, err = capsys.readouterr()
    return int(leaving.value.code or 0), out.splitlines(), err


def test_the_last_records_are_shown_one_line_each(path: Path, capsys: Capture) -> None:
    code, lines, _ = run(capsys, "--journal", str(path), "-n", "3")
    assert code == 0
    assert [line.split()[0] for line in lines] == ["301", "302", "303"]
    assert lines[-1].endswith("level=info text='note 299'")
    assert "2024-01-02" in lines[-1]


def test_kinds_and_symbols_narrow_it_however_far_back_they_lie(path: Path, capsys: Capture) -> None:
    _, lines, _ = run(capsys, "--journal", str(path), "--kind", "intent", "--kind", "reply")
    assert ["intent" in lines[0], "reply" in lines[1], len(lines)] == [True, True, 2]
    assert "units=3 " in lines[0]
    assert "outcome=unknown" in lines[1]
    assert "reason='no answer'" in lines[1]
    _, lines, _ = run(capsys, "--journal", str(path), "--symbol", "ETHUSD")
    assert len(lines) == 1  # the bar is quiet unless asked for
    _, lines, _ = run(capsys, "--journal", str(path), "--symbol", "ETHUSD", "--all")
    assert len(lines) == 2


def test_json_is_one_object_a_line_and_whole(path: Path, capsys: Capture) -> None:
    _, lines, _ = run(capsys, "--journal", str(path), "--json", "--symbol", "ETHUSD")
    first, second = (json.loads(line) for line in lines)
    assert first["kind"] == "bar"
    assert first["record"]["bar"]["close"] == a_bar().close
    assert (second["seq"], second["run"], second["ts_ns"]) == (2, "r1", START_NS)


def test_the_only_journal_under_the_home_needs_no_name(
    path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path))
    assert run(capsys, "-n", "1")[0] == 0
    Journal(path.with_name("live_ETHUSD_1m.sqlite")).close()
    code, _, err = run(capsys)
    assert code == 1
    assert "holds 2 journals" in err
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "nobody"))
    code, _, err = run(capsys)
    assert code == 1
    assert "no journal yet" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--kind", "ordre"], "there are bar, bracket"), (["--journal", "nowhere.db"], "there is no journal")],
)
def test_a_wrong_word_is_one_clear_line(
    words: list[str], says: str, path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_HOME", str(path.parents[1]))
    code, _, err = run(capsys, *words)
    assert code == 1
    assert says in err
    assert err.count("\n") == 1


def test_follow_tells_what_is_written_meanwhile_and_ends_quietly(path: Path) -> None:
    command = [sys.executable, "-m", "agv2.app.cli.main", "journal", "tail", "--journal", str(path), "-f", "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert "note 299" in child.stdout.readline()
        with Journal(path) as journal:
            journal.append(Noted("alarm", "now"))
        assert "text=now" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert child.stderr.read() == "agv2: interrupted\n"
        assert child.wait() == 130

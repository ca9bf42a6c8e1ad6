"""What the pages tell their reader to do works: every command is one, and those of the guides are carried out."""

import json
import linecache
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import typer

import bootstrap
from agv2.app.cli.main import app
from agv2.app.cli.options import spread_values
from agv2.data.synthetic import synthetic_bars
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import ReplayClock
from tests.page_steps import PAGES, ROOT, Step, page_steps, shown_commands
from tests.test_readme import login_environment, newcomers_environment, write_metatrader_export

GUIDES = [
    ROOT / "docs" / name
    for name in (
        "tutorials/csv_to_verdict.md",
        "tutorials/login_to_paper.md",
        "howto/own_market.md",
        "howto/own_costs.md",
        "howto/own_feature.md",
        "howto/own_broker.md",
    )
]
"""Pages whose commands are carried out, in this order and in one directory."""
LEFT_TO_SLOW = re.compile(r"\bruns/|^agv2 (?:kill|rearm|replay|leakcheck) |^agv2 doctor$")
"""What needs a run, and what the README's test does every day."""
ENDLESS = re.compile(r"^agv2 paper (?!.*--feed)")


def ids(pages: list[Path]) -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in pages]


WITH_COMMANDS = [page for page in PAGES if shown_commands(page)]
RUN_ELSEWHERE = ROOT / "docs/encoder_windows.md"  # on a file that tests of the export have at hand
WITH_PYTHON = [
    page for page in PAGES if page != RUN_ELSEWHERE and any(step.kind == "python" for step in page_steps(page))
]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=ids(WITH_COMMANDS))
def test_every_command_of_agv2_is_one(page: Path) -> None:
    for words in shown_commands(page):
        require_usable(words)


def require_usable(words: list[str]) -> None:
    """Reads the words as the command itself would, and does nothing more."""
    command, rest = typer.main.get_command(app), spread_values(words[1:], "--bars", "--symbol")
    while inner := getattr(command, "commands", None):
        command, rest = inner[rest[0]], rest[1:]
    command.make_context(words[1], rest)


@pytest.mark.parametrize("wrong", ["agv2 data imprt x.csv", "agv2 run --bars x.parquet", "agv2 compare a --outt b"])
def test_a_wrong_command_is_seen(wrong: str) -> None:
    with pytest.raises(Exception, match=r"imprt|Missing parameter: out|No such option"):
        require_usable(shlex.split(wrong))


def test_every_other_command_names_what_is_there() -> None:
    others = {step.text for page in PAGES for step in page_steps(page) if step.kind == "command"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for text in sorted(others):
        words = shlex.split(text, comments=True)
        if words[0] == "agv2":
            continue
        if words[:2] == ["python", "bootstrap.py"]:
            bootstrap.parse(words[2:])
        elif words[0] == "make":
            assert set(words[1:]) <= targets, text
        elif words[:3] == ["python", "-m", "pytest"]:
            assert all((ROOT / word).exists() for word in words[3:] if word.startswith("tests")), text
        else:
            assert words[0] == "python", text
            assert (ROOT / words[1]).is_file(), text


@pytest.mark.parametrize("page", WITH_PYTHON, ids=ids(WITH_PYTHON))
def test_the_lines_of_python_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # In a file: the compiler of kernels keeps what it makes by the file's name.
    text = "\n".join(step.text for step in page_steps(page) if step.kind == "python")
    source = tmp_path / "page.py"
    source.write_text(text, encoding="utf-8")
    linecache.checkcache(str(source))
    exec(compile(text, str(source), "exec"), {"__name__": "page"})


def test_the_quick_commands_of_the_guides_work(tmp_path: Path) -> None:
    carry_out(tmp_path, everything=False)
    assert (tmp_path / "gold.html").is_file()
    assert (tmp_path / "bars/ETHUSD_1h.parquet").is_file()


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_guides_work_from_the_first_command_to_the_last(tmp_path: Path) -> None:
    carry_out(tmp_path, everything=True)
    assert (tmp_path / "runs/gold/report.html").is_file()
    assert (tmp_path / "runs/gold/explained/trade_1.html").is_file()
    assert len(list((tmp_path / "home/journals").glob("paper_ETHUSD_1h*.sqlite"))) == 1
    assert (tmp_path / "demo.sqlite").is_file()
    assert (tmp_path / "dear.html").is_file()


def carry_out(directory: Path, *, everything: bool) -> None:
    """The guides' commands of `agv2`, as rehearsals, and the files between them."""
    steps = [step for page in GUIDES for step in page_steps(page) if step.kind != "python"]
    steps = [step for step in steps if step.kind != "command" or step.text.startswith("agv2 ")]
    if not everything:
        steps = [step for step in steps if step.kind != "command" or not LEFT_TO_SLOW.search(step.text)]
    write_metatrader_export(directory / "exports/XAUUSD_M15_2025.csv")
    with venue() as login:
        result = subprocess.run(
            [sys.executable, "-m", "tests.page_steps"],
            input=json.dumps([(step.kind, ended(step)) for step in steps]),
            cwd=directory,
            env=newcomers_environment(directory, login)
            | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])},
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def ended(step: Step) -> str:
    """A command that would go on until it is stopped takes one decision, at the venue's own time."""
    return f"{step.text} --once --clock venue" if ENDLESS.search(step.text) else step.text


@contextmanager
def venue() -> Iterator[Mapping[str, str]]:
    """Hours of ETHUSD from 2022 on, at a fake venue."""
    bars = synthetic_bars("noise", 3000, 1, timeframe="1h", symbol="ETHUSD")
    year_2022_ns = 1_640_995_200_000_000_000
    bars = replace(bars, ts_ns=bars.ts_ns - bars.ts_ns[0] + year_2022_ns)
    with FakeTradeLocker([Listing("ETHUSD", bars)], clock=ReplayClock(int(bars.close_ns[-1]))) as fake:
        yield login_environment(fake.url, FakeLogin())

"""Every command that the README shows is run, in order, as a reader would."""

import datetime
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import bootstrap
from agv2.data.bars_file import read_bars
from agv2.data.config import MarketsConfig
from agv2.data.synthetic import synthetic_bars
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import ReplayClock
from agv2.utils.config import load_config

ROOT = Path(__file__).resolve().parents[1]


def console_commands(text: str) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = console_commands(README)
TEST_COMMAND = "python -m pytest -q -n 2"


def newcomers_environment(directory: Path, login: Mapping[str, str] | None = None) -> dict[str, str]:
    """A home of its own, no servers but the venue of `login`, and every run a rehearsal."""
    servers = ("TL_", "DATABASE_URL", "REDIS_URL")  # a newcomer has none
    environment = {name: value for name, value in os.environ.items() if not name.startswith(servers)}
    environment |= login or {}
    return environment | {
        "AGV2_SMOKE": "1",
        "AGV2_HOME": str(directory / "home"),
        "BROWSER": "true",  # the program of that name: opens nothing
        "COLUMNS": "100",
    }


def run_smoke(words: list[str], directory: Path, login: Mapping[str, str] | None = None) -> None:
    environment = newcomers_environment(directory, login)
    result = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{shlex.join(words)}\n{result.stdout}\n{result.stderr}"


def test_every_command_is_of_a_kind_that_a_test_here_runs() -> None:
    assert len(COMMANDS) >= 8
    kinds = ("agv2 ", "python scripts/", "python bootstrap.py ", TEST_COMMAND)
    assert [command for command in COMMANDS if not command.startswith(kinds)] == []


@contextmanager
def venue() -> Iterator[dict[str, str]]:
    """What the page's reader has at a broker: a login, and bars of ETHUSD."""
    bars = synthetic_bars("noise", 3000, 1, timeframe="1m", symbol="ETHUSD")
    year_2024_ns = 1_704_067_200_000_000_000
    bars = replace(bars, ts_ns=bars.ts_ns - bars.ts_ns[0] + year_2024_ns)
    with FakeTradeLocker([Listing("ETHUSD", bars)], clock=ReplayClock(int(bars.close_ns[-1]))) as fake:
        yield login_environment(fake.url, FakeLogin())


def login_environment(address: str, login: FakeLogin) -> dict[str, str]:
    return {
        "TL_ENVIRONMENT": address,
        "TL_EMAIL": login.email,
        "TL_PASSWORD": login.password,
        "TL_SERVER": login.server,
        "TL_ACC_NUM": "1",
    }


def write_metatrader_export(path: Path) -> None:
    """Quarter-hours of gold as MetaTrader 5 exports them: tabs, points, and its server's clock."""
    request = MarketRequest("XAUUSD", "none", 0.0, timeframe="15m", n_bars=9000, seed=3)
    bars = instrument_market(request, load_config(MarketsConfig, "markets").entry("XAUUSD")[0]).bars
    lines = ["<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>"]
    new_york = ZoneInfo("America/New_York")
    for row in range(len(bars)):
        there = datetime.datetime.fromtimestamp(int(bars.ts_ns[row]) // 10**9, new_york) + datetime.timedelta(hours=7)
        prices = "\t".join(f"{getattr(bars, name)[row]:.2f}" for name in ("open", "high", "low", "close"))
        lines.append(f"{there:%Y.%m.%d\t%H:%M:%S}\t{prices}\t{bars.volume[row]:.0f}\t0\t25")
    path.parent.mkdir(parents=True)
    path.write_text("\r\n".join(lines), encoding="utf-8", newline="")


@pytest.mark.timeout(900)
def test_the_agv2_commands_work_in_the_order_shown(tmp_path: Path) -> None:
    agv2 = shutil.which("agv2", path=os.path.dirname(sys.executable))
    assert agv2
    commands = [command for command in COMMANDS if command.startswith(("agv2 ", "python scripts/"))]
    for name in ("config", "scripts"):  # the page's reader is in a copy of the repository
        (tmp_path / name).symlink_to(ROOT / name)
    write_metatrader_export(tmp_path / "exports/XAUUSD_M15_2025.csv")
    with venue() as login:
        for command in commands:
            program = agv2 if command.startswith("agv2 ") else sys.executable
            run_smoke([program, *shlex.split(command)[1:]], tmp_path, login)
    assert (tmp_path / "gold.html").is_file()
    assert len(read_bars(tmp_path / "bars/XAUUSD_1h.parquet").bars) > 2000
    runs = [command for command in commands if command.startswith("agv2 run ")]
    for name in re.findall(r"--out (runs/\S+)", "\n".join(runs)):
        assert (tmp_path / name / "report.html").is_file()
        assert (tmp_path / name / "summary.json").is_file()
    for name in re.findall(r"--out (encoders/\S+)", "\n".join(commands)):
        assert (tmp_path / name / "evidence.html").is_file()
        assert (tmp_path / name / "evidence.json").is_file()
    assert (tmp_path / "runs/truth/truth.html").is_file()
    assert (tmp_path / "comparison.html").is_file()


@pytest.mark.timeout(600)
def test_the_demo_of_the_first_command_works(tmp_path: Path) -> None:
    assert "python bootstrap.py demo" in COMMANDS
    run_smoke([sys.executable, *bootstrap.JOBS["demo"], "--no-open"], tmp_path)
    assert len(list(tmp_path.rglob("report.html"))) == 2
    assert len(list(tmp_path.rglob("paper/trend.sqlite"))) == 1


def test_bootstrap_ci_and_readme_run_the_same_tests() -> None:
    assert TEST_COMMAND in COMMANDS
    assert "python bootstrap.py test" in COMMANDS
    assert shlex.split(TEST_COMMAND)[1:] == bootstrap.JOBS["test"]
    found = re.search(r"sed -n '([^']+)' README\.md", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    assert found
    taken = subprocess.run(["sed", "-n", found[1], "README.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert taken.stdout.strip() == TEST_COMMAND

"""Every command that the README shows is run, in order, as a reader would."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap

ROOT = Path(__file__).resolve().parents[1]


def console_commands(text: str) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = console_commands(README)
TEST_COMMAND = "python -m pytest -q -n 2"


def run_smoke(words: list[str], directory: Path) -> None:
    environment = os.environ | {
        "AGV2_SMOKE": "1",
        "AGV2_HOME": str(directory / "home"),
        "BROWSER": "true",  # the program of that name: opens nothing
        "COLUMNS": "100",
    }
    result = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{shlex.join(words)}\n{result.stdout}\n{result.stderr}"


def test_every_command_is_of_a_kind_that_a_test_here_runs() -> None:
    assert len(COMMANDS) >= 8
    kinds = ("agv2 ", "python bootstrap.py ", TEST_COMMAND)
    assert [command for command in COMMANDS if not command.startswith(kinds)] == []


@pytest.mark.timeout(900)
def test_the_agv2_commands_work_in_the_order_shown(tmp_path: Path) -> None:
    agv2 = shutil.which("agv2", path=os.path.dirname(sys.executable))
    assert agv2
    commands = [command for command in COMMANDS if command.startswith("agv2 ")]
    for command in commands:
        run_smoke([agv2, *shlex.split(command)[1:]], tmp_path)
    for name in re.findall(r"--out (runs/\S+)", "\n".join(commands)):
        assert (tmp_path / name / "report.html").is_file()
        assert (tmp_path / name / "summary.json").is_file()


@pytest.mark.timeout(600)
def test_the_demo_of_the_first_command_works(tmp_path: Path) -> None:
    assert "python bootstrap.py demo" in COMMANDS
    run_smoke([sys.executable, *bootstrap.JOBS["demo"], "--no-open"], tmp_path)
    assert len(list(tmp_path.rglob("report.html"))) == 2


def test_bootstrap_ci_and_readme_run_the_same_tests() -> None:
    assert TEST_COMMAND in COMMANDS
    assert "python bootstrap.py test" in COMMANDS
    assert shlex.split(TEST_COMMAND)[1:] == bootstrap.JOBS["test"]
    found = re.search(r"sed -n '([^']+)' README\.md", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    assert found
    taken = subprocess.run(["sed", "-n", found[1], "README.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert taken.stdout.strip() == TEST_COMMAND

"""`agv2 report` as a person calls it."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agv2.app.cli.report import report
from agv2.core.errors import DataError
from tests.run_directory import write_run_directory

APP = typer.Typer()
APP.command()(report)


def test_the_page_is_written_again_and_nothing_else(tmp_path: Path) -> None:
    run = write_run_directory(tmp_path / "run", n_bars=300)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    result = CliRunner().invoke(APP, [str(run)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"report: {run / 'report.html'}\n"
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert set(after) - set(before) == {run / "report.html"} - set(before)
    assert {path: text for path, text in after.items() if path.name != "report.html"} == {
        path: text for path, text in before.items() if path.name != "report.html"
    }


def test_it_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    run = write_run_directory(tmp_path / "run", n_bars=300)
    assert CliRunner().invoke(APP, [str(run), "--open"]).exit_code == 0
    assert shown == [(run / "report.html").as_uri()]


def test_what_is_no_run_is_one_clear_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(APP, [str(tmp_path)])
    assert isinstance(result.exception, DataError)
    assert "summary.json: missing; name the --out directory of a finished run" in str(result.exception)

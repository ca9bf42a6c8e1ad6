"""`agv2 leakcheck` as a person and as a program call it."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from agv2.app import market_preparation
from agv2.app.cli.leakcheck import leakcheck
from agv2.core.bars import Bars
from agv2.core.errors import DataError, LeakError
from agv2.core.timeframes import SessionCalendar
from agv2.data.bars_file import write_bars
from agv2.features.pipeline import FeatureMatrix, compute_features
from tests.markets import gappy_bars

APP = typer.Typer()
APP.command()(leakcheck)


def called(*words: str | Path) -> Result:
    return CliRunner().invoke(APP, [str(word) for word in words])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "TEST_5m.parquet"
    write_bars(gappy_bars(2_000, "5m"), path)
    return path


def test_a_table_says_that_nothing_moved(file: Path) -> None:
    result = called("--bars", file, "--quick")
    assert result.exit_code == 0, result.output
    assert f"{file}: 2,000 bars of 5m: 1,135 columns" in result.stdout
    assert result.stdout.count("nothing moved") == 12
    assert "checking" in result.stderr


def test_json_is_all_there_is_on_standard_output(file: Path) -> None:
    document = json.loads(called("--bars", file, "--quick", "--json", "--symbol", "GOLD").stdout)
    assert document["ok"] is True
    (only,) = document["files"]
    assert (only["symbol"], only["timeframe"], only["bars"]) == ("GOLD", "5m", 2_000)
    assert [stage["leaks"] for stage in only["stages"]] == [[]] * 12


def test_without_bars_a_synthetic_market_is_checked() -> None:
    result = called("--quick")
    assert result.exit_code == 0, result.output
    assert "synthetic XAUUSD: 4,000 bars of 1h" in result.stdout


def test_a_leak_is_named_and_fails(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky(bars: Bars, calendar: SessionCalendar) -> FeatureMatrix:
        matrix = compute_features(bars, calendar)
        values = matrix.values.copy()
        values[:-1, 0] = matrix.values[1:, 0]
        return FeatureMatrix(matrix.columns, values, matrix.sigma)

    monkeypatch.setattr(market_preparation, "compute_features", leaky)
    result = called("--bars", file, "--quick", "--json")
    assert isinstance(result.exception, LeakError)
    document = json.loads(result.stdout)
    assert document["ok"] is False
    leaks = {leak["column"] for leak in document["files"][0]["stages"][0]["leaks"]}
    assert leaks == {"log_return_1"}
    shown = called("--bars", file, "--quick").stdout
    assert "1 moved: log_return_1" in shown
    assert "leak: features, column log_return_1: " in shown


def test_a_short_file_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    short = tmp_path / "SHORT_5m.parquet"
    write_bars(gappy_bars(600, "5m"), short)
    result = called("--bars", short)
    assert result.exit_code == 0, result.output
    assert "note: 600 bars of 5m are too few for a decision" in result.stdout
    assert result.stdout.count("nothing moved") == 4


def test_wrong_files_and_symbols_are_one_clear_line(file: Path, tmp_path: Path) -> None:
    for words, message in (
        (("--bars", file, "--symbol", "A", "--symbol", "B"), "2 symbols for 1 files"),
        (("--bars", tmp_path / "none.parquet"), "none.parquet"),
    ):
        error = called(*words).exception
        assert isinstance(error, DataError)
        assert message in str(error)

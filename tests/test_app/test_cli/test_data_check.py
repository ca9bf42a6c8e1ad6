"""`agv2 data check` as a person and as a program call it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from agv2.app.cli.data.check import check
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError, DataError
from agv2.data.bars_file import read_bars, write_bars
from agv2.data.duckdb_store import BarStore
from tests.quality_markets import clean_bars, taken

APP = typer.Typer()
APP.command()(check)
BARS = clean_bars(1_500)


def checked(*words: str | Path) -> Result:
    return CliRunner().invoke(APP, [str(word) for word in words])


def document_of(*words: str | Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(checked(*words, "--json").stdout)
    return document


def written(path: Path, bars: Bars = BARS) -> Path:
    write_bars(bars, path)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path / "XAUUSD_1h.parquet")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Two impossible bars, a repeated and a contradicting row, a negative spread."""
    path = written(tmp_path / "XAUUSD_bad.parquet")
    frame = pl.read_parquet(path).with_row_index()
    frame = frame.with_columns(
        high=pl.when(pl.col("index").is_in([50, 60])).then(pl.col("low") * 0.9).otherwise(pl.col("high")),
        spread=pl.when(pl.col("index") == 70).then(-1.0).otherwise(pl.col("spread")),
    )
    other = frame.filter(pl.col("index") == 90).with_columns(volume=pl.col("volume") + 1.0)
    frame = pl.concat([frame, frame.filter(pl.col("index") == 80), other]).sort("index", maintain_order=True)
    frame.drop("index").write_parquet(path)
    return path


def test_a_good_file_passes(good: Path) -> None:
    result = checked(good)
    assert result.exit_code == 0
    assert "1,500 bars of 1h" in result.stdout
    assert "0 ERROR, 0 WARNING" in result.stdout


def test_errors_fail_and_the_table_tells_what_and_where(bad: Path) -> None:
    result = checked(bad)
    assert result.exit_code == 1
    for words in ("2 ERROR", "Impossible bar", "2 rows", "row 50", "Conflicting duplicates", "Negative spreads"):
        assert words in result.stdout, words


def test_warnings_fail_only_when_strict(tmp_path: Path) -> None:
    kept = np.ones(len(BARS), dtype=np.bool_)
    kept[600:615] = False
    path = written(tmp_path / "XAUUSD_1h.parquet", taken(BARS, kept))
    assert checked(path).exit_code == 0
    assert checked(path, "--strict").exit_code == 1


def test_json_holds_every_finding(bad: Path) -> None:
    document = document_of(bad)
    assert document["ok"] is False
    (one,) = document["files"]
    assert (one["symbol"], one["timeframe"], one["rows"], one["errors"]) == ("XAUUSD", "1h", 1_502, 2)
    found = {each["id"]: each for each in one["findings"]}
    assert found["ohlc_violation"]["count"] == 2
    assert found["ohlc_violation"]["places"][0]["row"] == 50
    assert set(found["ohlc_violation"]) == {
        "id", "severity", "title", "count", "unit", "share", "evidence", "places", "effect", "remedy",
    }  # fmt: skip
    assert found["conflicting_duplicates"]["count"] == 1
    assert found["identical_duplicates"]["count"] == 1
    assert found["negative_spreads"]["count"] == 1


def test_a_file_that_cannot_be_read_is_an_error_among_others(good: Path, tmp_path: Path) -> None:
    broken = tmp_path / "BROKEN_1h.parquet"
    broken.write_text("no bars")
    document = document_of(good, broken)
    assert document["ok"] is False
    assert [each["errors"] for each in document["files"]] == [0, 1]
    assert document["files"][1]["findings"][0]["id"] == "unreadable"


@pytest.mark.parametrize("word", ["none.parquet", "a/b", "NOSUCH"])
def test_what_is_not_there_is_one_line(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = checked(word)
    assert isinstance(result.exception, DataError)
    assert str(result.exception).startswith(f"{word}: ")


def test_a_stored_symbol_is_checked_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    BarStore(tmp_path / "data" / "bars").write(BARS)
    document = document_of("XAUUSD")
    assert document["ok"] is True
    assert [(each["file"], each["bars"]) for each in document["files"]] == [("XAUUSD 1h", 1_500)]


def test_the_symbol_decides_whose_market_it_is(tmp_path: Path) -> None:
    path = written(tmp_path / "MYFILE.parquet")
    assert document_of(path)["files"][0]["sessions"].startswith("inferred")
    assert document_of(path, "--symbol", "XAUUSD")["files"][0]["sessions"] == "metals"


def test_settings_move_the_thresholds(tmp_path: Path) -> None:
    kept = np.ones(len(BARS), dtype=np.bool_)
    kept[600:603] = False
    path = written(tmp_path / "XAUUSD_1h.parquet", taken(BARS, kept))
    assert document_of(path)["files"][0]["warnings"] == 0
    assert document_of(path, "--set", "quality.gaps.least_bars=2")["files"][0]["warnings"] == 1
    result = checked(path, "--set", "quality.gaps.last_bars=2")
    assert isinstance(result.exception, ConfigError)
    assert "did you mean least_bars" in str(result.exception)


def test_a_repair_writes_a_new_file_and_counts(bad: Path, tmp_path: Path) -> None:
    before, out = bad.read_bytes(), tmp_path / "new" / "XAUUSD_cured.parquet"
    result = checked(bad, "--repair", out)
    assert result.exit_code == 1  # the file that was checked is as bad as before
    assert bad.read_bytes() == before
    for words in (
        "2 rows with missing, non-positive or impossible prices left out",
        "1 rows repeated the row before them: dropped",
        "1 rows contradicted the first row of their stamp (1 stamps): the first was kept",
        "spread is negative or infinite in 1 rows",
        "1,498 bars of 1h",
    ):
        assert words in result.stdout.replace("\n", " "), words
    assert checked(out).exit_code == 0
    assert len(read_bars(out).bars) == 1_498
    assert document_of(bad, "--repair", tmp_path / "again.parquet")["repair"]["report"]["errors"] == 0


def test_a_repair_never_writes_over_a_file(bad: Path) -> None:
    before = bad.read_bytes()
    for out in (bad, bad.with_suffix(".csv")):
        assert isinstance(checked(bad, "--repair", out).exception, DataError)
    assert bad.read_bytes() == before
    assert [path.name for path in bad.parent.iterdir()] == [bad.name]


def test_one_repair_needs_one_file(good: Path, bad: Path, tmp_path: Path) -> None:
    result = checked(good, bad, "--repair", tmp_path / "out.parquet")
    assert "one file at a time" in str(result.exception)
    assert not (tmp_path / "out.parquet").exists()


def test_the_page_stands_alone(bad: Path, good: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "quality.html"
    assert checked(bad, good, "--html", page).exit_code == 1
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text
    for words in ("Coverage, day by day", "Activity by hour of the week", "Impossible bar", 'class="c3"'):
        assert words in text, words
    assert text.count("<article>") == 2


def test_a_hostile_name_stays_text(tmp_path: Path) -> None:
    path = written(tmp_path / "<b>X_1h.parquet", replace(BARS, symbol="X"))
    page = tmp_path / "page.html"
    checked(path, "--html", page)
    assert "<b>X" not in page.read_text(encoding="utf-8")

"""Runs side by side: what differs is named, who is better is said only where the interval says so."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from agv2.app.cli.compare import compare
from agv2.app.comparison_page.page import comparison_page, headline
from agv2.app.run_comparison import compare_runs
from agv2.core.errors import ConfigError, DataError
from tests.run_directory import write_run_directory

APP = typer.Typer()
APP.command()(compare)


def called(*words: str | Path) -> Result:
    return CliRunner().invoke(APP, [str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Without skill, with much of it on the same bars, and on two markets."""
    folder = tmp_path_factory.mktemp("compared")
    plain = write_run_directory(folder / "plain", n_bars=2_400)
    skilled = write_run_directory(folder / "skilled", n_bars=2_400, skill=1.0)
    pair = write_run_directory(folder / "pair", symbols=("XAUUSD", "NAS100"), n_bars=2_400)
    (skilled / "config" / "extra.yaml").write_text("lookback:\n  depth: 3\n")
    provenance = json.loads((pair / "provenance.json").read_text())
    (pair / "provenance.json").write_text(json.dumps({**provenance, "data_digest": "of two files"}))
    return plain, skilled, pair


def test_skill_is_better_and_its_own_copy_is_level(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    plain, skilled, _ = runs
    found = compare_runs([plain, skilled])
    (lead,) = found.leads
    assert lead.finding == "better"
    assert 0.0 < lead.low < lead.ratio < lead.high
    assert headline(found) == "skilled: better than plain"
    (turned,) = compare_runs([skilled, plain]).leads
    assert turned.finding == "worse"
    assert turned.ratio == pytest.approx(-lead.ratio)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in skilled.rglob("*"):
        target = copy / path.relative_to(skilled)
        target.mkdir(exist_ok=True) if path.is_dir() else target.write_bytes(path.read_bytes())
    (same,) = compare_runs([skilled, copy]).leads
    assert (same.finding, same.annual_return) == ("draw", 0.0)


def test_excess_is_of_the_days_that_both_have(runs: tuple[Path, Path, Path]) -> None:
    plain, skilled, _ = runs
    first, other = compare_runs([plain, skilled]).runs
    frame = pl.read_parquet(plain / "oos/equity.parquet").sort("ts")
    last = frame.group_by(pl.col("ts").dt.date(), maintain_order=True).last()["equity"].to_numpy()
    expected = np.diff(np.concatenate([[frame["equity"][0]], last])) / np.concatenate([[frame["equity"][0]], last[:-1]])
    np.testing.assert_allclose(first.returns, expected)
    assert compare_runs([plain, skilled]).leads[0].n_days == first.days.size == other.days.size


def test_runs_on_other_bars_are_no_finding(runs: tuple[Path, Path, Path]) -> None:
    found = compare_runs(runs)
    assert not found.same_bars
    assert {lead.finding for lead in found.leads} == {"unknown"}
    assert headline(found) == "Runs on other bars than plain: no one is better for that"


def test_the_more_runs_the_more_it_takes(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    plain, skilled, _ = runs
    others = [write_run_directory(tmp_path / str(seed), n_bars=2_400, seed=seed) for seed in range(8)]
    for other in others:  # of the same bars, as far as the file says
        (other / "provenance.json").write_bytes((plain / "provenance.json").read_bytes())
    alone, among = compare_runs([plain, skilled]).leads[0], compare_runs([plain, skilled, *others]).leads[0]
    assert among.ratio == alone.ratio
    assert among.low < alone.low


def test_settings_that_differ_are_named_as_set_takes_them(runs: tuple[Path, Path, Path]) -> None:
    plain, skilled, pair = runs
    assert compare_runs([plain, skilled]).settings == {"extra.lookback.depth": (None, 3)}
    assert compare_runs([plain, pair]).settings["symbols"] == ("XAUUSD", "XAUUSD, NAS100")


def test_the_command_prints_tables_json_and_a_page(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = called(*runs, "--out", page)
    assert result.exit_code == 0, result.output
    for words in ("On the test bars", "In excess of plain", "Settings that differ", "extra.lookback.depth"):
        assert words in result.stdout
    document = json.loads(called(*runs, "--json").stdout)
    assert [run["run"] for run in document["runs"]] == ["plain", "skilled", "pair"]
    assert document["leads"][0]["finding"] == "unknown", "the pair has other bars"
    assert json.loads(called(*runs[:2], "--json").stdout)["leads"][0]["finding"] == "better"
    text = page.read_text()
    assert text == comparison_page(compare_runs(runs))
    assert "skilled: better than plain" in comparison_page(compare_runs(runs[:2]))
    assert not re.search(r"(src|href)=\"(?!data:)", text), "opens offline"


def test_names_are_as_long_as_it_takes_to_tell_them_apart(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_run_directory(tmp_path / name / "run", n_bars=240)
    found = compare_runs([tmp_path / "one" / "run", tmp_path / "two" / "run"])
    assert [run.name for run in found.runs] == ["one/run", "two/run"]


def test_what_cannot_be_compared_is_one_clear_line(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two runs or more"):
        compare_runs(runs[:1])
    with pytest.raises(ConfigError, match="named twice"):
        compare_runs([runs[0], runs[0].parent / "." / "plain"])
    with pytest.raises(DataError, match=r"summary\.json: missing; name the --out directory of a finished run"):
        compare_runs([runs[0], tmp_path])
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    result = called(runs[0], runs[1], "--out", in_the_way / "page.html")
    assert isinstance(result.exception, ConfigError)
    assert "page.html: cannot be written" in str(result.exception)

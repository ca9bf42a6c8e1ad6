"""`agv2 train encoder` and its script as a person and as a program call them."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from agv2.app.cli.train.evidence_table import print_evidence
from tests.command_line import called
from tests.encoder_reports import a_report

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts/train_encoder.py"


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("rehearsal")
def test_the_table_and_the_page_are_the_answer(
    tmp_path: Path, market_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    said = called(capsys, "train", "encoder", "--bars", market_files["TREND"], "--out", out)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert any(line.split()[:3] == ["Next", "returns", "TREND"] for line in lines)
    assert lines[-2].startswith("Better than the best baseline on ")
    assert lines[-1] == f"evidence: {out / 'evidence.html'}"
    assert "training/selection: quantiles" in said.err
    assert "note: AGV2_SMOKE=1" in said.err


@pytest.mark.usefixtures("rehearsal")
def test_json_is_all_there_is_on_standard_output_and_a_file_of_settings_will_do(
    tmp_path: Path, market_files: dict[str, Path]
) -> None:
    """As one would by hand: export windows, then the script with the settings of the repository."""
    windows = tmp_path / "w.parquet"
    bars = str(market_files["TREND"])
    for words in (
        ["-m", "agv2.app.cli.main", "features", "export", "--bars", bars, "--window", "96", "--out", str(windows)],
        [str(SCRIPT), "--data", str(windows), "--config", str(ROOT / "config/encoder.yaml"), "--json", "--out", "out"],
    ):
        result = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document == json.loads((tmp_path / "out/evidence.json").read_text(encoding="utf-8"))
    assert document["spans"][0]["symbol"] == "TREND"
    assert {each["head"] for each in document["heads"]} >= {"quantiles", "levels", "reconstruction"}


def test_the_script_looks_where_the_export_writes(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, str(SCRIPT)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "agv2: data/encoder_windows.parquet: there is no such file; check the path\n"
    help_text = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (help_text.returncode, "--data" in help_text.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 1, "give either --bars FILE... or --data FILE"),
        (("--bars", "none.parquet"), 1, "none.parquet: "),
        (("--data", "none.parquet"), 1, "none.parquet: there is no such file"),
        (("--data", "w.parquet", "--bars", "b.parquet"), 1, "give either"),
        (("--data", "w.parquet", "--set", "encoder.backbone=mamba"), 1, "'tcn', 'transformer' or 'lstm'"),
        (("--data", "w.parquet", "--set", "encoder.window=513"), 1, "the next that can is 514"),
        (("--data", "w.parquet", "--set", "encoder.window=8"), 1, "mask_span 8 must be shorter than the window 8"),
        (("--data", "w.parquet", "--set", "encoder.window=4", "--set", "encoder.mask_span=2"), 1, "cannot be divided"),
        (("--data", "w.parquet", "--config", "w.parquet"), 1, "or a YAML file of them"),
        (("--data", "w.parquet", "--resume", "--out", "nowhere"), 1, "holds no run to continue"),
        (("--seeds", "0"), 2, "--seeds"),
        (("--profile", "swift"), 2, "--profile"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    pl.DataFrame({"features": [[0.0] * 30] * 5}).write_parquet("w.parquet")
    found = called(capsys, "train", "encoder", *words)
    assert (found.code, found.out) == (code, "")
    assert said in found.err
    assert code == 2 or len(found.err.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["w.parquet"]


def test_the_table_has_every_count_with_its_finding(capsys: pytest.CaptureFixture[str]) -> None:
    print_evidence(a_report(("XAUUSD",)))
    lines = capsys.readouterr().out.splitlines()
    (har,) = (line for line in lines if line.split()[:4] == ["Next", "returns", "XAUUSD", "12"])
    assert "HAR" in har
    assert "better: unconditional, EWMA, GARCH-t" in har
    assert "90\u202f% holds 87.2\u202f%" in har
    (pattern,) = (line for line in lines if line.split()[:4] == ["Breakout", "or", "reversal", "XAUUSD"])
    assert "worse" in pattern
    assert "boosted trees" in pattern
    assert sum("embedding and features" in line for line in lines) == 1
    assert sum(line.startswith(" Regime") and "Hidden bars" in line for line in lines) == 1
    assert lines[-1].startswith("Better than the best baseline on 4 of 7 counts")

"""`agv2 train policy` and its script as a person and as a program call them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agv2.app.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts/train_policy.py"


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("rehearsal")
def test_the_table_is_the_answer_and_progress_tells_reward_and_drawdown(
    tmp_path: Path, market_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(market_files["TREND"]), str(market_files["XAUUSD"])]
    with pytest.raises(SystemExit) as leaving:
        main(["train", "policy", "--bars", *files, "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert leaving.value.code == 0, said.err
    lines = said.out.splitlines()
    assert any(line.split()[:2] == ["seed", "7"] for line in lines)
    assert any(line.split()[:3] == ["Buy", "and", "hold"] for line in lines)
    assert lines[-2].startswith("The policy: ")
    assert lines[-1] == f"policies: {tmp_path / 'out/policies.html'}"
    assert "after 100%: reward " in said.err
    assert ", drawdown " in said.err
    assert "note: AGV2_SMOKE=1" in said.err
    document = json.loads((tmp_path / "out/policies.json").read_text(encoding="utf-8"))
    assert [span["symbol"] for span in document["spans"]] == ["TREND", "XAUUSD"], "one policy of two markets"


@pytest.mark.usefixtures("rehearsal")
def test_the_script_prints_json_and_nothing_else(tmp_path: Path, market_files: dict[str, Path]) -> None:
    words = [sys.executable, str(SCRIPT), "--bars", str(market_files["TREND"]), "--json", "--out", "out"]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((tmp_path / "out/policies.json").read_text(encoding="utf-8"))


def test_what_is_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["train", "policy", "--bars", str(tmp_path / "none.parquet"), "--out", str(tmp_path / "out")])
    assert leaving.value.code == 1
    assert capsys.readouterr().err == f"agv2: {tmp_path / 'none.parquet'}: there is no such file; check the path\n"
    assert not (tmp_path / "out").exists()

"""`agv2 tune` and its script as a person and as a program call them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.app.cli.tune import seconds_of
from agv2.app.tuning import study
from tests.studies import FoldFormula

ROOT = Path(__file__).resolve().parents[3]
SMALL = [
    "--set", "encoder.window=66", "--set", "tuning.space.rl_policy.gamma={low: 0.9, high: 0.99}",
    "--set", "tuning.space.rl_policy.n_epochs={low: 2, high: 8}",
]  # fmt: skip


@pytest.fixture(autouse=True)
def rehearsal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(study, "measured_fold", FoldFormula())


def code_of(*words: str) -> object:
    with pytest.raises(SystemExit) as leaving:
        main(["tune", *words])
    return leaving.value.code


def test_the_table_is_the_answer_and_each_trial_is_told(
    tmp_path: Path, market_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--bars", str(market_files["TREND"]), "--out", str(tmp_path / "out"), *SMALL]
    assert code_of(*words, "--trials", "3") == 0
    said = capsys.readouterr()
    assert [line.split()[1] for line in said.err.splitlines() if line.startswith("trial ")] == ["0:", "1:", "2:"]
    assert "(3 of 3, best +" in said.err
    assert any(line.split()[:1] == ["0"] and "as they were" in line for line in said.out.splitlines())
    assert said.out.splitlines()[-2:] == [
        f"page: {tmp_path / 'out/tuning.html'}", f"settings: agv2 run --config {tmp_path / 'out/tuned'}",
    ]  # fmt: skip
    assert code_of(*words, "--trials", "4", "--json") == 0
    again = capsys.readouterr()
    assert "3 of 4 trials were done before" in again.err
    assert json.loads(again.out) == json.loads((tmp_path / "out/tuning.json").read_text(encoding="utf-8"))


def test_an_interrupt_says_how_to_go_on_and_leaves_what_there_is(
    tmp_path: Path, market_files: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def stop(task: object, fold: int) -> None:
        calls.append(fold)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(study, "measured_fold", FoldFormula(stop))
    out = tmp_path / "out"
    assert code_of("--bars", str(market_files["TREND"]), "--out", str(out), *SMALL) == 130
    assert capsys.readouterr().err.endswith("agv2: interrupted; continue with the same command\n")
    states = [one["state"] for one in json.loads((out / "tuning.json").read_text(encoding="utf-8"))["trials"]]
    assert states == ["complete", "open"]
    assert (out / "tuned/tuned.json").is_file()


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--timeout", "soon"], 2, "soon is no time; write 90s, 30m or 2h"),
        (["--trials", "0"], 2, "greater than or equal to 1"),
        (["--set", "tuning.folds=0"], 1, "tuning.folds: folds = 0"),
        (["--set", "tuning.space.encoder.droput={low: 0.1, high: 0.2}"], 1, "did you mean dropout"),
        (["--storage", "redis://127.0.0.1"], 1, "--storage: write sqlite, or postgresql://"),
    ],
)
def test_what_is_wrong_is_one_line(
    words: list[str], code: int, problem: str, tmp_path: Path, market_files: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert code_of("--bars", str(market_files["TREND"]), "--out", str(tmp_path / "out"), *words) == code
    assert problem in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "home/studies").exists()


def test_a_run_takes_no_setting_of_tuning(
    tmp_path: Path, market_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--bars", str(market_files["TREND"]), "--out", str(tmp_path / "run"), "--set", "tuning.folds=2"])
    assert capsys.readouterr().err == "agv2: --set tuning.folds: tuning.yaml holds no setting of a run\n"


@pytest.mark.parametrize(
    ("text", "seconds"), [("", None), ("90", 90.0), ("90s", 90.0), ("30m", 1800.0), ("2 h", 7200.0)]
)
def test_times_are_read_as_a_person_writes_them(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_the_script_is_the_command() -> None:
    words = [sys.executable, str(ROOT / "scripts/optimize_hparams.py"), "--help"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--trials" in result.stdout

"""`agv2 robustness` as a person types it."""

import json
from pathlib import Path

import pytest

from agv2.app.cli.main import main

pytestmark = pytest.mark.timeout(600)


def run_cli(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["robustness", *words])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_one_check_is_shown_kept_and_drawn(copy_of_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, str(copy_of_run), "--only", "seeds")
    assert code == 0
    assert "Seed by seed" in out
    assert "seed 1" in out
    assert [path.name for path in (copy_of_run / "robustness").iterdir()] == ["seeds.json"]
    page = (copy_of_run / "report.html").read_text(encoding="utf-8")
    assert "<h3>Seed by seed</h3>" in page
    assert "Not looked at yet: crises" in page
    code, out, err = run_cli(capsys, str(copy_of_run), "--only", "seeds", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["seeds"]["rows"][0]["name"] == "seed 1"
    log = (copy_of_run / "folds/run.log").read_text(encoding="utf-8")
    assert "robustness finished" in log


def test_what_is_no_run_and_what_is_no_check_end_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_cli(capsys, str(tmp_path / "nothing"))
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "name the --out directory of a finished run" in err
    code, _, err = run_cli(capsys, str(tmp_path), "--only", "luck")
    assert code == 2
    assert "stress" in err


def test_a_file_that_a_check_left_and_something_else_changed_is_named(
    copy_of_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy_of_run / "robustness").mkdir()
    (copy_of_run / "robustness/stress.json").write_text("{}", encoding="utf-8")
    code, _, err = run_cli(capsys, str(copy_of_run), "--only", "seeds")
    assert code == 1
    assert "stress.json: not what agv2 robustness writes" in err

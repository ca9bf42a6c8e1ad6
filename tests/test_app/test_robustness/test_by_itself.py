"""Runs whose profile asks for the checks do them before their report, and count as the same trial."""

import json
from pathlib import Path

import pytest

from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.app.settings import load_settings
from agv2.utils.config import parse_override

OVERRIDE = parse_override("backtest.profiles.smoke.robustness=traded")


def test_looking_closer_makes_no_other_trial() -> None:
    plain, looking = load_settings(None, []), load_settings(None, [OVERRIDE])
    assert looking.backtest.profiles["smoke"].robustness == "traded"
    assert plain.digest(["GOLD"], "smoke") == looking.digest(["GOLD"], "smoke")
    assert plain.digest(["GOLD"], "smoke") != plain.digest(["GOLD"], "quick")


def test_only_thorough_does_it_unasked() -> None:
    profiles = load_settings(None, []).backtest.profiles
    assert {name: each.robustness for name, each in profiles.items() if each.robustness != "none"} == {
        "thorough": "trained"
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_checks_itself_and_goes_on_after_a_kill(
    market_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    request = RunRequest(bars=(market_files["TREND"],), out=tmp_path / "run", overrides=(OVERRIDE,), quiet=True)
    out = run(request).out
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (out / "robustness").glob("*.json")}
    assert set(found) == {"stress", "ablation", "sensitivity", "seeds"}
    assert all(document["notes"] == [] for document in found.values())
    assert found["seeds"]["largest_difference"] == 0.0
    assert "retrained" not in found["ablation"]
    assert "<h3>Crises</h3>" in (out / "report.html").read_text(encoding="utf-8")
    stages = json.loads((out / "summary.json").read_text(encoding="utf-8"))["runtime_s"]
    assert {f"robustness: {check}" for check in found} <= set(stages)
    assert len(list((tmp_path / "home/trials").glob("*/*.json"))) == 1, "the run itself"
    # Killed between two checks: what is there stays, what is missing is made, and the report is written last.
    for path in (out / "report.html", out / "robustness/seeds.json"):
        path.unlink()
    before = (out / "robustness/stress.json").stat().st_mtime_ns
    run(RunRequest(bars=request.bars, out=out, overrides=(OVERRIDE,), quiet=True, resume=True))
    assert (out / "robustness/stress.json").stat().st_mtime_ns == before
    assert json.loads((out / "robustness/seeds.json").read_text(encoding="utf-8"))["rows"] == found["seeds"]["rows"]
    assert "<h3>Seed by seed</h3>" in (out / "report.html").read_text(encoding="utf-8")

"""The last fold trained anew without something."""

import hashlib
import json
from pathlib import Path

import pytest

from agv2.app.progress import RunProgress
from agv2.app.robustness import retraining
from agv2.app.robustness.ablation import ablations
from agv2.app.robustness.retraining import retrained_results, retrained_works, retrainings
from agv2.app.robustness.subject import Subject, open_run
from agv2.app.run_plan import RunRequest, make_plan
from agv2.app.run_store import RunStore
from agv2.utils.config import parse_override

TAKEN = ("clock", "all heads")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_that_is_only_beginning_knows_what_it_will_train_anew(
    market_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Profile `thorough` asks before the run has written anything, its settings included."""
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    request = RunRequest(
        bars=(market_files["TREND"],), out=tmp_path / "run", overrides=(parse_override("rl_policy.n_books=128"),)
    )
    subject = Subject(make_plan(request), RunStore(request.out))
    tried = {one.name: one.plan.settings for one in retrainings(subject, "sensitivity")}
    assert tried["rl_policy.gamma=0.9"].rl_policy.gamma == 0.9
    assert {settings.rl_policy.n_books for settings in tried.values()} == {128}
    assert not request.out.exists()


def test_settings_that_are_what_would_be_tried_are_not_tried(finished_run: Path) -> None:
    subject = open_run(finished_run, quiet=True)
    tried = {one.name for one in retrainings(subject, "sensitivity")}
    assert "rl_policy.gamma=0.9" in tried
    assert "as it is" in tried
    assert all(one.plan.profile.seeds == 1 for one in retrainings(subject, "sensitivity"))
    encoders = {one.name for one in retrainings(subject, "sensitivity") if one.own_encoder}
    assert {"another seed", "encoder.dropout=0.3"} <= encoders
    assert "rl_policy.gamma=0.9" not in encoders


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_unchanged_it_is_the_run_again_and_without_a_part_it_is_not(
    copy_of_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        retraining, "ablations", lambda columns: [one for one in ablations(columns) if one.name in TAKEN]
    )
    subject = open_run(copy_of_run, quiet=True)
    with RunProgress(retrained_works(subject, "ablation"), quiet=True) as progress:
        found = retrained_results(subject, "ablation", progress)
    summary = json.loads((copy_of_run / "summary.json").read_text(encoding="utf-8"))
    # The smallest run has one fold, one seed and few blocks: trained anew it is the same to the bit.
    assert {key: found["base"][key] for key in found["base"]} == {key: summary["oos"][key] for key in found["base"]}
    assert [row["name"] for row in found["rows"]] == ["another seed", "a third seed", *TAKEN]
    kept = copy_of_run / "robustness/retrained"
    same, other = (kept / name / "folds/1" for name in ("as_it_is", "another_seed"))
    assert digest(same / "encoder.npz") == digest(copy_of_run / "folds/1/encoder.npz")
    assert digest(other / "encoder.npz") != digest(same / "encoder.npz")
    assert digest(kept / "all_heads/folds/1/encoder.npz") == digest(same / "encoder.npz"), "borrowed"
    assert digest(kept / "clock/folds/1/encoder.npz") != digest(same / "encoder.npz")
    assert digest(kept / "all_heads/folds/1/policy_0.npz") != digest(same / "policy_0.npz")
    stamps = {path: path.stat().st_mtime_ns for path in kept.rglob("*.npz")}
    with RunProgress(retrained_works(subject, "ablation"), quiet=True) as progress:
        assert retrained_results(subject, "ablation", progress) == found
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.npz")} == stamps, "nothing was trained twice"
    state = kept / "all_heads/folds/state.json"
    state.write_text(state.read_text(encoding="utf-8").replace('"seed": 7', '"seed": 8'), encoding="utf-8")
    with RunProgress(retrained_works(subject, "ablation"), quiet=True) as progress:
        assert retrained_results(subject, "ablation", progress) == found, "what was trained otherwise is made anew"
    renewed = {path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert {path.relative_to(kept).parts[0] for path in renewed} == {"all_heads"}

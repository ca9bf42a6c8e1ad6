"""Whole small studies: real training, what they leave, and the run that uses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.run_plan import RunRequest, make_plan
from agv2.app.tuned_record import read_tuned_record
from agv2.app.tuning.plan import TuneRequest
from agv2.app.tuning.tune import TuningOutcome, tune
from agv2.core.errors import ConfigError
from agv2.data.bars_file import read_bars, write_bars
from agv2.utils.config import parse_override
from tests.markets import scrambled_after
from tests.studies import SETTINGS, Watched

ONE_FOLD = (*SETTINGS, parse_override("tuning.folds=1"))

Tune = Callable[..., TuningOutcome]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, market_files: dict[str, Path]) -> Tune:
    """Tune at the smallest size, each study in a home of its own."""

    def start(bars: Path = market_files["TREND"], home: Path | None = None, **options: Any) -> TuningOutcome:
        folder = home or tmp_path_factory.mktemp("home")
        usual: dict[str, Any] = {"n_trials": 2, "overrides": ONE_FOLD, "quiet": True, "out": folder / "tuning"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AGV2_SMOKE", "1")
            patch.setenv("AGV2_HOME", str(folder))
            patch.delenv("DATABASE_URL", raising=False)
            return tune(TuneRequest(bars=(bars,), **(usual | options)), Watched())

    return start


@pytest.fixture(scope="module")
def finished(tuned: Tune) -> TuningOutcome:
    return tuned()


def test_a_study_leaves_settings_that_a_run_takes_and_counts(
    finished: TuningOutcome, market_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(finished.out.parent))
    assert finished.tuned == finished.out / "tuned"
    plan = make_plan(RunRequest(bars=(market_files["TREND"],), out=finished.out / "run", config_dir=finished.tuned))
    best = finished.report.best
    assert best is not None
    assert plan.trial == finished.report.plan.trial(best.parameters), "the run of the best settings is that very trial"
    assert plan.tuned == read_tuned_record(finished.tuned)
    assert plan.tuned is not None
    assert plan.tuned.data_end_ns == finished.report.plan.data_end_ns
    document = json.loads((finished.out / "tuning.json").read_text(encoding="utf-8"))
    assert document["trials_counted"] == len(document["trials"]) == 2
    assert all(len(trial["fold_scores"]) == 1 for trial in document["trials"])
    assert not (finished.report.plan.folder / "work").exists(), "what trials kept is not needed any more"


def test_a_run_that_tests_earlier_bars_refuses_the_settings(
    finished: TuningOutcome, market_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("AGV2_HOME", str(finished.out.parent))
    earlier = (parse_override("encoder.window=18"),)  # warms up sooner, so that its first test bar is an earlier one
    request = RunRequest((market_files["TREND"],), finished.out / "run", config_dir=finished.tuned, overrides=earlier)
    with pytest.raises(ConfigError, match="were tuned on bars up to"):
        make_plan(request)


@pytest.mark.slow
def test_other_bars_from_the_first_test_bar_on_give_the_same_study(
    finished: TuningOutcome, tuned: Tune, market_files: dict[str, Path], tmp_path: Path
) -> None:
    """Real training: the scores are equal to the last bit."""
    bars = read_bars(market_files["TREND"]).bars
    first = int(np.searchsorted(bars.ts_ns, finished.report.plan.first_test_ns))
    path = tmp_path / "TREND_1h.parquet"
    write_bars(scrambled_after(bars, first - 1), path)
    other = tuned(path, accept_defects=True)
    mine, theirs = (json.loads((each.out / "tuning.json").read_text(encoding="utf-8")) for each in (finished, other))
    assert mine["trials"] == theirs["trials"]
    assert (mine["best"], mine["study"], mine["data_end_ns"]) == (
        theirs["best"],
        theirs["study"],
        theirs["data_end_ns"],
    )


def test_a_study_without_a_trial_says_what_went_wrong_and_leaves_no_settings(tuned: Tune, tmp_path: Path) -> None:
    ruin = tuple(each for each in SETTINGS if each.keys[0] != "n_epochs")
    huge = parse_override("encoder.learning_rate=1e30")
    with pytest.raises(ConfigError, match=r"no trial was completed \(trial 0: .+\); the same command goes on"):
        tuned(home=tmp_path, n_trials=1, overrides=(*ruin, huge))
    assert not (tmp_path / "tuning/tuned").exists()

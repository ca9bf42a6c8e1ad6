"""MLflow is told what is asked for, and a training depends on it in nothing."""

import os
import pickle
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.app.tracking.registry import registered_models
from agv2.app.tracking.server import RUN_EXPERIMENT, Tracker, open_tracker
from agv2.app.training_tracking import ENCODER_EXPERIMENT, POLICY_EXPERIMENT, tracked_training
from agv2.core.errors import ConfigError
from agv2.data.bars_file import read_bars
from agv2.models import linear_start
from agv2.models.bundle import ModelBundle
from agv2.models.pretraining import PretrainedEncoder, pretrain
from agv2.utils.clock import ReplayClock
from agv2.utils.environment import Environment, load_environment
from tests.test_models.markets import TINY, a_series

STEPS, SEED = 4, 7
CLOCK = ReplayClock(1_700_000_000 * 10**9)
KEYS = ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES")


@pytest.fixture(autouse=True)
def _short_start_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_start, "ITERATIONS", 5)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # what the tracker sets is gone after the test


def environment(uri: str | None) -> Environment:
    return Environment(_env_file=None, mlflow_tracking_uri=uri)  # type: ignore[call-arg]  # pydantic-settings' own


def needs_mlflow() -> Any:
    return pytest.importorskip("mlflow", reason="needs mlflow: python bootstrap.py test --with mlflow")


@pytest.fixture
def tracker(tmp_path: Path, empty_mlflow: Path) -> Tracker:
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    found = open_tracker(environment(f"sqlite:///{tmp_path / 'mlflow.db'}"), CLOCK, ENCODER_EXPERIMENT)
    assert found is not None
    return found


def train(tracker: Tracker | None, told: list[str], **changes: Any) -> PretrainedEncoder:
    parameters = {"symbols": "TEST", "encoder": TINY.model_dump(mode="json")}
    with tracked_training(tracker, "a training", parameters, told.append) as tracked:
        progress = changes.pop("progress", None)
        watched = progress if tracked is None else tracked.watching(progress)
        trained = pretrain([a_series()], TINY, STEPS, SEED, watched, **changes)
        if tracked is not None:
            tracked.finished(trained)
        return trained


def the_run(tracker: Tracker) -> Any:
    (found,) = tracker.client.search_runs([tracker.experiment_id])
    return found


def curve(tracker: Tracker, name: str) -> dict[int, float]:
    history = tracker.client.get_metric_history(the_run(tracker).info.run_id, name)
    assert len({point.step for point in history}) == len(history), "nothing is told twice"
    assert {point.timestamp for point in history} == {CLOCK.now_ns() // 10**6}
    return {point.step: point.value for point in history}


def test_without_the_key_mlflow_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert open_tracker(environment(None), CLOCK, ENCODER_EXPERIMENT) is None
    with tracked_training(None, "a training", {}, pytest.fail) as tracked:
        assert tracked is None


def test_the_key_without_the_package_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match="mlflow is not installed: python bootstrap"):
        open_tracker(environment("http://127.0.0.1:9"), CLOCK, ENCODER_EXPERIMENT)


def test_parameters_curves_and_scores_are_told(tracker: Tracker) -> None:
    told: list[str] = []
    trained = train(tracker, told)
    assert told == []
    run = the_run(tracker)
    assert (run.info.run_name, run.info.status) == ("a training", "FINISHED")
    assert tracker.client.get_experiment(tracker.experiment_id).name == ENCODER_EXPERIMENT
    assert run.data.params["symbols"] == "TEST"
    assert run.data.params["encoder.window"] == str(TINY.window)
    assert run.data.params["encoder.tcn.kernel"] == "3"
    for look in trained.log:
        for part, losses in (("train", look.train), ("selection", look.selection)):
            for head, loss in losses.items():
                assert curve(tracker, f"{part}/{head}")[look.step] == pytest.approx(loss)
        assert curve(tracker, "learning_rate")[look.step] == pytest.approx(look.learning_rate)
    for score in trained.scores:
        assert run.data.metrics[f"score/{score.head}"] == pytest.approx(score.score)
        assert run.data.metrics[f"baseline/{score.head}"] == pytest.approx(score.baseline)
    assert run.data.metrics["best_step"] == trained.best_step


def test_a_resumed_training_tells_the_looks_of_before_as_well(tracker: Tracker, tmp_path: Path) -> None:
    def interrupt(step: int, *_: object) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(None, [], progress=interrupt, checkpoints=tmp_path / "kept")
    trained = train(tracker, [], checkpoints=tmp_path / "kept")
    assert list(curve(tracker, "selection/quantiles")) == [look.step for look in trained.log]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")])
def test_a_training_that_ends_otherwise_is_told_so(error: type[BaseException], status: str, tracker: Tracker) -> None:
    def stop(*_: object) -> None:
        raise error

    with pytest.raises(error):
        train(tracker, [], progress=stop)
    assert the_run(tracker).info.status == status


@pytest.mark.parametrize("method", ["create_run", "log_batch", "set_terminated"])
def test_a_server_that_fails_later_is_a_note_and_changes_no_weight(
    method: str, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Mapping[str, Any]] = []

    def failing(*_: Any, **given: Any) -> None:
        calls.append(given)
        raise ConnectionError("http://me:secret@server went away\nfor reasons")

    monkeypatch.setattr(tracker.client, method, failing)
    told: list[str] = []
    trained = train(tracker, told)
    (note,) = told
    assert note.startswith("MLflow is told nothing more of this training: ")
    assert "secret" not in note
    assert "\n" not in note
    assert len(calls) == 1, "a server that failed is not asked again"
    for name, weight in train(None, []).arrays().items():
        np.testing.assert_array_equal(weight, trained.arrays()[name])


def test_a_server_that_is_down_is_an_error_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    needs_mlflow()
    with socket.socket() as taken:  # bound and not listening: nobody answers, nobody else takes the port
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for uri in (f"http://me:secret@127.0.0.1:{port}", f"postgresql://me:secret@127.0.0.1:{port}/tracking"):
            with pytest.raises(
                ConfigError, match=rf"MLFLOW_TRACKING_URI: 127\.0\.0\.1:{port} does not answer"
            ) as refusal:
                open_tracker(environment(uri), CLOCK, ENCODER_EXPERIMENT)
            assert "secret" not in str(refusal.value) + caplog.text
            assert "\n" not in str(refusal.value)
            assert refusal.value.__cause__ is None


@pytest.mark.parametrize("uri", ["nonsense://somewhere", "http://me:se@cret:secret@127.0.0.1", "file:///tmp"])
def test_what_mlflow_cannot_use_is_an_error_at_the_start(uri: str) -> None:
    needs_mlflow()
    with pytest.raises(ConfigError, match=r"MLFLOW_TRACKING_URI: .*; correct it") as refusal:
        open_tracker(environment(uri), CLOCK, ENCODER_EXPERIMENT)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_persons_own_settings_of_mlflow_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_mlflow()
    monkeypatch.setitem(os.environ, KEYS[2], "9")
    open_tracker(environment(f"sqlite:///{tmp_path / 'mlflow.db'}"), CLOCK, ENCODER_EXPERIMENT)
    assert [os.environ[key] for key in KEYS] == ["true", "true", "9"]


def test_nothing_is_printed(tracker: Tracker, capfd: pytest.CaptureFixture[str]) -> None:
    train(tracker, [])
    assert capfd.readouterr() == ("", "")


def test_a_run_with_the_flag_tells_its_trainings_its_entries_and_itself(
    market_files: dict[str, Path], mlflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    out = tmp_path / "trend"
    found = run(RunRequest(bars=(market_files["TREND"],), out=out, quiet=True, mlflow=True))
    client = open_tracker(load_environment(), CLOCK, RUN_EXPERIMENT, wanted=True).client  # type: ignore[union-attr]  # wanted
    of = {each.name: each.experiment_id for each in client.search_experiments()}
    runs = {each.info.run_name: each for each in client.search_runs(list(of.values()))}
    assert {each.info.status for each in runs.values()} == {"FINISHED"}
    assert set(runs) == {"fold 1 of 1: encoder", "fold 1 of 1: attribution", "trend"}
    entries = runs["fold 1 of 1: attribution"]
    assert {"share/clock", "erased/clock", "entries", "agreement", "gap"} <= set(entries.data.metrics)
    assert [file.path for file in client.list_artifacts(entries.info.run_id)] == ["saliency.parquet"]
    assert (mlflow_home / "mlflow" / "mlartifacts").is_dir(), "beside the database, not where the process happens to be"
    encoder = runs["fold 1 of 1: encoder"]
    assert encoder.data.params["symbols"] == "TREND"
    assert {"selection/quantiles", "score/quantiles", "baseline/quantiles"} <= set(encoder.data.metrics)
    whole = runs["trend"]
    assert whole.data.tags["verdict"] == found.verdict
    assert whole.data.metrics["oos/net_return"] == pytest.approx(found.measures["net_return"])
    assert whole.data.params["config_digest"]
    assert whole.data.params["encoder.window"]
    assert [file.path for file in client.list_artifacts(whole.info.run_id, "oos")] == ["oos/saliency.parquet"]
    (model,) = registered_models(client)
    bundle = ModelBundle.load(out / "bundle")
    assert (model.name, model.digest, model.tags["verdict"]) == ("agv2-TREND-1h", bundle.digest, found.verdict)
    stamps = read_bars(market_files["TREND"]).bars.ts_ns
    assert stamps[0] < bundle.manifest.known_until_ns < stamps[-1], "of the last fold alone"


def test_in_another_process_a_tracker_is_opened_by_its_own_key_and_notes_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_mlflow()
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    tracker = open_tracker(environment(uri), CLOCK, ENCODER_EXPERIMENT)
    assert tracker is not None
    packed, notes = pickle.dumps(tracker), list[str]()
    with tracked_training(pickle.loads(packed), "encoder", {}, notes.append):
        pass
    assert the_run(tracker).info.status == "FINISHED"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with tracked_training(pickle.loads(packed), "encoder", {}, notes.append):
        pass
    (note,) = notes
    assert note == "MLflow is told nothing more of this training: MLFLOW_TRACKING_URI is not set for the worker"


def test_a_policy_is_told_with_every_term_of_its_reward_and_no_point_twice(tmp_path: Path) -> None:
    needs_mlflow()
    tracker = open_tracker(environment(f"sqlite:///{tmp_path / 'mlflow.db'}"), CLOCK, POLICY_EXPERIMENT)
    assert tracker is not None
    curve = [{"step": 256.0 * k, "reward": 0.1 * k, "reward/drawdown": -0.1} for k in range(1, 4)]
    with tracked_training(tracker, "policy of seed 7", {"policy": {"gamma": 0.9}}, print) as tracked:
        assert tracked is not None
        tracked.learning(curve[1:2])
        tracked.learning(curve)  # as after a resume: the first was told by nobody
        tracked.facts({"validation_sharpe_per_bar": 0.2}, 512)
    client = tracker.client
    assert client.get_experiment(tracker.experiment_id).name == POLICY_EXPERIMENT
    (run,) = client.search_runs([tracker.experiment_id])
    assert run.data.params == {"policy.gamma": "0.9"}
    assert sorted(metric.step for metric in client.get_metric_history(run.info.run_id, "reward")) == [256, 512, 768]
    assert {"reward", "reward/drawdown", "validation_sharpe_per_bar"} == set(run.data.metrics)


def test_a_run_whose_server_is_down_begins_nothing(
    market_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_mlflow()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="does not answer"):
        run(RunRequest(bars=(market_files["TREND"],), out=tmp_path / "out", quiet=True))
    assert not (tmp_path / "out").exists()

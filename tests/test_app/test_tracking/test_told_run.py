"""A finished run told to MLflow's real SQLite store: what is there, that it is there once, and that nothing is lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from agv2.app.tracking.registry import registered_models
from agv2.app.tracking.server import RUN_EXPERIMENT, Tracker, open_tracker
from agv2.app.tracking.told_run import tell_finished_run, told_run
from agv2.backtest.provenance import BarsSource, Provenance, write_provenance
from agv2.core.timeframes import Timeframe
from agv2.features.pipeline import feature_columns
from agv2.models.bundle import ModelBundle
from agv2.models.live_reference import LiveReference
from agv2.utils.clock import ReplayClock
from agv2.utils.environment import load_environment
from tests.bundles import bundle_without_networks
from tests.command_line import called
from tests.run_directory import write_run_directory

CLOCK = ReplayClock(1_700_000_000 * 10**9)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run's directory with everything in it but networks."""
    run = write_run_directory(tmp_path / "gold", n_bars=300)
    bundle_without_networks(run / "bundle", feature_columns(Timeframe.parse("1h")), LiveReference())
    (run / "report.html").write_text("<html></html>", encoding="utf-8")
    symbols = json.loads((run / "summary.json").read_text(encoding="utf-8"))["symbols"]
    bars = [BarsSource(symbol, "bars", "ab" * 32, "1h", 300, 0, 300 * 3_600 * 10**9) for symbol in symbols]
    found = Provenance(
        command=("agv2", "run"), bars=bars, config_digest="c" * 64, data_digest="d" * 64, profile="quick", seed=7,
        n_trials=3, trial_ledger="trials", trial_ledger_begun_ns=0, leak_checks=(), edges=(), started_ns=CLOCK.now_ns(),
        finished_ns=CLOCK.now_ns(),
    )  # fmt: skip
    write_provenance(found, run / "provenance.json")
    return run


def the_tracker() -> Tracker:
    tracker = open_tracker(load_environment(), CLOCK, RUN_EXPERIMENT, wanted=True)
    assert tracker is not None
    return tracker


def told(tracker: Tracker, run: Path) -> str | None:
    return tell_finished_run(tracker, run, pytest.fail, quiet=True)


def the_run(tracker: Tracker) -> Any:
    (found,) = tracker.client.search_runs([tracker.experiment_id])
    return found


def test_a_finished_run_is_told_with_settings_measures_folds_files_and_its_bundle(
    mlflow_home: Path, finished: Path
) -> None:
    tracker = the_tracker()
    assert told(tracker, finished) == "1"
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    provenance = json.loads((finished / "provenance.json").read_text(encoding="utf-8"))
    run = the_run(tracker)
    assert (run.info.run_name, run.info.status) == ("gold", "FINISHED")
    params, metrics = run.data.params, run.data.metrics
    assert params["config_digest"] == provenance["config_digest"]
    assert params["code.version"] == provenance["code"]["version"]
    assert (params["seed"], params["profile"]) == (str(summary["seed"]), summary["profile"])
    assert any(name.startswith("risk.") for name in params), "the main settings"
    assert run.data.tags["verdict"] == summary["verdict"]
    assert run.data.tags["symbols"] == ", ".join(summary["symbols"])
    for name, value in summary["oos"].items():
        assert metrics.get(f"oos/{name}") == (None if value is None else pytest.approx(value))
    folds = sorted(finished.glob("folds/*/fold.json"))
    history = tracker.client.get_metric_history(run.info.run_id, "fold/net_return")
    assert {point.step: point.value for point in history} == {
        (fold := json.loads(path.read_text(encoding="utf-8")))["fold"]: pytest.approx(fold["net_return"])
        for path in folds
    }
    kept = {file.path for file in tracker.client.list_artifacts(run.info.run_id)}
    assert {"report.html", "summary.json", "provenance.json", "config", "bundle"} <= kept
    assert ("oos" in kept) == (finished / "oos" / "saliency.parquet").is_file()


def test_the_registered_bundle_is_the_runs_to_the_byte_and_no_pickle(
    mlflow_home: Path, finished: Path, tmp_path: Path
) -> None:
    tracker = the_tracker()
    told(tracker, finished)
    (model,) = registered_models(tracker.client)
    bundle = ModelBundle.load(finished / "bundle")
    assert (model.name, model.digest) == ("agv2-XAUUSD-1h", bundle.digest)
    assert model.source.startswith((mlflow_home / "mlflow" / "mlartifacts").as_uri()), "beside the database"
    copy = tracker.client.download_artifacts(the_run(tracker).info.run_id, "bundle", str(tmp_path))
    assert ModelBundle.load(Path(copy)).digest == bundle.digest
    assert not any(path.suffix in (".pkl", ".pickle") or path.name == "MLmodel" for path in Path(copy).iterdir())


def test_told_twice_nothing_is_there_twice(mlflow_home: Path, finished: Path) -> None:
    tracker = the_tracker()
    assert [told(tracker, finished), told(tracker, finished)] == ["1", "1"]
    run = the_run(tracker)
    steps = [point.step for point in tracker.client.get_metric_history(run.info.run_id, "fold/net_return")]
    assert len(steps) == len(set(steps))
    assert len(registered_models(tracker.client)) == 1


def test_a_run_that_the_server_has_forgotten_is_begun_anew(mlflow_home: Path, finished: Path) -> None:
    tracker = the_tracker()
    told(tracker, finished)
    first = the_run(tracker).info.run_id
    tracker.client.delete_run(first)
    told(tracker, finished)
    assert the_run(tracker).info.run_id != first


@pytest.mark.parametrize("method", ["create_run", "log_batch", "log_artifact", "log_artifacts", "create_model_version"])
def test_a_server_that_dies_costs_the_run_nothing_and_is_told_later(
    method: str, mlflow_home: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, notes = the_tracker(), list[str]()

    def dead(*_: Any, **__: Any) -> None:
        raise ConnectionError("http://me:secret@server went away")

    with monkeypatch.context() as patch:
        patch.setattr(tracker.client, method, dead)
        assert tell_finished_run(tracker, finished, notes.append, quiet=True) is None
    (note,) = notes
    assert "secret" not in note
    assert f"agv2 report {finished} --mlflow" in note
    assert told(tracker, finished) == "1"


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")])
def test_a_run_that_ends_early_says_so_and_goes_on_as_the_same(
    error: type[BaseException], status: str, mlflow_home: Path, finished: Path
) -> None:
    tracker, known = the_tracker(), {"seed": "7"}
    with pytest.raises(error), told_run(tracker, finished, known, pytest.fail):
        raise error
    stopped = the_run(tracker)
    assert stopped.info.status == status
    with told_run(tracker, finished, known, pytest.fail):
        assert the_run(tracker).info.status == "RUNNING"
    assert (the_run(tracker).info.run_id, the_run(tracker).info.status) == (stopped.info.run_id, "FINISHED")


def test_the_report_command_tells_a_run_later(
    mlflow_home: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = called(capsys, "report", finished, "--mlflow")
    assert (said.code, said.out) == (0, f"report: {finished / 'report.html'}\n"), said.err
    assert the_run(the_tracker()).data.tags["profile"]


def test_without_mlflow_the_flag_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    said = called(capsys, "run", "--bars", tmp_path / "none.parquet", "--out", tmp_path / "out", "--mlflow")
    assert said.code == 1
    assert "--mlflow was given but mlflow is not installed: python bootstrap.py install --with mlflow" in said.err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "home").exists()

"""Fixtures: MLflow's own SQLite store, real, made once a session because its tables take seconds.

MLflow and the tracker are imported where they are used: every other test would pay seconds for them.
"""

import os
import shutil
from pathlib import Path

import pytest

__all__ = ["empty_mlflow", "mlflow_home", "own_environment"]


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with MLflow's tables."""
    pytest.importorskip("mlflow", reason="needs mlflow: python bootstrap.py test --with mlflow")
    from agv2.app.tracking.server import open_tracker
    from agv2.utils.clock import ReplayClock
    from agv2.utils.environment import Environment

    home = tmp_path_factory.mktemp("mlflow")
    environment = Environment(_env_file=None, agv2_home=home, mlflow_tracking_uri=None)  # type: ignore[call-arg]  # pydantic-settings' own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        open_tracker(environment, ReplayClock(0), "another", wanted=True)
    return home / "mlflow" / "mlflow.db"


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a tracker sets in the environment is gone after the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.fixture
def mlflow_home(empty_mlflow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_environment: None) -> Path:
    """A project home whose MLflow store is there and empty; no key names another."""
    home = tmp_path / "home"
    (home / "mlflow").mkdir(parents=True)
    shutil.copy(empty_mlflow, home / "mlflow" / "mlflow.db")
    monkeypatch.setenv("AGV2_HOME", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return home

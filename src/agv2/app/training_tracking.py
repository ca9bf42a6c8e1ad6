"""Trainings told to MLflow, where `MLFLOW_TRACKING_URI` names a server or database of it; off otherwise.

What cannot be reached is an error before the first training, and a note after that: no training ends because a server
that watches it does.
"""

import contextlib
import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from agv2.core.errors import ConfigError
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.training_log import Progress, TrainingLook
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment, load_environment
from agv2.utils.logging_config import hide_secrets

__all__ = ["POLICY_EXPERIMENT", "TrackedTraining", "TrainingTracker", "open_tracker", "tracked_training"]

EXPERIMENT = "agv2 encoder"
POLICY_EXPERIMENT = "agv2 policy"
_KEY = "MLFLOW_TRACKING_URI"
_PATIENCE_S = 5
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is for programs
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # seven by default, which are minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class TrainingTracker:
    """An experiment of a tracking server that has answered."""

    client: Any
    """`mlflow.MlflowClient`: untyped, because the package is an extra."""
    experiment_id: str
    clock: Clock

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process: by the key that its own environment has, which may be that of another machine."""
        return _opened_again, (self.experiment_id, self.clock)


class _Away:
    """Stands in for a client that cannot be had; whoever is told nothing notes why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError(self._reason)


@dataclass(slots=True)
class TrackedTraining:
    """One training: its losses look by look, then its scores. After a failure it says nothing more."""

    tracker: TrainingTracker
    tell: Callable[[str], None]
    run_id: str | None = None
    told: set[int] = field(default_factory=set)

    def begin(self, name: str, parameters: Mapping[str, str]) -> None:
        """Make the run and log what is trained."""
        from mlflow.entities import Param

        def make() -> str:
            client = self.tracker.client
            run_id: str = client.create_run(self.tracker.experiment_id, run_name=name).info.run_id
            client.log_batch(run_id, params=[Param(*pair) for pair in parameters.items()])
            return run_id

        self.run_id = self._carefully(make)

    def watching(self, progress: Progress | None) -> Progress:
        """The same progress, with each look told to the server as well."""

        def watched(step: int, steps: int, losses: Mapping[str, float], look: TrainingLook) -> None:
            self._look(look)
            if progress is not None:
                progress(step, steps, losses, look)

        return watched

    def finished(self, pretrained: PretrainedEncoder) -> None:
        """Tell the scores, and looks that were not told yet because an earlier process took them."""
        for look in pretrained.log:
            self._look(look)
        scores = {f"score/{score.head}": score.score for score in pretrained.scores}
        baselines = {f"baseline/{score.head}": score.baseline for score in pretrained.scores}
        steps = {"steps": float(pretrained.steps), "best_step": float(pretrained.best_step)}
        self._log({**scores, **baselines, **steps}, pretrained.best_step)

    def learning(self, curve: Sequence[Mapping[str, float]]) -> None:
        """Tell points of a policy's learning curve, those that were told before excepted."""
        for point in curve:
            if (step := int(point["step"])) not in self.told:
                self.told.add(step)
                self._log({name: value for name, value in point.items() if name != "step"}, step)

    def facts(self, facts: Mapping[str, float], step: int) -> None:
        """Tell what is known of a trained policy."""
        self._log(facts, step)

    def file(self, path: Path) -> None:
        """Keep a file with the run."""
        if self.run_id is not None:
            run_id = self.run_id
            self._carefully(lambda: self.tracker.client.log_artifact(run_id, str(path)))

    def end(self, status: str) -> None:
        """Close the run: `FINISHED`, `FAILED` or `KILLED`."""
        if self.run_id is not None:
            run_id = self.run_id
            self._carefully(lambda: self.tracker.client.set_terminated(run_id, status=status))

    def _look(self, look: TrainingLook) -> None:
        if look.step in self.told:
            return
        self.told.add(look.step)
        losses = {
            f"{part}/{head}": loss
            for part, of in (("train", look.train), ("selection", look.selection))
            for head, loss in of.items()
        }
        self._log({**losses, "learning_rate": look.learning_rate}, look.step)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        if self.run_id is None:
            return
        from mlflow.entities import Metric

        now_ms, run_id = self.tracker.clock.now_ns() // 1_000_000, self.run_id
        metrics = [Metric(name, value, now_ms, step) for name, value in values.items()]
        self._carefully(lambda: self.tracker.client.log_batch(run_id, metrics=metrics))

    def _carefully(self, work: Callable[[], ResultT]) -> ResultT | None:
        try:
            with _quietly():
                return work()
        except Exception as error:  # noqa: BLE001 - whatever a watcher's server or client does, training goes on
            self.run_id = None
            self.tell(f"MLflow is told nothing more of this training: {_reason(error)}")
            return None


@contextlib.contextmanager
def tracked_training(
    tracker: TrainingTracker | None, name: str, parameters: Mapping[str, Any], tell: Callable[[str], None]
) -> Iterator[TrackedTraining | None]:
    """A run of the tracker's experiment for the length of the block, which ends as the block does; None without one.

    Args:
        tracker: from `open_tracker`.
        name: of the run.
        parameters: what is trained; groups of them are told by dotted names.
        tell: told once if the server cannot be told any more.
    """
    if tracker is None:
        yield None
        return
    tracked = TrackedTraining(tracker, tell)
    tracked.begin(name, _flat(parameters))
    ending = "FAILED"
    try:
        yield tracked
        ending = "FINISHED"
    except KeyboardInterrupt:
        ending = "KILLED"
        raise
    finally:
        tracked.end(ending)


def open_tracker(environment: Environment, clock: Clock, experiment: str = EXPERIMENT) -> TrainingTracker | None:
    """The server or database that `MLFLOW_TRACKING_URI` names; None where the key is not set.

    Raises:
        ConfigError: mlflow is not installed, or what the key names does not answer; in one line without secrets.
    """
    uri = environment.mlflow_tracking_uri
    if uri is None:
        return None
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise ConfigError(
            f"{_KEY} is set but mlflow is not installed: python bootstrap.py install --with mlflow, or unset the key"
        ) from None
    try:
        _require_reach(uri)
        with _quietly():
            client = MlflowClient(tracking_uri=uri)
            found = client.get_experiment_by_name(experiment)
            experiment_id = _new_experiment(client, uri, experiment) if found is None else found.experiment_id
    except Exception as error:  # noqa: BLE001 - databases, HTTP and MLflow each have their own
        problem = _reason(error)
    else:
        return TrainingTracker(client, experiment_id, clock)
    # Outside the handler: an exception that hangs on another one drags its inputs into tracebacks.
    raise ConfigError(f"{_KEY}: {problem}; correct it, start the server, or unset the key to train without MLflow")


def _opened_again(experiment_id: str, clock: Clock) -> TrainingTracker:
    uri = load_environment().mlflow_tracking_uri
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    client: Any
    try:
        if uri is None:
            raise ConnectionError(f"{_KEY} is not set for the worker")
        from mlflow import MlflowClient

        _require_reach(uri)
        with _quietly():
            client = MlflowClient(tracking_uri=uri)
    except Exception as error:  # noqa: BLE001 - as in `open_tracker`; no training ends for it
        client = _Away(_reason(error))
    return TrainingTracker(client, experiment_id, clock)


def _new_experiment(client: Any, uri: str, name: str) -> str:
    """Of a database file the files of runs lie beside it, not wherever the process happens to be."""
    scheme, _, file = uri.partition(":///")
    beside = (Path(file).resolve().parent / "mlartifacts").as_uri() if scheme == "sqlite" else None
    experiment_id: str = client.create_experiment(name, artifact_location=beside)
    return experiment_id


def _require_reach(uri: str) -> None:
    """Somebody listens there: MLflow itself would ask a database that is away for minutes."""
    try:
        parts = urlsplit(uri)
        port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    except ValueError:  # whose text would hold what may be a piece of a password
        raise ConnectionError("not an address; write http://HOST:PORT or sqlite:///FILE") from None
    if parts.hostname and port is not None:
        try:
            socket.create_connection((parts.hostname, port), timeout=_PATIENCE_S).close()
        except OSError as error:
            raise ConnectionError(f"{parts.hostname}:{port} does not answer ({error.strerror or error})") from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the logs and warnings of MLflow and what it stands on: they would break a progress bar."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "sqlalchemy", "urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in hide_secrets(str(error)).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat

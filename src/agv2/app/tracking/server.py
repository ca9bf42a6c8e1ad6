"""The MLflow that is told of work: what `MLFLOW_TRACKING_URI` names, else a database under the home; off unless asked.

What cannot be reached is an error before any work, and a note after that: nothing ends because a server that watches it
does.
"""

import contextlib
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agv2.core.errors import ConfigError
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment, load_environment
from agv2.utils.logging_config import hide_secrets

__all__ = ["RUN_EXPERIMENT", "Tracker", "open_tracker", "quietly", "reason_of"]

RUN_EXPERIMENT = "agv2 run"
"""Of whole runs."""

_KEY = "MLFLOW_TRACKING_URI"
_PATIENCE_S = 5
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is for programs
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # seven by default, which are minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


@dataclass(frozen=True, slots=True)
class Tracker:
    """An experiment of a tracking server that has answered."""

    client: Any
    """`mlflow.MlflowClient`: untyped, because the package is an extra."""
    experiment_id: str
    clock: Clock
    local: Path | None = None
    """The database of the home, where no key names another server."""

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process: the same file, or what its own environment names, maybe that of another machine."""
        return _opened_again, (self.experiment_id, self.clock, self.local)


class _Away:
    """Stands in for a client that cannot be had; whoever is told nothing notes why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError(self._reason)


def open_tracker(environment: Environment, clock: Clock, experiment: str, *, wanted: bool = False) -> Tracker | None:
    """The server or database that `MLFLOW_TRACKING_URI` names, or else, if it is wanted, that of the home.

    Args:
        environment: names the server and the home.
        clock: stamps what is told.
        experiment: made where it is new.
        wanted: `--mlflow` was given; without it and without the key there is no tracker.

    Raises:
        ConfigError: mlflow is not installed, or the server does not answer; in one line without secrets.
    """
    uri, local, asked = environment.mlflow_tracking_uri, None, f"{_KEY} is set"
    if uri is None:
        if not wanted:
            return None
        local, asked = environment.home / "mlflow" / "mlflow.db", "--mlflow was given"
        uri = _address(local)
    _set_defaults()
    try:
        from mlflow import MlflowClient
    except ImportError:
        without = "leave it out" if local is not None else "unset the key"
        raise ConfigError(
            f"{asked} but mlflow is not installed: python bootstrap.py install --with mlflow, or {without}"
        ) from None
    try:
        if local is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
        _require_reach(uri)
        with quietly():
            client = MlflowClient(tracking_uri=uri)
            found = client.get_experiment_by_name(experiment)
            experiment_id = _new_experiment(client, uri, experiment) if found is None else found.experiment_id
    except Exception as error:  # noqa: BLE001 - databases, HTTP and MLflow each have their own
        problem = reason_of(error)
    else:
        return Tracker(client, experiment_id, clock, local)
    # Outside the handler: an exception that hangs on another one drags its inputs into tracebacks.
    if local is not None:
        raise ConfigError(f"{local}: {problem}; move it away to begin a new one, or work without --mlflow")
    raise ConfigError(f"{_KEY}: {problem}; correct it, start the server, or unset the key to work without MLflow")


def _opened_again(experiment_id: str, clock: Clock, local: Path | None) -> Tracker:
    uri = load_environment().mlflow_tracking_uri if local is None else _address(local)
    _set_defaults()
    client: Any
    try:
        if uri is None:
            raise ConnectionError(f"{_KEY} is not set for the worker")
        if local is not None and not local.is_file():
            raise ConnectionError(f"{local} is not on the worker's machine")
        from mlflow import MlflowClient

        _require_reach(uri)
        with quietly():
            client = MlflowClient(tracking_uri=uri)
    except Exception as error:  # noqa: BLE001 - as in `open_tracker`; no training ends for it
        client = _Away(reason_of(error))
    return Tracker(client, experiment_id, clock, local)


def _set_defaults() -> None:
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def _address(database: Path) -> str:
    return f"sqlite:///{database.resolve().as_posix()}"


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
def quietly() -> Iterator[None]:
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


def reason_of(error: Exception) -> str:
    """What went wrong, in one line without secrets."""
    lines = [line.strip() for line in hide_secrets(str(error)).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__

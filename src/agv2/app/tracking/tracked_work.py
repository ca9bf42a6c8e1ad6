"""One piece of work as a run of MLflow: told while it goes, closed as it ends, and never in the work's way."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agv2.app.tracking.server import Tracker, quietly, reason_of

__all__ = ["TrackedWork", "dotted"]

_MOST_AT_ONCE = 100
"""Parameters and tags that MLflow takes in one call."""
_LONGEST = 6000
"""Characters of a parameter."""

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class TrackedWork:
    """A run of MLflow. After a failure it says nothing more.

    Attributes:
        tracker: whose experiment the run is of.
        tell: told once if the server cannot be told any more.
        what: the work, as a person calls it.
        run_id: None where there is no run, or no server any more.
    """

    tracker: Tracker
    tell: Callable[[str], None]
    what: str = "work"
    run_id: str | None = None

    def begin(self, name: str, parameters: Mapping[str, str], known: str | None = None) -> None:
        """Make the run and log what is done, or go on with the one that an earlier process made.

        Args:
            name: of the run.
            parameters: what the work depends on.
            known: id of a run made before; where the server has it no longer, a new one is made.
        """

        def make() -> str:
            client = self.tracker.client
            if known is not None and _is_there(client, known):
                client.update_run(known, status="RUNNING")
                return known
            run_id: str = client.create_run(self.tracker.experiment_id, run_name=name).info.run_id
            return run_id

        self.run_id = self.carefully(make)
        self.parameters(parameters)

    def parameters(self, parameters: Mapping[str, str]) -> None:
        """Tell what the work depends on; said again, it must be the same."""
        if self.run_id is None:
            return
        from mlflow.entities import Param

        told = [Param(name, value[:_LONGEST]) for name, value in parameters.items()]
        self._in_parts(told, "params")

    def tags(self, tags: Mapping[str, str]) -> None:
        """Tell what it can be found by."""
        if self.run_id is None:
            return
        from mlflow.entities import RunTag

        self._in_parts([RunTag(name, value) for name, value in tags.items()], "tags")

    def facts(self, facts: Mapping[str, float], step: int, at_ns: int | None = None) -> None:
        """Tell numbers.

        Args:
            facts: by name.
            step: of the work.
            at_ns: when they were found: told again with the same stamp, they are the same; None: now.
        """
        if self.run_id is None:
            return
        from mlflow.entities import Metric

        at_ms = (self.tracker.clock.now_ns() if at_ns is None else at_ns) // 1_000_000
        self._in_parts([Metric(name, value, at_ms, step) for name, value in facts.items()], "metrics")

    def file(self, path: Path, folder: str | None = None) -> None:
        """Keep a file with the run."""
        if (run_id := self.run_id) is not None:
            self.carefully(lambda: self.tracker.client.log_artifact(run_id, str(path), folder))

    def directory(self, path: Path, folder: str) -> None:
        """Keep the files of a directory with the run."""
        if (run_id := self.run_id) is not None:
            self.carefully(lambda: self.tracker.client.log_artifacts(run_id, str(path), folder))

    def end(self, status: str) -> None:
        """Close the run: `FINISHED`, `FAILED` or `KILLED`."""
        if (run_id := self.run_id) is not None:
            self.carefully(lambda: self.tracker.client.set_terminated(run_id, status=status))

    @contextlib.contextmanager
    def lasting(self) -> Iterator[None]:
        """Close the run as the block ends, by whatever it ends."""
        ending = "FAILED"
        try:
            yield
            ending = "FINISHED"
        except KeyboardInterrupt:
            ending = "KILLED"
            raise
        finally:
            self.end(ending)

    def carefully(self, work: Callable[[], ResultT]) -> ResultT | None:
        """What the server answers; None, and silence from then on, where it fails."""
        try:
            with quietly():
                return work()
        except Exception as error:  # noqa: BLE001 - whatever a watcher's server or client does, the work goes on
            self.run_id = None
            self.tell(f"MLflow is told nothing more of this {self.what}: {reason_of(error)}")
            return None

    def _in_parts(self, told: list[Any], kind: str) -> None:
        def tell_parts() -> None:
            for first in range(0, len(told), _MOST_AT_ONCE):
                self.tracker.client.log_batch(self.run_id, **{kind: told[first : first + _MOST_AT_ONCE]})

        self.carefully(tell_parts)


def dotted(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Groups of parameters as one, by dotted names."""
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            flat |= dotted(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat


def _is_there(client: Any, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise

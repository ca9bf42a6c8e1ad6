"""Tasks done by Ray's processes, on this machine or on a cluster: all at once, as far as their inputs allow."""

import contextlib
import pickle
import uuid
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import structlog

from agv2.app.workers.ray_worker import Board, Order, Slot, TaskReport, carry_out, processor, this_program
from agv2.app.workers.tasks import AtWork, Pending, Task, TaskWatcher, filled
from agv2.core.errors import AGV2Error, ConfigError

__all__ = ["RayPool"]

_LOOK_EVERY_S = 0.5
_RETRIES = 3
"""Of a task whose process died, by whatever hand; an error of the task itself is never tried again."""

ResultT = TypeVar("ResultT")


class RayPool:
    """Hands every task to Ray at once; Ray knows which results it waits for and which process is free.

    This process keeps results as they come, whichever is asked for first, and shows how far the others are.
    """

    def __init__(self, ray: Any, shared: object, watcher: TaskWatcher) -> None:
        """Do tasks that read `shared`, shown on `watcher`, by the processes that `ray` is connected to."""
        self._ray = ray
        self._watcher = watcher
        self._name = uuid.uuid4().hex
        self._program = this_program()
        self._processor = processor()
        self._others: set[str] = set()
        self._running: dict[Any, _Remote[Any]] = {}
        # Features hold functions made inside functions, which plain pickle cannot name.
        self._shared = ray.put(ray.cloudpickle.dumps(shared))
        self._board = ray.remote(num_cpus=0, max_restarts=-1)(Board).remote()
        self._carry_out = ray.remote(num_cpus=1, num_returns=2, max_retries=_RETRIES)(carry_out)

    def begin(self, task: Task[ResultT]) -> Pending[ResultT]:
        """Hand the task over."""
        references: list[Any] = []

        def slot(pending: Pending[Any]) -> Any:
            if not isinstance(pending, _Remote):
                return pending.result()
            references.append(pending.value_reference)
            return Slot(len(references) - 1)

        # A script's own functions too, which plain pickle would look for in the worker's.
        order = self._ray.cloudpickle.dumps(
            tuple(Order(task.label, task.work, filled(task.inputs, slot), self._program))
        )
        value, report = self._carry_out.remote(order, self._name, [self._shared], self._board, *references)
        pending = _Remote(self, task, value)
        self._running[report] = pending
        return pending

    def settle(self, wanted: "_Remote[Any]") -> None:
        """Wait until a task is done; keep what else comes in meanwhile.

        Raises:
            AGV2Error: the first that a task raised.
        """
        while not wanted.found:
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_LOOK_EVERY_S)
            for report in ready:
                self._receive(report)
            self._watcher.working(self._at_work())

    def stop(self) -> None:
        """Let no process go on with what nobody waits for any more."""
        with contextlib.suppress(self._ray.exceptions.RayError, ConnectionError):  # gone already
            for pending in self._running.values():
                self._ray.cancel(pending.value_reference, force=True)
            self._ray.kill(self._board)
        self._running.clear()

    def _receive(self, reference: Any) -> None:
        pending = self._running.pop(reference)
        try:
            report = TaskReport(*pickle.loads(self._ray.get(reference)))
            value = pickle.loads(self._ray.get(pending.value_reference))
        except self._ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, AGV2Error):
                raise cause from None
            raise
        except self._ray.exceptions.RayError as error:
            raise _lost(pending.task.label, error) from error
        label = pending.task.label
        for line in report.logged:
            _log_again(line, report.where)
        for note in report.notes:
            self._watcher.note(note)
        if report.processor not in {self._processor, *self._others}:
            self._others.add(report.processor)
            self._watcher.note(
                f"{label}: done on {report.where}, a processor ({report.processor}) other than this one "
                f"({self._processor}); another run may differ in the last bits"
            )
        self._watcher.finished(label, report.seconds)
        pending.task.keep(value)
        pending.found.append(value)

    def _at_work(self) -> Mapping[str, AtWork]:
        try:
            found: dict[str, AtWork] = self._ray.get(self._board.tasks.remote(), timeout=_LOOK_EVERY_S)
        except self._ray.exceptions.RayError:  # being started again: only the display waits for it
            return {}
        mine = {pending.task.label for pending in self._running.values()}
        return {label: AtWork(*state) for label, state in found.items() if label in mine}


class _Remote(Pending[ResultT], Generic[ResultT]):
    """A result that a process of Ray is to make."""

    def __init__(self, pool: RayPool, task: Task[ResultT], value_reference: Any) -> None:
        self._pool, self.task, self.value_reference = pool, task, value_reference
        self.found: list[ResultT] = []

    def result(self) -> ResultT:
        """The result, waited for."""
        if not self.found:
            self._pool.settle(self)
        return self.found[0]


def _lost(label: str, error: Exception) -> ConfigError:
    reason = type(error).__name__.removesuffix("Error")
    return ConfigError(
        f"{label}: the process that did it died {_RETRIES + 1} times ({reason}), most likely for want of memory; "
        "go on where it stopped with fewer --workers"
    )


def _log_again(line: Mapping[str, Any], where: str) -> None:
    fields = {name: value for name, value in line.items() if name not in ("level", "event")}
    log = structlog.get_logger()
    getattr(log, str(line["level"]))(line["event"], **fields, worker=where)

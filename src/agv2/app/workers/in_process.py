"""Tasks done here, one after the other, as their results are asked for."""

from typing import Any, Generic, TypeVar

from agv2.app.workers.tasks import Pending, Task, TaskWatcher, Workplace, filled

__all__ = ["InProcessPool"]

ResultT = TypeVar("ResultT")


class InProcessPool:
    """Does each task in this process when its result is asked for, its inputs before it."""

    def __init__(self, shared: object, watcher: TaskWatcher) -> None:
        """Do tasks that read `shared`, shown on `watcher`."""
        self._place = Workplace(shared, watcher)
        self._watcher = watcher

    def begin(self, task: Task[ResultT]) -> Pending[ResultT]:
        """Remember the task."""
        return _Lazy(task, self._place, self._watcher)


class _Lazy(Pending[ResultT], Generic[ResultT]):
    """A result that is made when somebody asks, and kept."""

    def __init__(self, task: Task[ResultT], place: Workplace[Any], watcher: TaskWatcher) -> None:
        self._task, self._place, self._watcher = task, place, watcher
        self._found: list[ResultT] = []

    def result(self) -> ResultT:
        """The result; the first call does the work."""
        if not self._found:
            inputs = filled(self._task.inputs, lambda pending: pending.result())
            with self._watcher.stage(self._task.label):
                value = self._task.work(self._place, *inputs)
            self._task.keep(value)
            self._found.append(value)
        return self._found[0]

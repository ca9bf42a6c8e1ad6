"""A piece of work that any process may do, and the promise of its result."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

__all__ = ["AtWork", "Known", "Pending", "Task", "TaskPool", "TaskWatcher", "Telling", "Workplace", "filled"]

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)
SharedT = TypeVar("SharedT")


class Telling(Protocol):
    """Whom a task tells how it goes."""

    def update(self, fraction: float, detail: str = "") -> None:
        """Tell how much of the work is done, 0 to 1, and a few words."""

    def note(self, text: str) -> None:
        """Tell what a person must know."""


class Workplace(Generic[SharedT]):
    """What a task finds in the process that does it.

    Attributes:
        shared: what all tasks of a pool read and none changes.
        telling: whom to tell how it goes.
    """

    def __init__(self, shared: SharedT, telling: Telling) -> None:
        """Make the place for all tasks that this process does for one pool."""
        self.shared = shared
        self.telling = telling
        self._last: tuple[str, Any] | None = None

    def once(self, key: str, make: Callable[[], ResultT]) -> ResultT:
        """What `make` gives, kept until another key is asked for: neighbouring tasks often need the same."""
        if self._last is None or self._last[0] != key:
            self._last = None  # its memory goes before that of the next one comes
            self._last = (key, make())
        value: ResultT = self._last[1]
        return value


class Pending(ABC, Generic[ResultT_co]):
    """A result that may not be there yet."""

    @abstractmethod
    def result(self) -> ResultT_co:
        """The result, once it is there.

        Raises:
            AGV2Error: whatever the task raised; or the process that did it died again and again.
        """


@dataclass(frozen=True, slots=True)
class Known(Pending[ResultT]):
    """A result from an earlier process."""

    value: ResultT

    def result(self) -> ResultT:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Task(Generic[ResultT]):
    """A piece of work that depends on its inputs and on nothing else that changes.

    Attributes:
        label: its name, for a person; no other task of the pool has it.
        work: a function of a module, called with a `Workplace` and the inputs.
        inputs: values, results that are pending, or lists of these.
        keep: called with the result in the process that began the task, as soon as it is there.
    """

    label: str
    work: Callable[..., ResultT]
    inputs: tuple[Any, ...]
    keep: Callable[[ResultT], None]


class TaskPool(Protocol):
    """Whoever does tasks."""

    def begin(self, task: Task[ResultT]) -> Pending[ResultT]:
        """Take on a task: it is done at the latest when its result is asked for."""


class AtWork(NamedTuple):
    """How far a task is that another process does."""

    fraction: float
    detail: str
    where: str
    """Which process, for a person."""


class TaskWatcher(Telling, Protocol):
    """The one display of a job, told of tasks wherever they are done."""

    def stage(self, label: str) -> AbstractContextManager[Any]:
        """Show a task while this process does it inside the block."""

    def working(self, tasks: Mapping[str, AtWork]) -> None:
        """Show tasks that other processes do, by their labels."""

    def finished(self, label: str, seconds: float) -> None:
        """Count a task that another process has done in so many seconds."""


def filled(inputs: tuple[Any, ...], value_of: Callable[[Pending[Any]], Any]) -> tuple[Any, ...]:
    """`inputs` of a task with what is pending replaced by its value.

    Args:
        inputs: as in `Task`.
        value_of: what stands in for something pending.
    """

    def one(each: Any) -> Any:
        if isinstance(each, list):
            return [one(inner) for inner in each]
        return value_of(each) if isinstance(each, Pending) else each

    return tuple(one(each) for each in inputs)

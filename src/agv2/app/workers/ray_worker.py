"""The half of the Ray pool that runs in worker processes."""

import os
import pickle
import platform
import socket
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import structlog
import torch

from agv2.app.workers.tasks import AtWork, Workplace
from agv2.backtest.provenance import source_digest
from agv2.core.errors import ConfigError
from agv2.models.threads import torch_threads

__all__ = ["Board", "Order", "Slot", "TaskReport", "carry_out", "processor", "this_program"]

_LIBRARIES = ("lightning", "numba", "numpy", "polars", "ray", "scikit-learn", "scipy", "stable_baselines3", "torch")
_TELL_EVERY_S = 0.5


class Slot(NamedTuple):
    """Stands in an order for a result that Ray hands over beside it."""

    number: int


class Order(NamedTuple):
    """A task as it travels, pickled."""

    label: str
    work: Callable[..., Any]
    inputs: tuple[Any, ...]
    """With a `Slot` for each pending one."""
    program: Mapping[str, str]
    """Versions that the worker must have too."""


class TaskReport(NamedTuple):
    """What a worker says beside a result."""

    seconds: float
    where: str
    processor: str
    notes: tuple[str, ...]
    logged: tuple[dict[str, Any], ...]


class Board:
    """An actor that holds how far each task is, until the display asks."""

    def __init__(self) -> None:
        """Begin empty."""
        self._tasks: dict[str, AtWork] = {}

    def tell(self, label: str, state: AtWork | None) -> None:
        """Remember how far a task is; None: it is over."""
        if state is None:
            self._tasks.pop(label, None)
        else:
            self._tasks[label] = state

    def tasks(self) -> dict[str, AtWork]:
        """How far each task is that somebody works on."""
        return dict(self._tasks)


class _Messenger:
    """Tells the board now and then how far a task is, and gathers notes for its report."""

    def __init__(self, board: Any, label: str) -> None:
        self._board, self._label = board, label
        self._told_at = float("-inf")
        self.notes: list[str] = []

    def update(self, fraction: float, detail: str = "") -> None:
        """Tell the board, twice a second at most."""
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            self._board.tell.remote(self._label, AtWork(min(max(fraction, 0.0), 1.0), detail, _where()))

    def note(self, text: str) -> None:
        """Keep a note for the report."""
        self.notes.append(text)

    def over(self) -> None:
        """Take the task off the board."""
        self._board.tell.remote(self._label, None)


_PLACES: dict[str, Workplace[Any]] = {}
"""Of this process: the place of the pool that it works for, by the pool's name."""


def carry_out(order: bytes, pool: str, shared: list[Any], board: Any, *results: bytes) -> tuple[bytes, bytes]:
    """Do a task in this process.

    Everything travels as pickled bytes: arrays that Ray hands over itself are read-only, and for those numba would
    compile every kernel again.

    Args:
        order: pickled `Order`.
        pool: name of the pool; a process works for one at a time.
        shared: a list of one: the reference to what all its tasks read, pickled.
        board: handle of the `Board`.
        results: pickled values for the slots of the order.

    Returns:
        The value and its `TaskReport`, pickled.

    Raises:
        ConfigError: this machine has other versions than the one that the task comes from.
    """
    label, work, inputs, program = Order(*pickle.loads(order))
    _require_same(program)
    messenger = _Messenger(board, label)
    messenger.update(0.0)
    place = _place(pool, shared)
    place.telling = messenger
    began = time.perf_counter()
    try:
        with torch_threads(1), _gathered_log() as logged:
            value = work(place, *(_with(each, results) for each in inputs))
    finally:
        messenger.over()
    report = TaskReport(time.perf_counter() - began, _where(), processor(), tuple(messenger.notes), tuple(logged))
    return pickle.dumps(value), pickle.dumps(report)


def this_program() -> dict[str, str]:
    """What has to be equal on all machines for equal results: AGV2's sources, Python, and libraries that compute."""
    found = {"AGV2 (sources)": source_digest()[:12], "Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def processor() -> str:
    """The kind of processor, as far as it decides the order in which torch adds."""
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def _require_same(program: Mapping[str, str]) -> None:
    here = this_program()
    other = [
        f"{name} {here.get(name, 'none')} instead of {wanted}"
        for name, wanted in program.items()
        if here.get(name) != wanted
    ]
    if other:
        raise ConfigError(
            f"worker {_where()} has {', '.join(other)}; install what this machine has on every machine of the cluster"
        )


def _place(pool: str, shared: list[Any]) -> Workplace[Any]:
    if pool not in _PLACES:
        import ray  # an extra: this module is read without it

        _PLACES.clear()
        _PLACES[pool] = Workplace(pickle.loads(ray.get(shared[0])), _Messenger(None, ""))
    return _PLACES[pool]


def _with(given: Any, results: tuple[bytes, ...]) -> Any:
    if isinstance(given, list):
        return [_with(each, results) for each in given]
    return pickle.loads(results[given.number]) if isinstance(given, Slot) else given


@contextmanager
def _gathered_log() -> Iterator[list[dict[str, Any]]]:
    """What the block logs, gathered instead of written: the log of the job is where the job was started."""
    lines: list[dict[str, Any]] = []

    def gather(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        lines.append({"level": method, **event})
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, gather],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        cache_logger_on_first_use=False,
    )
    try:
        yield lines
    finally:
        structlog.configure(**before)


def _where() -> str:
    return f"{socket.gethostname()} (process {os.getpid()})"

"""`--workers` read, and the pool that it asks for."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agv2.app.workers.in_process import InProcessPool
from agv2.app.workers.tasks import TaskPool, TaskWatcher
from agv2.core.errors import ConfigError

__all__ = ["Workers", "parse_workers", "task_pool"]

_FORMS = "write local, local:N with N processes, or ray://HOST:PORT of a cluster"


@dataclass(frozen=True, slots=True)
class Workers:
    """Where tasks are done, other than in this process."""

    text: str
    """As it was asked for."""
    address: str | None
    """Of a cluster; None: processes on this machine."""
    n_local: int
    """How many of these."""


def parse_workers(text: str | None) -> Workers | None:
    """What `--workers` asks for; None: everything is done in this process.

    >>> parse_workers("local:3").n_local
    3

    Raises:
        ConfigError: it is nothing of the kind.
    """
    if text is None:
        return None
    if text == "local":
        return Workers(text, None, _processors())
    if (found := re.fullmatch(r"local:(\d+)", text)) and int(found[1]) > 0:
        return Workers(text, None, int(found[1]))
    if (found := re.fullmatch(r"ray://[^\s/:@]+:(\d+)", text)) and 0 < int(found[1]) < 65536:
        return Workers(text, text, 0)
    raise ConfigError(f"--workers {text!r} is not understood; {_FORMS}")


@contextmanager
def task_pool(workers: Workers | None, shared: object, watcher: TaskWatcher) -> Iterator[TaskPool]:
    """Whoever does the tasks of the block; when it is left, by whatever way, nobody works on them any more.

    Args:
        workers: None: this process.
        shared: what all tasks read; it must survive being pickled.
        watcher: the display.

    Raises:
        ConfigError: Ray is not installed, does not start or does not answer.
    """
    if workers is None:
        yield InProcessPool(shared, watcher)
        return
    from agv2.app.workers.ray_pool import RayPool
    from agv2.app.workers.ray_session import ray_session

    with ray_session(workers.address, workers.n_local) as ray:
        pool = RayPool(ray, shared, watcher)
        try:
            yield pool
        finally:
            pool.stop()


def _processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

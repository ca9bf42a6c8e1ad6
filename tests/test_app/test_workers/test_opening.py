"""`--workers` as it is typed, and the pool of one process."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from agv2.app.workers.opening import Workers, parse_workers, task_pool
from agv2.app.workers.tasks import AtWork, Task
from agv2.core.errors import ConfigError
from tests.test_app.test_workers import pool_tasks


class Watcher:
    def __init__(self) -> None:
        self.stages: list[str] = []

    def update(self, fraction: float, detail: str = "") -> None: ...

    def note(self, text: str) -> None: ...

    @contextlib.contextmanager
    def stage(self, label: str) -> Iterator[None]:
        self.stages.append(label)
        yield

    def working(self, tasks: Mapping[str, AtWork]) -> None: ...

    def finished(self, label: str, seconds: float) -> None: ...


def test_forms_that_are_understood() -> None:
    assert parse_workers(None) is None
    assert parse_workers("local:3") == Workers("local:3", None, 3)
    assert parse_workers("ray://10.0.0.1:10001") == Workers("ray://10.0.0.1:10001", "ray://10.0.0.1:10001", 0)
    local = parse_workers("local")
    assert local is not None
    assert local.n_local >= 1


@pytest.mark.parametrize(
    "text", ["", "2", "local:", "local:0", "local:-1", "ray://", "ray://head", "ray://a:0", "http://a:1"]
)
def test_anything_else_is_refused_in_one_line_with_the_forms(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not understood; write local, local:N .* or ray://HOST:PORT"):
        parse_workers(text)


def test_without_workers_tasks_are_done_here_in_the_order_in_which_results_are_asked_for() -> None:
    watcher, kept = Watcher(), list[int]()
    with task_pool(None, 100, watcher) as pool:
        first = pool.begin(Task("first", pool_tasks.summed, ([1], 1), kept.append))
        second = pool.begin(Task("second", pool_tasks.summed, ([first], 0), kept.append))
        third = pool.begin(Task("third", pool_tasks.summed, ([], 0), kept.append))
        assert third.result() == 100
        assert second.result() == second.result() == 202
    assert watcher.stages == ["third", "first", "second"]
    assert kept == [100, 102, 202]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("sys.modules['ray'] = None", "Ray, which is not installed: python bootstrap.py install --with ray"),
        (
            "sys.modules['ray'] = types.SimpleNamespace(is_initialized=lambda: False)",
            "this process imported Ray before",
        ),
    ],
)
def test_a_process_that_cannot_start_ray_safely_says_what_to_do(before: str, words: str) -> None:
    program = f"""
import sys, types
{before}
from agv2.app.workers.ray_session import ray_session
try:
    ray_session(None, 1).__enter__()
except Exception as error:
    sys.stdout.write(f"{{type(error).__name__}}: {{error}}")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ConfigError: --workers")
    assert words in done.stdout

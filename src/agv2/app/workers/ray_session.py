"""Ray started on this machine for the length of a job, or a cluster that somebody has started.

On this machine every port is on the loopback interface, nothing is reported to anybody, there is no dashboard, and what
Ray writes is removed when the job is over.
"""

import contextlib
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agv2.core.errors import ConfigError

__all__ = ["loopback_environment", "ray_session"]

_ATTEMPTS = 2
_EVERYWHERE = {"RAY_USAGE_STATS_ENABLED": "0"}
_HERE = {
    # Ray's own switch for a single machine: it then listens on 127.0.0.1 and nowhere else.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Other users of this machine reach the loopback interface too: they would need the token in this one's home.
    "RAY_AUTH_MODE": "token",
}
_SLOW_IMPORT = "rfc3987_syntax"
"""Optional to jsonschema, which Ray imports: where it is installed (JupyterLab brings it), it compiles a grammar for
seconds, in each of Ray's processes."""

_IMPORTED_FOR_HERE: list[bool] = []
"""Not empty once this process has imported Ray with the settings for a single machine."""


@contextlib.contextmanager
def ray_session(address: str | None, n_workers: int) -> Iterator[Any]:
    """The module `ray`, connected; as it was after the block.

    Args:
        address: `ray://HOST:PORT` of a cluster; None: one is started on this machine. A process that is connected to
            one already stays with that.
        n_workers: processes, where it is started here.

    Raises:
        ConfigError: Ray is not installed, does not start, or nobody answers at the address.
    """
    local = address is None
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(loopback_environment()) if local else None
        stack.enter_context(_environment(_EVERYWHERE))
        ray = _imported(local)
        # Standard output is for results, and Ray tells there of workers that died.
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        if not ray.is_initialized():
            stack.callback(ray.shutdown)
            if local:
                _start(ray, n_workers, scratch)
            else:
                _connect(ray, str(address))
        yield ray


@contextlib.contextmanager
def loopback_environment() -> Iterator[Path]:
    """What processes of Ray that are started in the block, or import it, must find; a directory for what they write."""
    with contextlib.ExitStack() as stack:
        # Names of sockets may have a hundred characters and no more, so not where TMPDIR says.
        scratch = Path(tempfile.mkdtemp(prefix="agv2-ray-", dir="/tmp" if os.name == "posix" else None))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        shadow = scratch / "shadow"
        shadow.mkdir()
        (shadow / f"{_SLOW_IMPORT}.py").write_text("raise ImportError\n", encoding="utf-8")
        path = os.pathsep.join(filter(None, (str(shadow), os.environ.get("PYTHONPATH"))))
        stack.enter_context(_environment({**_EVERYWHERE, **_HERE, "PYTHONPATH": path}))
        yield scratch


def _imported(local: bool) -> Any:
    """Ray, which reads some of the variables when it is imported, and never again."""
    found: Any = sys.modules.get("ray")
    if found is not None:
        if local and not found.is_initialized() and not _IMPORTED_FOR_HERE:
            raise ConfigError(
                "--workers local: this process imported Ray before, which would open ports to other machines; start "
                "in a new process, or connect Ray yourself first"
            )
        return found
    absent = _SLOW_IMPORT not in sys.modules
    if absent:
        sys.modules[_SLOW_IMPORT] = None  # type: ignore[assignment]  # Python's own way to say that there is none
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--workers needs Ray, which is not installed: python bootstrap.py install --with ray, or leave it out"
        ) from None
    finally:
        if absent:
            del sys.modules[_SLOW_IMPORT]
    if local:
        _IMPORTED_FOR_HERE.append(True)
    return ray


def _start(ray: Any, n_workers: int, scratch: Path | None) -> None:
    problem = ""
    for _ in range(_ATTEMPTS):  # on a machine that is very busy its processes give up on each other
        try:
            with _without_advice():
                ray.init(
                    num_cpus=n_workers, include_dashboard=False, log_to_driver=False, configure_logging=False,
                    logging_level=logging.ERROR, _temp_dir=str(scratch),
                )  # fmt: skip
            return
        except Exception as error:  # noqa: BLE001 - Ray raises bare exceptions here
            problem = _first_line(error)
            ray.shutdown()
    raise ConfigError(f"--workers: Ray did not start on this machine ({problem}); try again, or leave --workers out")


def _connect(ray: Any, address: str) -> None:
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            with _without_advice():
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
            return
        except Exception as error:  # noqa: BLE001 - likewise
            problem = _first_line(error)
            ray.shutdown()
            if "timeout" in problem:  # nobody is there, which took half a minute to find out
                break
    raise ConfigError(
        f"--workers {address}: no cluster can be used there ({problem}); docs/scaling.md says how to start one"
    )


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Without Ray's warnings of what later versions will do: no user of AGV2 can act on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".:") if lines else type(error).__name__


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """These variables for the block, for the processes that are started in it."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

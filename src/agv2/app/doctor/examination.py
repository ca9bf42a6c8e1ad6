"""All checks, in order: quick ones one by one, slow ones side by side, each with its limit."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from agv2.app.doctor import connections, environment_keys, folders, libraries, machine
from agv2.app.doctor.finding import Check, Finding, Status
from agv2.app.doctor.secrets import secrets_of, without_secrets
from agv2.core.errors import AGV2Error
from agv2.utils.clock import Clock
from agv2.utils.config import load_config
from agv2.utils.environment import Environment

__all__ = ["Examined", "examine", "run_checks"]

_BROKEN = "mend what failed above it first; else `python bootstrap.py install` installs everything again"
_MOST_SKEW_S = 5.0
"""Where `guards.yaml` itself is broken."""

Report = Callable[[Sequence[Check]], None]


@dataclass(frozen=True, slots=True)
class Examined:
    """A check and what it found."""

    group: str
    name: str
    finding: Finding
    seconds: float


def examine(
    config: Path | None, directory: Path, clock: Clock, rng: np.random.Generator, waiting: Report
) -> list[Examined]:
    """Look at the machine, the settings and the connections that are configured.

    Args:
        config: of `--config`.
        directory: holds `.env`.
        clock: this machine's.
        rng: spreads retries.
        waiting: is told which checks are being waited for, whenever that changes.
    """
    environment, problem = environment_keys.read_environment(directory)
    checks = [
        *_machine_checks(environment, clock),
        *_settings_checks(config),
        Check("environment", ".env", partial(environment_keys.check_env_file, directory)),
        Check("environment", "keys", partial(environment_keys.check_environment, environment, problem)),
        *_connection_checks(environment, config, clock, rng),
    ]
    # Libraries come last and alone: loading them takes every processor, and a server would seem slow beside it.
    found = [*run_checks(checks, waiting), *run_checks(_library_checks(), waiting)]
    secrets = secrets_of(environment)
    return [
        replace(
            each,
            finding=replace(
                each.finding,
                detail=without_secrets(each.finding.detail, secrets),
                remedy=without_secrets(each.finding.remedy, secrets),
            ),
        )
        for each in found
    ]


def run_checks(checks: Sequence[Check], waiting: Report) -> list[Examined]:
    """Run every check; one that raises or passes its limit has failed. In the order given.

    Args:
        checks: those with a limit run side by side in threads that are left behind when it has passed.
        waiting: is told which are being waited for.
    """
    found = {index: _examined(check) for index, check in enumerate(checks) if check.limit_s is None}
    answers: queue.SimpleQueue[tuple[int, Examined]] = queue.SimpleQueue()
    slow = {index: check for index, check in enumerate(checks) if check.limit_s is not None}
    started = time.monotonic()
    for index, check in slow.items():
        # Daemons: a name server that never answers must not keep the process.
        threading.Thread(target=_answer, args=(index, check, answers), daemon=True).start()
    while slow:
        waiting(list(slow.values()))
        first_end = started + min(check.limit_s or 0.0 for check in slow.values())
        try:
            index, examined = answers.get(timeout=max(first_end - time.monotonic(), 0.0))
        except queue.Empty:
            index, check = min(slow.items(), key=lambda item: item[1].limit_s or 0.0)
            detail = f"no answer within {check.limit_s:g} s"
            remedy = "see whether it, or the way to it, hangs; try again"
            examined = Examined(check.group, check.name, Finding(Status.FAILED, detail, remedy), check.limit_s or 0.0)
        if slow.pop(index, None) is not None:  # else it came after its limit
            found[index] = examined
    return [found[index] for index in range(len(checks))]


def _answer(index: int, check: Check, answers: "queue.SimpleQueue[tuple[int, Examined]]") -> None:
    answers.put((index, _examined(check)))


def _examined(check: Check) -> Examined:
    started = time.monotonic()
    try:
        finding = check.run()
    except Exception as error:  # noqa: BLE001 - whatever is broken is a finding; the other checks go on
        finding = Finding(Status.FAILED, f"{type(error).__name__}: {error}", _BROKEN)
    return Examined(check.group, check.name, finding, time.monotonic() - started)


def _machine_checks(environment: Environment | None, clock: Clock) -> list[Check]:
    group = "machine"
    checks = [
        Check(group, "Python", machine.check_python),
        Check(group, "processors", machine.check_processors),
        Check(group, "memory", machine.check_memory),
        Check(group, "clock", partial(machine.check_clock, clock)),
    ]
    if environment is not None:
        caches = environment.feature_cache_bytes + environment.embedding_cache_bytes
        checks += [
            Check(group, "disk", partial(machine.check_disk, environment.home, caches)),
            Check(group, "home", partial(folders.check_writable, environment.home, "AGV2_HOME")),
        ]
    kernels = folders.kernel_cache_folder()
    return [*checks, Check(group, "kernel cache", partial(folders.check_writable, kernels, "AGV2_KERNEL_CACHE"))]


def _library_checks() -> list[Check]:
    group, limit_s = "libraries", libraries.LIBRARY_LIMIT_S + 5.0  # to end what does not end by itself
    return [
        Check(group, "torch", libraries.check_torch, limit_s),
        Check(group, "numba", libraries.check_numba, limit_s),
        Check(group, "ONNX Runtime", libraries.check_onnxruntime, limit_s),
    ]


def _settings_checks(config: Path | None) -> list[Check]:
    def shipped() -> Finding:
        from agv2.app.doctor.settings_files import check_shipped_settings

        return check_shipped_settings()

    def own(path: Path) -> Finding:
        from agv2.app.doctor.settings_files import check_settings_file

        return check_settings_file(path)

    def unusable() -> Finding:
        return Finding(Status.FAILED, f"--config {config}: holds no settings file", "`agv2 init` writes them all")

    checks = [Check("settings", "as shipped", shipped)]
    if config is None:
        return checks
    paths = [config]
    if config.is_dir():
        paths = sorted(path for path in config.iterdir() if path.suffix in (".yaml", ".yml"))
    checks += [Check("settings", path.name, partial(own, path)) for path in paths]
    return checks if paths else [*checks, Check("settings", str(config), unusable)]


def _connection_checks(
    environment: Environment | None, config: Path | None, clock: Clock, rng: np.random.Generator
) -> list[Check]:
    if environment is None:
        finding = Finding(Status.WARNING, "home and servers are not checked", "correct the environment first")
        return [Check("connections", "all", lambda: finding)]
    group, limit_s = "connections", connections.CONNECTION_LIMIT_S
    venue = partial(connections.check_venue, environment, clock, rng, _most_skew_s(config))
    return [
        Check(group, "PostgreSQL", partial(connections.check_postgres, environment), limit_s),
        Check(group, "Redis", partial(connections.check_redis, environment), limit_s),
        Check(group, "MLflow", partial(connections.check_mlflow, environment), limit_s),
        Check(group, "OTLP endpoint", partial(connections.check_telemetry, environment), limit_s),
        Check(group, "TradeLocker", venue, connections.VENUE_LIMIT_S),
    ]


def _most_skew_s(config: Path | None) -> float:
    try:
        from agv2.deploy.guards_config import GuardsConfig

        return load_config(GuardsConfig, "guards", config).clock.most_skew_s
    except (AGV2Error, ImportError):  # said by the check of that file
        return _MOST_SKEW_S

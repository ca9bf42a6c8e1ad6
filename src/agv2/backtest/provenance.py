"""`provenance.json`: everything needed to repeat a run, and to trust that it was this one."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.leakcheck_report import PassedCheck
from agv2.risk.kelly import EdgeEstimate

__all__ = ["BarsSource", "Provenance", "source_digest", "write_provenance"]

SCHEMA = 1
_LIBRARIES = (
    "gymnasium", "lightning", "numba", "numpy", "onnx", "onnxruntime", "polars", "ruptures", "scipy",
    "stable_baselines3", "torch",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BarsSource:
    """A bar file as it was read."""

    symbol: str
    path: str
    sha256: str
    timeframe: str
    n_bars: int
    first_ts_ns: int
    last_ts_ns: int
    accepted_defects: Sequence[str] = ()
    """Errors of the file that the user chose to run on, one sentence each."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Inputs, settings, code and machine of a run; the one file of a run that knows paths and times of day."""

    command: Sequence[str]
    bars: Sequence[BarsSource]
    config_digest: str
    data_digest: str
    profile: str
    seed: int
    n_trials: int
    """Counted when the run started, this one included."""
    trial_ledger: str
    trial_ledger_begun_ns: int
    """No trial before that can be in it."""
    leak_checks: Sequence[PassedCheck]
    """Passed before the run began, one a symbol."""
    edges: Sequence[EdgeEstimate]
    """What each fold's size rests on; none where the Kelly cap is off."""
    started_ns: int
    finished_ns: int

    def as_json(self) -> dict[str, Any]:
        """The document: the fields, stamps as ISO 8601 UTC, and what this process runs on."""
        document = asdict(self)
        for source in document["bars"]:
            source["first_ts"], source["last_ts"] = _iso(source.pop("first_ts_ns")), _iso(source.pop("last_ts_ns"))
        for name in ("started", "finished", "trial_ledger_begun"):
            document[name] = _iso(document.pop(f"{name}_ns"))
        document["command"] = list(self.command)
        return {"schema": SCHEMA, **document, "code": _code(), "machine": _machine(), "libraries": _libraries()}


def write_provenance(provenance: Provenance, path: pathlib.Path) -> None:
    """Write `provenance` to `path`, whole or not at all."""
    write_atomically(path, json.dumps(provenance.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def source_digest() -> str:
    """SHA-256 of AGV2's own sources: the same digest is the same program."""
    package = pathlib.Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _iso(ts_ns: int) -> str:
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=ts_ns // 1000)
    return moment.isoformat()


def _code() -> dict[str, Any]:
    """Version and, in a checkout of ours, the commit and whether files differ from it."""
    root = pathlib.Path(__file__).resolve().parents[3]
    commit = changed = None
    if (root / ".git").exists() and (root / "pyproject.toml").exists():
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {
        "version": _version("agv2"),
        "sources": source_digest(),
        "commit": commit,
        "modified": None if changed is None else bool(changed),
    }


def _git(root: pathlib.Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def _libraries() -> dict[str, str | None]:
    return {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

"""What every test shares: one thread a process, and no quiet skips where they are forbidden."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

pytest_plugins = [
    "pytester",
    "tests.browsers",
    "tests.clock_tellers",
    "tests.mlflow_stores",
    "tests.receivers",
    "tests.redis_server",
    "tests.servers",
    "tests.untrained_bundles",
    "tests.whole_runs",
]

# Before any test loads numpy or torch: the suite runs a process a core, and spinning thread pools stall each other.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def _forbid_skip(report: Any) -> Any:
    """Where every optional tool is meant to be installed, a skipped test is a test that did not run."""
    if os.environ.get("AGV2_FORBID_SKIPS") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"AGV2_FORBID_SKIPS=1, yet {report.nodeid} was skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _forbid_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _forbid_skip((yield))


_LONGEST = {
    "test_readme.py", "test_run.py", "test_leakcheck.py", "test_notebooks.py", "test_training.py",
    "test_page_commands.py",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes go first: at the end one process would be busy with them, the other idle."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


def _own_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AGV2_")}


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """No test changes what the next one starts with: the log's stream and our settings in the environment."""
    before = structlog.get_config(), _own_settings()
    yield
    structlog.configure(**before[0])
    assert _own_settings() == before[1], "a test left settings behind"


@pytest.fixture(scope="session")
def real_bars() -> Path:
    """Directory of real bars to hold ours against, for slow tests alone: they are nobody's to ship."""
    if not (directory := os.environ.get("AGV2_REAL_BARS")):
        pytest.skip("AGV2_REAL_BARS names no directory of real bars")
    return Path(directory)

"""Tasks in Ray's processes: started once for this file, because that takes seconds."""

import contextlib
import importlib.util
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from agv2.app.fold_walk import stages_of, walk
from agv2.app.progress import RunProgress
from agv2.app.run_plan import RunPlan, RunRequest, make_plan
from agv2.app.run_store import RunStore
from agv2.app.tuning.trial import TrialTask
from agv2.app.workers import ray_pool
from agv2.app.workers.in_process import InProcessPool
from agv2.app.workers.opening import Workers, task_pool
from agv2.app.workers.ray_session import ray_session
from agv2.app.workers.tasks import AtWork, Known, Task, TaskPool
from agv2.backtest.trial_ledger import TrialLedger
from agv2.core.errors import ConfigError, DataError
from agv2.data.bars_file import write_bars
from agv2.data.synthetic import synthetic_bars
from agv2.models.threads import torch_threads
from agv2.utils.config import parse_override
from tests.studies import FoldFormula, Watched, studied
from tests.test_app.test_workers import pool_tasks

if importlib.util.find_spec("ray") is None:  # not imported: that has to happen in a session's own settings
    pytest.skip("Ray is not installed: python bootstrap.py test --with ray", allow_module_level=True)
TWO = Workers("local:2", None, 2)


class Watcher:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done: list[str] = []
        self.seen: dict[str, AtWork] = {}

    def update(self, fraction: float, detail: str = "") -> None:
        raise AssertionError("nothing is done in this process")

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stage(self, label: str) -> contextlib.AbstractContextManager[Any]:
        raise AssertionError("nothing is done in this process")

    def working(self, tasks: Mapping[str, AtWork]) -> None:
        self.seen.update(tasks)

    def finished(self, label: str, seconds: float) -> None:
        assert seconds >= 0.0
        self.done.append(label)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with ray_session(None, 2) as module:
        yield module


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def pool(ray: Any, watcher: Watcher) -> Iterator[TaskPool]:
    with task_pool(TWO, 100, watcher) as found:
        yield found


def ignore(_: object) -> None:
    pass


def test_ray_listens_on_the_loopback_interface_alone_and_tells_nobody(ray: Any) -> None:
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    (node,) = ray.nodes()
    assert node["NodeManagerAddress"] == "127.0.0.1"
    listening = listening_addresses(processes_below(os.getpid()))
    assert listening, "Ray's processes talk to each other"
    assert {address for address in listening if not address.startswith("127.")} == set()
    assert ray._private.worker._global_node.webui_url in ("", None)


def test_results_of_tasks_are_inputs_of_others_and_kept_as_they_come(pool: TaskPool, watcher: Watcher) -> None:
    kept: list[int] = []
    first = pool.begin(Task("one", pool_tasks.summed, ([1, 2], 3), kept.append))
    second = pool.begin(Task("two", pool_tasks.summed, ([first, Known(5)], first), kept.append))
    assert second.result() == 100 + (106 + 5) + 106
    assert first.result() == 106
    assert kept == [106, 317]
    assert watcher.done == ["one", "two"]


def test_notes_and_log_lines_of_a_worker_arrive_here_and_it_has_one_thread(pool: TaskPool, watcher: Watcher) -> None:
    with structlog.testing.capture_logs() as lines:
        assert pool.begin(Task("telling", pool_tasks.told, ("gold",), ignore)).result() == 1
    assert watcher.notes == ["gold"]
    (line,) = lines
    assert (line["event"], line["what"], line["log_level"]) == ("something seen", "gold", "warning")
    assert "process" in line["worker"]


def test_an_error_of_a_task_is_raised_here_as_it_is(pool: TaskPool) -> None:
    pending = pool.begin(Task("failing", pool_tasks.failing, (), ignore))
    follower = pool.begin(Task("after it", pool_tasks.summed, ([pending], 1), ignore))
    with pytest.raises(DataError, match=r"^bars\.parquet: row 7: no such price; correct it$"):
        follower.result()


def test_a_killed_worker_costs_its_task_only(pool: TaskPool, tmp_path: Path) -> None:
    others = [pool.begin(Task(f"other {number}", pool_tasks.summed, ([], number), ignore)) for number in range(3)]
    killed = pool.begin(Task("killed", pool_tasks.killed_once, (tmp_path / "mark",), ignore))
    assert killed.result() == 2
    assert [each.result() for each in others] == [100, 101, 102]


def test_a_task_that_kills_its_worker_again_and_again_is_an_error_with_a_remedy(
    ray: Any, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_pool, "_RETRIES", 0)
    with task_pool(TWO, 100, watcher) as pool:
        pending = pool.begin(Task("deadly", pool_tasks.killed_always, (), ignore))
        with pytest.raises(
            ConfigError,
            match=r"^deadly: the process that did it died 1 times.*go on where it stopped with fewer --workers",
        ):
            pending.result()


def test_workers_stop_when_the_block_is_left_by_an_interrupt(ray: Any, watcher: Watcher, tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    def interrupted() -> None:
        with task_pool(TWO, 0, watcher) as pool:
            pool.begin(Task("endless", pool_tasks.endless, (mark,), ignore))
            until(mark.exists)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    process = int(mark.read_text())
    until(lambda: not Path(f"/proc/{process}").exists())


class _Killer(RunProgress):
    """Kills the first process that is seen to train a policy."""

    killed: str | None = None

    def working(self, tasks: Mapping[str, AtWork]) -> None:
        super().working(tasks)
        for label, state in tasks.items():
            if self.killed is None and ": policy" in label:
                self.killed = label
                os.kill(int(state.where.rpartition(" ")[2].rstrip(")")), signal.SIGKILL)


@pytest.mark.slow  # three processes that import all of training; tests of studies hold the order of trials every day
@pytest.mark.timeout(900)
def test_a_study_by_workers_of_whom_one_is_killed_is_that_of_one_process(
    ray: Any,
    postgres_url: str,
    market_files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    mark = tmp_path / "mark"

    def killed_once(task: TrialTask, fold: int) -> None:
        if fold == 2 and not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)

    def tried(formula: FoldFormula, home: str, workers: Workers | None) -> tuple[Any, ...]:
        options = {"n_trials": 5, "workers": workers, "storage": postgres_url, "study": home}
        watched = Watched()
        plan, report = studied(monkeypatch, market_files["TREND"], tmp_path / home, formula, watched, **options)
        assert watched.ended_trials == list(range(5))
        assert TrialLedger.open().count_on(plan.data_hash) == len(report.distinct)
        return tuple((one.number, one.state, one.score, one.fold_scores, one.parameters) for one in report.trials)

    by_workers = tried(FoldFormula(killed_once), "workers", TWO)
    assert int(mark.read_text()) != os.getpid(), "a worker was killed"
    assert by_workers == tried(FoldFormula(), "alone", None)
    assert len({trial[2] for trial in by_workers}) == 5


@pytest.mark.slow  # three processes that train on two busy cores: over a minute, and once in CI it did not pass
@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (2, 2)])
def test_folds_walked_by_workers_of_whom_one_is_killed_are_bit_for_bit_those_of_one_process(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folds: int, seeds: int
) -> None:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    write_bars(synthetic_bars("trend", 3_200, 7, symbol="TREND"), tmp_path / "TREND_1h.parquet")
    settings = (
        "encoder.window=64", "backtest.first_train_frac=0.9", "risk.profile=conservative",
        "backtest.profiles.smoke.policy_steps=2048", f"backtest.profiles.smoke.folds={folds}",
        f"backtest.profiles.smoke.seeds={seeds}",
    )  # fmt: skip
    overrides = tuple(parse_override(text) for text in settings)
    bars = (tmp_path / "TREND_1h.parquet",)
    plan = make_plan(RunRequest(bars=bars, out=tmp_path, profile="smoke", overrides=overrides, quiet=True))
    alone = folds_of(plan, tmp_path / "alone", None, RunProgress(stages_of(plan), quiet=True))
    killer = _Killer(stages_of(plan), quiet=True)
    spread = folds_of(plan, tmp_path / "spread", TWO, killer)
    assert killer.killed is not None
    stages = ["encoder.npz", f"policy_{seeds - 1}.npz", "edge.json", "oos/equity.parquet"]
    stages += ["block_1/encoder.npz", "cross_fitted.json"] if folds == 2 else []  # the second has bars enough
    assert {f"{folds}/{name}" for name in stages} <= set(alone)
    assert spread.keys() == alone.keys()
    assert [name for name in alone if spread[name] != alone[name]] == []


def folds_of(plan: RunPlan, out: Path, workers: Workers | None, progress: RunProgress) -> dict[str, bytes]:
    """Files that a walk leaves."""
    store = RunStore(out)
    store.open_state({}, {})
    with torch_threads(1), progress, task_pool(workers, plan, progress) as pool:
        assert isinstance(pool, InProcessPool) == (workers is None)
        walk(plan, store, pool, progress)
    assert set(store.seconds()) == {stage.label for stage in stages_of(plan)} - {"evidence", "bundle", "report"}
    files = [path for path in (out / "folds").rglob("*") if path.is_file() and path.name not in ("state.json", ".name")]
    return {path.relative_to(out / "folds").as_posix(): path.read_bytes() for path in files}


def until(true: Any, patience_s: float = 30.0) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < patience_s
        time.sleep(0.05)


def processes_below(root: int) -> set[int]:
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found, size = {root}, 0
    while size != len(found):
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


def listening_addresses(processes: set[int]) -> set[str]:
    """Addresses on which any of these processes accepts TCP connections."""
    sockets = set()
    for process in processes:
        with contextlib.suppress(OSError):
            for handle in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    sockets.add(os.readlink(handle))
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[place] for place in (1, 3, 9))
            if state == "0A" and f"socket:[{inode}]" in sockets:
                words = bytes.fromhex(local.partition(":")[0])
                raw = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
                found.add(socket.inet_ntop(family, raw).removeprefix("::ffff:"))
    return found

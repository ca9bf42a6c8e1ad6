import ast
import json
from pathlib import Path

import pytest

import bootstrap

ROOT = Path(__file__).resolve().parents[1]
CUDA_REPORT = json.dumps({"install": [{"metadata": {"requires_dist": ["filelock", "nvidia-nccl-cu13==2.29.3"]}}]})
CPU_REPORT = json.dumps({"install": [{"metadata": {"requires_dist": ["filelock", "sympy>=1.13.3"]}}]})


class FakeMachine(bootstrap.Machine):
    """Installs by noting the command; everything else is a setting."""

    def __init__(self, root: Path) -> None:
        for name in bootstrap.PINNED_FILES:
            (root / name).write_text("torch==2.13.0\n" if name == "constraints.txt" else name)
        self.root = str(root)
        self.python = "python3"
        self.version = (3, 11, 7)
        self.system = "Linux"
        self.environ: dict[str, str] = {}  # type: ignore[assignment]
        self.free = 100.0
        self.lacks: str | None = None
        self.failing = "nothing"
        self.report: str | None = CPU_REPORT
        self.installed: list[list[str]] = []
        self.jobs: list[list[str]] = []
        self.said = ""

    def free_gb(self) -> float:
        return self.free

    def missing_module(self, *names: str) -> str | None:
        return self.lacks if self.lacks in names else None

    def say(self, text: str) -> None:
        self.said += text + "\n"

    def install(self, command: list[str], log: str) -> int:
        self.installed.append(command)
        Path(log).write_text("Collecting x\nERROR: no matching distribution\n")
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        return int(self.failing in command)

    def output(self, command: list[str]) -> str | None:
        if "--report" in command:
            return self.report
        return "pip 26.3" if Path(command[0]).exists() else None

    def job(self, command: list[str]) -> int:
        self.jobs.append(command)
        return 3


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def test_it_parses_on_pythons_that_are_too_old() -> None:
    tree = ast.parse((ROOT / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 4))
    annotated = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.AnnAssign, ast.JoinedStr)) or (isinstance(node, ast.arg) and node.annotation)
    ]
    assert not annotated


def test_it_imports_the_standard_library_alone() -> None:
    tree = ast.parse((ROOT / "bootstrap.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names
    assert names <= {"argparse", "hashlib", "importlib", "json", "os", "platform", "shutil", "subprocess", "sys"}


def test_demo_installs_the_core_and_then_runs_the_demo(machine: FakeMachine) -> None:
    assert bootstrap.main(["demo", "--", "--no-open"], machine) == 3
    assert [command[-1] for command in machine.installed] == [f"{machine.root}/.venv", "torch==2.13.0", "."]
    assert machine.jobs[0][1:] == ["-m", "agv2.app.cli.main", "demo", "--no-open"]


def test_everything_is_installed_under_the_constraints(machine: FakeMachine) -> None:
    bootstrap.main(["demo"], machine)
    torch, packages = machine.installed[1:]
    assert "constraints.txt" in torch
    assert "requirements.txt" in packages


def test_test_adds_the_development_tools_and_the_extras_asked_for(machine: FakeMachine) -> None:
    bootstrap.main(["test", "--with", "playwright"], machine)
    assert machine.installed[-1][-1] == ".[dev,playwright]"
    assert machine.jobs[0][1:3] == ["-m", "pytest"]


def test_the_size_told_grows_with_the_extras(machine: FakeMachine) -> None:
    bootstrap.main(["demo"], machine)
    assert "about 1.9 GB to install." in machine.said
    bootstrap.main(["test", "--with", "jupyterlab"], machine)
    assert "about 2.7 GB to install with dev, jupyterlab." in machine.said
    assert bootstrap.TORCH_GB + bootstrap.PACKAGES_GB + sum(bootstrap.EXTRAS_GB.values()) < bootstrap.DISK_GB


def test_a_second_call_installs_nothing(machine: FakeMachine) -> None:
    bootstrap.main(["test"], machine)
    machine.installed.clear()
    machine.free = 0.0
    assert bootstrap.main(["demo"], machine) == 3
    assert machine.installed == []


def test_an_extra_asked_for_later_keeps_the_earlier_ones(machine: FakeMachine) -> None:
    bootstrap.main(["test"], machine)
    bootstrap.main(["install", "--with", "playwright"], machine)
    assert machine.installed[-1][-1] == ".[dev,playwright]"


@pytest.mark.parametrize("name", bootstrap.PINNED_FILES)
def test_changed_pins_install_again(machine: FakeMachine, name: str) -> None:
    bootstrap.main(["demo"], machine)
    machine.installed.clear()
    with (Path(machine.root) / name).open("a") as pinned:
        pinned.write("# changed\n")
    bootstrap.main(["demo"], machine)
    assert len(machine.installed) == 2  # torch and the rest; the environment is kept


def test_a_failed_installation_is_taken_up_again(machine: FakeMachine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.failing = "requirements.txt"
    assert bootstrap.main(["demo"], machine) == 1
    assert "installing the packages failed: ERROR: no matching distribution" in capsys.readouterr().err
    assert machine.jobs == []
    machine.failing = "nothing"
    assert bootstrap.main(["demo"], machine) == 3


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 14), (3, 14, 0)])
def test_an_unsupported_python_is_refused_with_the_remedy(
    machine: FakeMachine, version: tuple[int, int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    machine.version = version
    assert bootstrap.main(["demo"], machine) == 1
    assert "Install one and start this again with it" in capsys.readouterr().err
    assert machine.installed == []


def test_a_python_without_venv_is_refused_with_the_remedy(
    machine: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.lacks = "ensurepip"
    assert bootstrap.main(["demo"], machine) == 1
    assert "apt-get install python3.11-venv" in capsys.readouterr().err


def test_a_full_disk_is_refused_with_the_remedy(machine: FakeMachine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.free = 3.9
    assert bootstrap.main(["demo"], machine) == 1
    message = capsys.readouterr().err
    assert "3.9 GB are free" in message
    assert "AGV2_VENV" in message
    assert machine.installed == []


def test_a_cuda_build_is_announced_with_the_way_round_it(machine: FakeMachine) -> None:
    machine.report = CUDA_REPORT
    assert bootstrap.main(["demo"], machine) == 3
    assert "CUDA build" in machine.said
    assert "AGV2_TORCH_INDEX" in machine.said


@pytest.mark.parametrize("report", [CPU_REPORT, None])
def test_a_small_build_or_a_silent_pip_is_not_announced(machine: FakeMachine, report: str | None) -> None:
    machine.report = report
    assert bootstrap.main(["demo"], machine) == 3
    assert "CUDA" not in machine.said


def test_a_cuda_build_needs_more_room(machine: FakeMachine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.report, machine.free = CUDA_REPORT, 8.0
    assert bootstrap.main(["demo"], machine) == 1
    assert "12 GB are needed" in capsys.readouterr().err


def test_torch_comes_from_the_index_that_the_environment_names(machine: FakeMachine) -> None:
    machine.report = CUDA_REPORT
    machine.environ["AGV2_TORCH_INDEX"] = "file:///wheels"
    bootstrap.main(["demo"], machine)
    torch = machine.installed[1]
    assert torch[torch.index("--index-url") + 1] == "file:///wheels"
    assert "CUDA" not in machine.said


def test_the_environment_may_live_elsewhere(machine: FakeMachine, tmp_path: Path) -> None:
    machine.environ["AGV2_VENV"] = str(tmp_path / "elsewhere")
    bootstrap.main(["demo"], machine)
    assert machine.jobs[0][0] == str(tmp_path / "elsewhere/bin/python")


def test_an_interrupt_says_how_to_go_on(machine: FakeMachine, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(command: list[str]) -> int:
        raise KeyboardInterrupt

    machine.job = interrupted  # type: ignore[method-assign]
    assert bootstrap.main(["demo"], machine) == 130
    assert "the same command continues" in capsys.readouterr().err

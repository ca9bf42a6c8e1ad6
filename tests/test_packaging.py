"""What ships: pinned requirements, declared dependencies, and a wheel that has its settings inside."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools.pin_requirements import main as pin_requirements
from tools.pin_requirements import pinned_requirements

ROOT = Path(__file__).resolve().parents[1]
CONFIG_NAMES = {
    "backtest", "costs", "deploy", "encoder", "golive", "guards", "markets", "quality", "risk", "rl_policy", "tuning",
}  # fmt: skip


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Extras whose packages are loaded only where an address is set, or their page asked for.
USED_WHERE_NAMED = ("evidently", "mlflow", "otlp", "postgres", "ray", "redis")


def extra(name: str) -> list[str]:
    """Names in an extra; one extra may hold others, as `agv2[postgres]`."""
    names = []
    for each in PROJECT["optional-dependencies"][name]:
        requirement = Requirement(each)
        names += (
            [inner for part in requirement.extras for inner in extra(part)] if requirement.name == "agv2" else [each]
        )
    return [Requirement(each).name for each in names]


def declared(*extras: str) -> set[str]:
    return {normal(name) for name in [*PROJECT["dependencies"], *(each for name in extras for each in extra(name))]}


def imported(*, at_once: bool) -> dict[str, str]:
    """Top-level name of each foreign import under src, and a file that has it.

    Args:
        at_once: only those that are carried out when the module is loaded.
    """
    found: dict[str, str] = {}
    for path in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body if at_once else ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            found.update({name.partition(".")[0]: path.name for name in names})
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names and name != "agv2"}


def undeclared(imports: dict[str, str], known: set[str]) -> set[str]:
    distributions = importlib.metadata.packages_distributions()
    return {
        f"{name} in {path}"
        for name, path in imports.items()
        if not known & {normal(each) for each in distributions.get(name, [name])}
    }


def test_requirements_are_generated_from_the_pins() -> None:
    assert pin_requirements(["--check"]) == 0


def test_a_dependency_without_a_pin_is_an_error() -> None:
    assert "\nscikit-learn==1.9.1\n" in pinned_requirements(["scikit_learn"], ["scikit-learn==1.9.1"])
    with pytest.raises(KeyError):
        pinned_requirements(["numpy"], ["scikit-learn==1.9.1"])


def test_every_import_is_a_declared_dependency() -> None:
    assert undeclared(imported(at_once=False), declared(*USED_WHERE_NAMED)) == set()


def test_what_an_extra_brings_is_not_needed_to_load_a_module() -> None:
    assert undeclared(imported(at_once=True), declared()) == set()


def test_constraints_name_no_host_and_no_path() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 300
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)


def test_everything_that_is_pulled_in_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.partition("==")[0]) for line in lines}
    waiting = [*PROJECT["dependencies"], *extra("dev")]
    seen: set[str] = set()
    while waiting:
        name = normal(waiting.pop())
        if name not in seen:
            seen.add(name)
            needs = [Requirement(need) for need in importlib.metadata.requires(name) or ()]
            waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    assert seen - pinned == set()


def test_every_settings_file_ships() -> None:
    assert {path.stem for path in (ROOT / "config").iterdir()} == CONFIG_NAMES


def test_a_wheel_holds_the_package_its_type_marker_and_the_settings(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "-w", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    sources = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src/agv2").rglob("*") if path.is_file()}
    assert {name for name in sources if "__pycache__" not in name} <= names
    assert "agv2/py.typed" in names
    assert {f"agv2/_config/{name}.yaml" for name in CONFIG_NAMES} <= names
    assert "agv2/_config/env.example" in names

    ask = "from agv2.utils.config import shipped_config_dir; print(shipped_config_dir())"
    answer = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(answer.stdout.strip()) == tmp_path / "installed/agv2/_config"
    home = tmp_path / "home"
    subprocess.run(
        [sys.executable, "-m", "agv2.app.cli.main", "init", str(home)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
    )
    assert (home / ".env.example").read_bytes() == (ROOT / ".env.example").read_bytes()
    assert {path.stem for path in (home / "config").iterdir()} == CONFIG_NAMES

"""The kernel cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import agv2

SOURCE = Path(next(iter(agv2.__path__)))
PROGRAM = (
    "from agv2.core.instruments import round_price; import numba; print(round_price(1.23, 0.5), numba.config.CACHE_DIR)"
)


def run_with(source: Path, cache: Path, **environment: str) -> tuple[float, str]:
    env = os.environ | {"PYTHONPATH": str(source.parent), "AGV2_KERNEL_CACHE": str(cache)} | environment
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
    value, directory = done.stdout.split()
    return float(value), directory


def test_an_edit_of_any_kernel_source_starts_a_new_cache(tmp_path: Path) -> None:
    copy = tmp_path / "src" / "agv2"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    value, first = run_with(copy, tmp_path / "cache")
    assert value == 1.0
    assert any(Path(first).rglob("*.nbi")), "the compiled kernel is kept on disk"
    assert run_with(copy, tmp_path / "cache")[1] == first

    barriers = copy / "core" / "barriers.py"
    barriers.write_text(barriers.read_text() + "\n# an edit\n", encoding="utf-8")
    assert run_with(copy, tmp_path / "cache")[1] != first


def test_plain_kernels_are_the_functions_themselves(tmp_path: Path) -> None:
    program = "from agv2.core.instruments import round_price; print(type(round_price).__name__, round_price(1.23, 0.5))"
    env = os.environ | {"PYTHONPATH": str(SOURCE.parent), "AGV2_PLAIN_KERNELS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["function", "1.0"]

"""The import contracts are kept, and each of them can fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = "Arrows point down: fourteen packages, each in its layer"
LIGHT = "The decision path stays light: no frameworks, no I/O, no event loop"
SERVING = "Serving never depends on training"
NO_LABELS = "Nothing on the decision path reaches a label"
LABELS = "Labels are for training and measuring alone"
WIRE = "The venue's wire is reached through data, execution and deploy"
ACYCLIC = "No cycles between siblings, at any depth"


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(source), "PYTHONWARNINGS": "ignore", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_contracts_are_kept() -> None:
    result = lint(ROOT / "src")
    assert result.returncode == 0, result.stdout
    assert "7 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("planted", "contract"),
    [
        ({"core/planted.py": "import agv2.sim.kernel"}, LAYERS),
        ({"sim/planted.py": "import agv2.risk.config"}, LAYERS),
        ({"rl/planted.py": "import agv2.deploy"}, LAYERS),
        ({"helpers/__init__.py": ""}, LAYERS),
        ({"decision/planted.py": "def f():\n    import torch"}, LIGHT),
        ({"features/planted.py": "import polars"}, LIGHT),
        ({"risk/planted.py": "import asyncio"}, LIGHT),
        ({"deploy/planted.py": "import stable_baselines3"}, SERVING),
        ({"execution/planted.py": "import gymnasium"}, SERVING),
        ({"decision/planted.py": "import agv2.features.labels"}, NO_LABELS),
        ({"features/planted.py": "import agv2.features.labels"}, LABELS),
        ({"app/planted.py": "import agv2.tradelocker"}, WIRE),
        ({"risk/one.py": "import agv2.risk.two", "risk/two.py": "import agv2.risk.one"}, ACYCLIC),
    ],
)
def test_a_planted_violation_breaks_its_contract(tmp_path: Path, planted: dict[str, str], contract: str) -> None:
    shutil.copytree(ROOT / "src/agv2", tmp_path / "agv2", ignore=shutil.ignore_patterns("__pycache__"))
    for name, body in planted.items():
        (tmp_path / "agv2" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "agv2" / name).write_text(f'"""Planted."""\n{body}\n')
    result = lint(tmp_path)
    assert result.returncode != 0
    assert f"{contract} BROKEN" in result.stdout

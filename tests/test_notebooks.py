"""The notebooks run from top to bottom, on synthetic bars and on a file, and are kept as they were shown."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.data.bars_file import write_bars
from agv2.data.synthetic import synthetic_bars
from exploring.measures import autocorrelation, information_about, stability_index

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RUNNER = ROOT / "tools/run_notebooks.py"
ids = [path.stem for path in NOTEBOOKS]


def cells_of(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def code_of(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in cells_of(path) if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def jupyter() -> None:
    pytest.importorskip("jupyterlab", reason="needs jupyterlab: python bootstrap.py test --with jupyterlab")


def run(notebook: Path, out: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(RUNNER), "--out", str(out), str(notebook)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def everyday(n: int) -> list[Any]:
    """The first `n` notebooks; the others are for the slow tests."""
    return [*NOTEBOOKS[:n], *(pytest.param(notebook, marks=pytest.mark.slow) for notebook in NOTEBOOKS[n:])]


def write_cells(path: Path, *sources: str) -> Path:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{k}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for k, source in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


def test_all_are_there() -> None:
    assert ids == [
        "01_eda",
        "02_feature_engineering",
        "03_encoder_validation",
        "04_rl_diagnostics",
        "05_backtest_analysis",
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("notebook", everyday(4), ids=ids)  # the last makes a whole run and everything asked of it
@pytest.mark.usefixtures("jupyter")
def test_it_runs_on_synthetic_bars(notebook: Path, tmp_path: Path) -> None:
    result = run(notebook, tmp_path)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    shown = (tmp_path / notebook.name).read_text(encoding="utf-8")
    assert shown.count('"image/png"') >= 8
    assert [cell["source"] for cell in cells_of(tmp_path / notebook.name)] == [c["source"] for c in cells_of(notebook)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "notebook", everyday(1), ids=ids
)  # the others take longer, and the third and fourth train networks
@pytest.mark.usefixtures("jupyter")
def test_it_runs_on_a_file_of_a_market_that_nobody_described(notebook: Path, tmp_path: Path) -> None:
    bars = synthetic_bars("trend", 4500, 5, timeframe="15m", symbol="COIN")
    write_bars(bars, tmp_path / "COIN_15m.parquet")
    text = notebook.read_text(encoding="utf-8")
    variable = re.escape(json.dumps("BARS = None  # or ").strip('"'))
    mine, n_found = re.subn(variable, f"BARS = {(tmp_path / 'COIN_15m.parquet').as_posix()!r}  # or ", text)
    assert n_found == 1
    own = tmp_path / notebook.name
    own.write_text(mine, encoding="utf-8")
    (tmp_path / "out").mkdir()
    result = run(own, tmp_path / "out")
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    assert "COIN" in (tmp_path / "out" / notebook.name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("1 / 0", "a cell failed: ZeroDivisionError"),
        ("import warnings\nwarnings.warn('old way', FutureWarning)", "cell 2 warns"),
    ],
)
@pytest.mark.usefixtures("jupyter")
def test_an_error_or_a_warning_is_a_failure(tmp_path: Path, source: str, told: str) -> None:
    broken = write_cells(tmp_path / "broken.ipynb", "x = 1", source)
    (tmp_path / "out").mkdir()
    result = run(broken, tmp_path / "out")
    assert result.returncode == 1
    assert told in result.stdout
    assert not (tmp_path / "out/broken.ipynb").exists()


@pytest.mark.usefixtures("jupyter")
def test_the_kernel_is_the_environments_own(tmp_path: Path) -> None:
    asking = write_cells(tmp_path / "asking.ipynb", "import sys\nsys.executable")
    (tmp_path / "out").mkdir()
    assert run(asking, tmp_path / "out").returncode == 0
    (cell,) = cells_of(tmp_path / "out/asking.ipynb")
    assert "".join(cell["outputs"][0]["data"]["text/plain"]).strip("'") == sys.executable


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=ids)
def test_what_is_kept_ran_in_order_and_without_error(notebook: Path) -> None:
    code = code_of(notebook)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"display_data"}, "pictures and text, no errors or streams"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=ids)
def test_what_is_kept_is_small_and_names_no_machine(notebook: Path) -> None:
    text = notebook.read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    assert set(json.loads(text)["metadata"]) == {"kernelspec", "language_info"}
    kept = cells_of(notebook)
    for cell in kept:
        for output in cell.get("outputs", ()):
            output["data"].pop("image/png", None)  # letters of every kind, paths by chance among them
    assert re.findall(r"(?:/home|/root|/tmp|/Users|/work|\b[A-Z]:\\\\)[/\\\w]*", json.dumps(kept)) == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=ids)
def test_links_lead_to_files(notebook: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells_of(notebook) if cell["cell_type"] == "markdown")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (notebook.parent / target).exists(), target


def test_the_band_of_autocorrelations_holds_nineteen_in_twenty_and_memory_leaves_it() -> None:
    rng = np.random.default_rng(1)
    volatility = np.exp(np.repeat(rng.normal(0.0, 1.0, 200), 50))
    noise = rng.standard_normal(10_000) * volatility
    found = autocorrelation(noise, 300)
    assert 0.02 < np.mean(np.abs(found.values) > found.band) < 0.08
    usual = 1.96 / np.sqrt(noise.size)
    assert np.mean(np.abs(found.values[:20]) > usual) > 0.2, "the usual band finds foresight where there is none"
    echo = noise.copy()
    echo[1:] += 0.5 * noise[:-1]
    assert autocorrelation(echo, 1).values[0] > 2 * autocorrelation(echo, 1).band[0]


def test_the_stability_index_is_nothing_for_the_same_and_large_for_a_shift() -> None:
    values = np.random.default_rng(2).standard_normal(20_000)
    assert stability_index(values, values) == 0.0
    assert stability_index(values[:10_000], values[10_000:]) < 0.01
    assert stability_index(values, values + 1.0) > 0.25
    assert stability_index(np.ones(50), np.ones(70)) == 0.0


def test_information_is_found_where_it_is_and_not_where_it_is_not() -> None:
    rng = np.random.default_rng(3)
    label = np.repeat(rng.integers(0, 2, 400), 20)
    slow = np.repeat(rng.standard_normal(400), 20)  # in runs as long as the label's, and about nothing
    telling = label + 0.5 * rng.standard_normal(label.size)
    found = information_about(np.stack([telling, slow, rng.standard_normal(label.size)], axis=1), label, 100, rng)
    assert found.surprise[0] > found.best_by_chance
    assert (found.surprise[1:] < found.best_by_chance).all()
    assert 0.4 < found.bits[0] <= 1.0
    assert found.shuffled[:, 1].mean() > 3 * found.shuffled[:, 2].mean(), "runs meet by chance more often"

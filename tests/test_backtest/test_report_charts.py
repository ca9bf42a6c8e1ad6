from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.backtest.report.charts import equity_figure, sparkline
from agv2.backtest.report.reading import read_run
from tests.run_directory import write_run_directory


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_directory(tmp_path_factory.mktemp("charts") / "run", n_bars=1200)


def test_the_run_comes_first_and_baselines_follow_in_the_summary_s_order(run_dir: Path) -> None:
    equity = equity_figure(read_run(run_dir)).panels[0]
    assert [line.name for line in equity.lines] == [
        "This run", "Flat", "Buy and hold", "Vol-targeted buy and hold", "Random, equal turnover",
    ]  # fmt: skip
    assert len({line.style for line in equity.lines}) == 5


def test_every_fold_is_marked_at_its_first_bar(run_dir: Path) -> None:
    marks = equity_figure(read_run(run_dir)).folds
    assert [mark.text for mark in marks] == ["Fold 0", "Fold 1", "Fold 2"]
    assert marks[0].value == 0.0
    assert 20 < marks[1].value < 45 < 55 < marks[2].value < 80


def test_hover_values_are_the_equity_rows(run_dir: Path) -> None:
    record = read_run(run_dir)
    series = equity_figure(record).hover["panels"][0][0]
    curve = record.curve("XAUUSD")
    assert sum(series["t"]) == (curve["ts"][-1] - curve["ts"][0]).total_seconds()
    assert series["v"][-1] == pytest.approx(curve["equity"][-1] / curve["equity"][0] - 1, abs=1e-5)
    assert max(series["v"]) == pytest.approx(curve["equity"].max() / curve["equity"][0] - 1, abs=1e-5)


def test_drawdown_is_drawn_downwards_and_says_its_depth(run_dir: Path) -> None:
    record = read_run(run_dir)
    panel = equity_figure(record).panels[1]
    worst = 100 * record.summary["oos"]["max_drawdown"]
    assert f"lowest −{worst:.1f}" in panel.summary
    assert panel.zero == 0.0


@pytest.mark.parametrize(("multiple", "log_scale"), [(2.0, False), (4.0, True)])
def test_growth_beyond_threefold_is_drawn_on_a_log_scale(
    tmp_path: Path, run_dir: Path, multiple: float, log_scale: bool
) -> None:
    path = write_run_directory(tmp_path / "run", n_bars=300)
    baselines = pl.read_parquet(path / "folds/report/baselines.parquet")
    growth = np.geomspace(1.0, multiple, 300)
    held = baselines.filter(name="buy_and_hold").with_columns(equity=pl.Series(100_000.0 * growth))
    held.write_parquet(path / "folds/report/baselines.parquet")
    figure = equity_figure(read_run(path))
    assert figure.log_scale is log_scale
    heights = [tick.value for tick in figure.panels[0].ticks]
    assert heights == sorted(heights, reverse=True)
    assert all(0 <= height <= 100 for height in heights)


def test_halted_bars_are_counted_and_shaded(run_dir: Path) -> None:
    record = read_run(run_dir)
    figure = equity_figure(record)
    assert figure.halted_frac == pytest.approx(record.curve("XAUUSD")["halted"].mean())
    assert figure.panels[1].shade.startswith("M")


def test_a_sparkline_spans_its_box() -> None:
    assert sparkline(np.array([1.0, 3.0, 2.0])) == "M0 960L500 40L1000 500"
    assert sparkline(np.array([2.0, 2.0])) == "M0 40L1000 40"

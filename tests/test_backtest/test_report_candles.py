from pathlib import Path

import polars as pl
import pytest

from agv2.backtest.report.candles import CandleFigure, candle_figures
from agv2.backtest.report.reading import read_run
from tests.run_directory import write_run_directory


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_directory(tmp_path_factory.mktemp("candles") / "run", n_bars=1800)


@pytest.fixture(scope="module")
def figure(run_dir: Path) -> CandleFigure:
    (found,) = candle_figures(read_run(run_dir))
    return found


def test_pages_cover_the_last_fold_once(figure: CandleFigure) -> None:
    assert figure.fold == 2
    assert figure.left_out == 0
    assert figure.hover["edges"] == [0, 200, 400, 600]
    bodies = [(page.bodies_up + page.bodies_down).count("M") for page in figure.pages]
    assert bodies == [200, 200, 200]


def test_every_entry_and_exit_of_the_fold_has_its_marker(figure: CandleFigure, run_dir: Path) -> None:
    fills = pl.read_parquet(run_dir / "oos/fills.parquet").filter(fold=2)
    styles = [marker.style for page in figure.pages for marker in page.markers]
    stops = fills.filter(reason="stop_loss").height
    targets = fills.filter(reason="take_profit").height
    assert sum(style in ("long", "short") for style in styles) == len(figure.trades)
    assert sum(style.startswith("stop ") for style in styles) == stops > 0
    assert sum(style.startswith("profit ") for style in styles) == targets > 0
    assert len(styles) == 2 * len(figure.trades)


def test_a_marker_stands_at_its_bar_and_says_what_happened(figure: CandleFigure) -> None:
    trade = figure.trades[0]
    page = next(page for page in figure.pages if page.markers)
    marker = page.markers[0]
    assert 0 <= marker.across <= 100
    assert 0 <= marker.down <= 100
    assert ("enter long" if trade.side > 0 else "enter short") in marker.title


def test_stops_are_drawn_only_while_they_are_in_force(tmp_path: Path) -> None:
    path = write_run_directory(tmp_path / "run", n_bars=300, n_folds=1)
    decisions = pl.read_parquet(path / "oos/decisions.parquet")
    level = pl.read_parquet(path / "folds/report/last_fold_bars.parquet")["close"][0]
    row = pl.int_range(pl.len())
    decisions.with_columns(
        stop=pl.when(row.is_between(10, 19)).then(level).otherwise(0.0), target=pl.lit(0.0)
    ).write_parquet(path / "oos/decisions.parquet")
    (figure,) = candle_figures(read_run(path))
    first = figure.pages[0]
    width = 1000 / (figure.hover["edges"][1])
    start, end = first.stops.removeprefix("M").split(" ")[0], first.stops.split("H")[1]
    assert first.stops.count("M") == 1
    assert float(start) == pytest.approx(11 * width, abs=0.1)  # decided at the close of bar 10
    assert float(end) == pytest.approx(21 * width, abs=0.1)
    assert first.targets == ""


def test_the_first_page_shown_is_the_newest_with_a_trade(tmp_path: Path) -> None:
    path = write_run_directory(tmp_path / "run", n_bars=1000, n_folds=1)
    fills = pl.read_parquet(path / "oos/fills.parquet")
    fills.head(2).write_parquet(path / "oos/fills.parquet")
    (figure,) = candle_figures(read_run(path))
    assert len(figure.pages) == 5
    assert figure.first_shown == 0
    assert figure.hover["busy"] == [0]


def test_without_trades_the_newest_page_is_shown(tmp_path: Path) -> None:
    path = write_run_directory(tmp_path / "run", n_bars=600, n_folds=1)
    pl.read_parquet(path / "oos/fills.parquet").clear().write_parquet(path / "oos/fills.parquet")
    (figure,) = candle_figures(read_run(path))
    assert figure.first_shown == len(figure.pages) - 1
    assert not figure.trades


def test_a_run_without_bars_has_no_candles(tmp_path: Path) -> None:
    assert candle_figures(read_run(write_run_directory(tmp_path / "run", n_bars=300, extras=False))) == []

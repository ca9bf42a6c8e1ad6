import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from agv2.backtest.report.page import render_report, write_report
from agv2.core.errors import DataError
from tests.run_directory import write_run_directory

SECTIONS = (
    "equity",
    "returns",
    "trades",
    "all-trades",
    "metrics",
    "costs",
    "robustness",
    "folds",
    "encoder",
    "notes",
    "settings",
)
VOID = {"meta", "link", "br", "input", "path"}


class Page(HTMLParser):
    """What a browser would make of the page, as far as these tests ask."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.titles: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.addresses += [str(values[name]) for name in ("src", "href") if name in values]
        self.ids += [str(values["id"])] if "id" in values else []
        self.titles += [str(values["title"])] if "title" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"[ \n]+", " ", " ".join(self.text)).strip()


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_directory(tmp_path_factory.mktemp("page") / "run", n_bars=1500)


@pytest.fixture
def edited(run_dir: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the run whose `summary.json` has other values."""

    def edit(**changes: Any) -> Path:
        path = Path(shutil.copytree(run_dir, tmp_path / "run"))
        summary = json.loads((path / "summary.json").read_text())
        (path / "summary.json").write_text(json.dumps(summary | changes))
        return path

    return edit


def test_the_page_is_whole_and_begins_with_the_verdict(run_dir: Path) -> None:
    page = Page(render_report(run_dir))
    assert page.open == []
    assert [name for name in page.ids if name in SECTIONS] == list(SECTIONS)
    assert len(page.ids) == len(set(page.ids))
    words = page.words
    assert words.index("No evidence of an edge") < words.index("it saw an edge in 4.6 %") < words.index("Net return")


def test_a_losing_run_says_so_beside_the_verdict(run_dir: Path) -> None:
    words = Page(render_report(run_dir)).words
    net = json.loads((run_dir / "summary.json").read_text())["oos"]["net_return"]
    assert net < 0
    assert f"a loss of {-100 * net:.1f}\u202f% after costs" in words
    assert words.index("a loss of") < words.index("Equity against the baselines")


def test_it_needs_nothing_but_itself(run_dir: Path) -> None:
    html = render_report(run_dir)
    assert all(address.startswith(("#", "data:")) for address in Page(html).addresses)
    assert not re.search(r"@import|url\(|https?://", html)
    assert "default-src 'none'" in html


def test_the_same_files_give_the_same_page_wherever_they_lie(run_dir: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(run_dir, tmp_path / "elsewhere"))
    assert render_report(run_dir) == render_report(run_dir) == render_report(moved)


def test_strings_from_the_run_are_text_and_never_markup(edited: Callable[..., Path]) -> None:
    evil = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"
    path = edited(verdict_text=evil, notes=[evil], profile=evil, verdict=evil)
    (path / "config/risk.yaml").write_text(f"profile: {evil}\n")
    (path / "provenance.json").write_text(json.dumps({evil: {"command": evil}}))
    fold = json.loads((path / "folds/0/fold.json").read_text())
    fold["encoder"][0]["baseline_name"] = evil
    (path / "folds/0/fold.json").write_text(json.dumps(fold))
    html = render_report(path)
    assert "<script>alert" not in html
    assert "<img" not in html
    assert evil in "".join(Page(html).text)


def test_an_undefined_figure_is_a_dash_with_its_reason(edited: Callable[..., Path], run_dir: Path) -> None:
    oos = json.loads((run_dir / "summary.json").read_text())["oos"]
    page = Page(
        render_report(edited(oos=oos | {"calmar": None}, notes=["oos.calmar: no drawdown to divide by", "One seed."]))
    )
    assert "no drawdown to divide by" in page.titles
    assert "oos.calmar: no drawdown to divide by" in page.words
    assert page.words.index("One seed.") < page.words.index("Figures left empty, and why (1)")


def test_measured_error_rates_stand_beside_the_verdict(run_dir: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(run_dir, tmp_path / "run"))
    rate = {"label": "False alarms", "rate": 0.046, "low": 0.038, "high": 0.056, "meaning": "of runs without an edge"}
    (path / "folds/report/error_rates.json").write_text(json.dumps({"rates": [rate]}))
    words = Page(render_report(path)).words
    assert "False alarms 4.6\u202f% (3.8\u202f% to 5.6\u202f%) of runs without an edge" in words
    assert words.index("False alarms") < words.index("Net return")


def test_a_verdict_without_error_rates_says_that_they_are_missing(edited: Callable[..., Path]) -> None:
    words = Page(render_report(edited(verdict_text="No evidence of an edge: too few days."))).words
    assert "are not stored with this run" in words


def test_a_run_that_left_only_the_required_files_still_has_a_report(tmp_path: Path) -> None:
    path = write_run_directory(tmp_path / "run", n_bars=500, extras=False)
    words = Page(render_report(path)).words
    for line in ("no bars of its last fold", "no baseline curves", "no fold records", "no bootstrap intervals"):
        assert line in words
    assert "Spread and slippage" in words


def test_a_run_that_never_traded_has_a_report(tmp_path: Path) -> None:
    path = write_run_directory(tmp_path / "run", n_bars=500)
    pl.read_parquet(path / "oos/fills.parquet").clear().write_parquet(path / "oos/fills.parquet")
    words = Page(render_report(path)).words
    assert "No trade in this fold." in words
    assert "No fill, no cost." in words


def test_a_portfolio_shows_its_account_and_each_symbol(tmp_path: Path) -> None:
    path = write_run_directory(tmp_path / "run", symbols=("XAUUSD", "XAGUSD"), n_bars=600)
    page = Page(render_report(path))
    account = pl.read_parquet(path / "oos/equity.parquet").filter(symbol="ACCOUNT")
    assert "symbols" in page.ids
    assert f"went from 100,000 to {account['equity'][-1]:,.0f}" in page.words
    assert page.words.count("XAGUSD, fold 2") == 1


def test_a_long_fold_stays_light(tmp_path: Path) -> None:
    path = write_run_directory(tmp_path / "run", n_bars=12_000, n_folds=1)
    html = render_report(path)
    assert len(html.encode()) < 2_000_000
    assert "The fold's first 2,000 bars are not drawn." in Page(html).words


@pytest.mark.parametrize(
    "name",
    ["summary.json", "provenance.json", "config", "oos/fills.parquet", "oos/equity.parquet", "oos/decisions.parquet"],
)
def test_a_missing_file_is_one_clear_line_and_no_report(run_dir: Path, tmp_path: Path, name: str) -> None:
    path = Path(shutil.copytree(run_dir, tmp_path / "run"))
    shutil.move(path / name, tmp_path / "gone")
    with pytest.raises(DataError, match=re.escape(str(path / name))) as caught:
        write_report(path)
    assert "\n" not in str(caught.value)
    assert not (path / "report.html").exists()


def test_a_summary_without_a_key_is_refused_by_name(run_dir: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(run_dir, tmp_path / "run"))
    summary = json.loads((path / "summary.json").read_text())
    del summary["verdict_text"]
    (path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(DataError, match="verdict_text"):
        render_report(path)


def test_a_table_without_a_column_is_refused_by_name(run_dir: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(run_dir, tmp_path / "run"))
    equity = pl.read_parquet(path / "oos/equity.parquet")
    equity.drop("drawdown").write_parquet(path / "oos/equity.parquet")
    with pytest.raises(DataError, match="drawdown"):
        render_report(path)


def test_write_report_writes_what_render_report_says(run_dir: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(run_dir, tmp_path / "run"))
    before = {file.name for file in path.iterdir()}
    assert write_report(path) == path / "report.html"
    assert (path / "report.html").read_text(encoding="utf-8") == render_report(path)
    assert {file.name for file in path.iterdir()} == before | {"report.html"}

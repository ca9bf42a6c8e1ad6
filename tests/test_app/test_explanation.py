"""A trade of a whole run explained: what is stored, what is said, and what is refused."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from agv2.app.cli.main import main
from agv2.app.explain_page.page import explain_page
from agv2.app.explain_page.words import mattered, risk_rows
from agv2.app.explanation import Explanation, explain_trade, trades_of
from agv2.backtest.report.reading import read_run
from agv2.backtest.saliency import read_saliency
from agv2.backtest.saliency_summary import spoke_most
from agv2.core.errors import ConfigError, DataError
from agv2.data.bars_file import read_bars, write_bars


@pytest.fixture(scope="module")
def explained(finished_run: Path) -> Explanation:
    return explain_trade(finished_run, 2)


def the_line(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ending:
        main(words)
    assert ending.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_every_trade_of_a_run_has_its_saliency_stored(finished_run: Path) -> None:
    trades = trades_of(read_run(finished_run))
    stored = read_saliency(finished_run / "oos/saliency.parquet")
    keys = set(zip(stored["fold"], stored["symbol"], stored["ts"].dt.epoch("ns"), strict=True))
    assert keys == {(trade.fold, trade.symbol, trade.decided_ns) for trade in trades}
    assert stored["log_odds"].min() >= 0.0, "the likeliest side was taken"  # type: ignore[operator]  # floats
    sums = stored["bars"].list.sum() + stored.select(pl.sum_horizontal(pl.col("state").struct.unnest())).to_series()
    missed = (stored["log_odds"] - stored["baseline_log_odds"] - sums - stored["gap"]).abs()
    assert missed.max() < 1e-5  # type: ignore[operator]  # of a float column


def test_an_explanation_agrees_with_what_the_run_stored(finished_run: Path, explained: Explanation) -> None:
    stored = read_saliency(finished_run / "oos/saliency.parquet")
    row = stored.filter(pl.col("ts").dt.epoch("ns") == explained.trade.decided_ns).row(0, named=True)
    assert explained.attribution.log_odds == pytest.approx(row["log_odds"], abs=1e-6)
    np.testing.assert_allclose(explained.attribution.window.sum(axis=1), row["bars"], atol=1e-6)
    logits = np.log(explained.choices[0])
    position = {1: 1, -1: 2}[explained.trade.side]
    assert explained.attribution.log_odds == pytest.approx(logits[position] - logits[0], abs=1e-4)
    assert explained.remade.decision.action.side == explained.trade.side


def test_groups_add_up_and_risk_is_told(explained: Explanation) -> None:
    total = sum(one.share for one in mattered(explained))
    shares = explained.attribution
    assert total == pytest.approx(shares.log_odds - shares.baseline - shares.gap, abs=1e-9)
    assert [name for name, *_ in risk_rows(explained)] == ["side", "units", "stop", "target"]
    assert np.abs(explained.candle_falls).max() > 0.0
    assert (np.diff(explained.heads.quantiles, axis=1) >= 0.0).all()


def test_the_same_trade_gives_the_same_page(finished_run: Path, explained: Explanation) -> None:
    assert explain_page(explained) == explain_page(explain_trade(finished_run, 2))


def test_a_page_opens_offline_and_fits_a_phone(browser: Any, explained: Explanation, tmp_path: Path) -> None:
    path = tmp_path / "trade.html"
    path.write_text(explain_page(explained), encoding="utf-8")
    for width in (1200, 375):
        context = browser.new_context(offline=True, viewport={"width": width, "height": 800})
        page = context.new_page()
        complaints: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message, into=complaints: into.append(message.text))
        page.on("request", lambda request, into=requests: into.append(request.url))
        page.goto(path.as_uri())
        assert complaints == []
        assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".trade-plot svg").bounding_box()["width"] > 0.6 * width
        assert page.locator(".plot.heat rect").count() > 20
        assert page.locator("h1").inner_text().startswith(("Bought", "Sold short"))
        assert "What the risk layer changed" in page.locator("main").inner_text()
        context.close()


def test_the_command_lists_trades_and_explains_one(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["explain", str(finished_run), "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert [one["trade"] for one in listed] == list(range(1, len(listed) + 1))
    assert all(one["spoke_most"] for one in listed)
    page = tmp_path / "out/trade.html"
    with pytest.raises(SystemExit) as ending:
        main(["explain", str(finished_run), "--trade", "1", "--out", str(page), "--json"])
    assert ending.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["decided_ns"] == listed[0]["decided_ns"]
    assert "clock" in told["groups"]
    assert page.is_file()


def test_a_trade_that_is_not_there_is_one_line(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = the_line(capsys, "explain", str(finished_run), "--trade", "9999")
    assert "has trades 1 to" in line
    assert "lists them" in line
    assert "missing; name the --out directory" in the_line(capsys, "explain", str(finished_run / "oos"), "--trade", "1")


def test_bars_that_are_gone_are_asked_for_and_others_are_refused(
    copy_of_run: Path, market_files: dict[str, Path], tmp_path: Path
) -> None:
    gone = json.loads((copy_of_run / "provenance.json").read_text(encoding="utf-8"))
    gone["bars"][0]["path"] = "nowhere/TREND_1h.parquet"
    (copy_of_run / "provenance.json").write_text(json.dumps(gone), encoding="utf-8")
    with pytest.raises(DataError, match=r"nowhere/TREND_1h.parquet: the bars of TREND .* --bars FILE"):
        explain_trade(copy_of_run, 1)
    changed = tmp_path / "TREND_1h.parquet"
    bars = read_bars(market_files["TREND"]).bars
    bars.close[1500] = bars.high[1500]
    write_bars(bars, changed)
    with pytest.raises(DataError, match=r"not the bars that .* SHA-256 is another"):
        explain_trade(copy_of_run, 1, [changed])
    with pytest.raises(ConfigError, match="the run has 1 symbols"):
        explain_trade(copy_of_run, 1, [changed, changed])


def test_a_run_without_its_models_cannot_be_explained(copy_of_run: Path) -> None:
    shutil.rmtree(copy_of_run / "folds/1")
    with pytest.raises(DataError, match="models of fold 1 are not there"):
        explain_trade(copy_of_run, 1)


def test_a_decision_that_comes_out_otherwise_is_not_explained(copy_of_run: Path) -> None:
    path = copy_of_run / "oos/decisions.parquet"
    moved = pl.when(pl.col("stop") > 0.0).then(pl.col("stop") * 1.01).otherwise(pl.col("stop"))
    pl.read_parquet(path).with_columns(stop=moved).write_parquet(path)
    with pytest.raises(DataError, match="the decision is another than the one stored"):
        explain_trade(copy_of_run, 1)


def test_the_report_of_a_run_says_what_its_entries_came_from(finished_run: Path) -> None:
    text = (finished_run / "report.html").read_text(encoding="utf-8")
    assert "What entries came from" in text
    stored = read_saliency(finished_run / "oos/saliency.parquet")
    assert f"Means over {stored.height} entries" in text
    assert set(spoke_most(stored).values()) <= set(re.findall(r'<td class="last">([^<]+)</td>', text))

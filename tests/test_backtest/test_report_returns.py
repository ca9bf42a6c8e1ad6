"""Months, rolling ratio, spread and excursions of the report against the files that they are of."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from agv2.backtest.report.reading import RunRecord, read_run
from agv2.backtest.report.returns import month_rows, return_spread, rolling_sharpe
from agv2.backtest.report.trade_spread import _excursions, trade_spread
from agv2.backtest.trades import round_trips
from tests.run_directory import write_run_directory


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return read_run(write_run_directory(tmp_path_factory.mktemp("returns") / "run", n_bars=5_000))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    path = write_run_directory(tmp_path_factory.mktemp("short") / "run", symbols=("XAUUSD", "NAS100"), n_bars=240)
    return read_run(path)


def number(text: str) -> float:
    return float(text.replace("\u202f%", "").replace("\u2212", "-").replace("+", "")) / 100.0


def test_months_compound_to_the_run_and_are_those_of_the_account(record: RunRecord) -> None:
    rows = month_rows(record)
    whole = np.prod([1.0 + number(row.whole.text) for row in rows]) - 1.0
    assert whole == pytest.approx(record.summary["oos"]["net_return"], abs=2e-3)
    frame = record.rows.equity.sort("ts").group_by(pl.col("ts").dt.strftime("%Y-%m"), maintain_order=True).last()
    ends = np.concatenate([[record.rows.equity.sort("ts")["equity"][0]], frame["equity"].to_numpy()])
    shown = [(row.year, month, cell.text) for row in rows for month, cell in enumerate(row.months, 1) if cell.text]
    assert [f"{year}-{month:02}" for year, month, _ in shown] == frame["ts"].to_list()
    np.testing.assert_allclose([number(text) for *_, text in shown], ends[1:] / ends[:-1] - 1.0, atol=6e-4)
    assert max(cell.shade for row in rows for cell in row.months) == 1.0


def test_the_rolling_ratio_ends_with_that_of_the_last_quarter(record: RunRecord) -> None:
    panel = rolling_sharpe(record)
    assert panel is not None
    frame = record.rows.equity.sort("ts").group_by(pl.col("ts").dt.date(), maintain_order=True).last()
    returns = frame["equity"].to_numpy()[1:] / frame["equity"].to_numpy()[:-1] - 1.0
    last = returns[-63:].mean() / returns[-63:].std(ddof=1)
    span = (frame["ts"][-1] - frame["ts"][0]).days + 1
    said = float(panel.curves[1].title.rsplit(" ", 1)[1])
    assert said == pytest.approx(last * np.sqrt(frame.height * 365.25 / span), abs=1e-3)


def test_every_day_that_moved_is_in_a_column(record: RunRecord) -> None:
    spread = return_spread(record)
    assert spread is not None
    days = sum(int(bar.title.split(" ", 1)[0]) for bar in spread.bars)
    still = int(spread.sentence.rsplit("; ", 1)[1].split(" ", 1)[0].replace(",", ""))
    assert days + still == record.rows.equity["ts"].dt.date().n_unique()
    assert {bar.style for bar in spread.bars} == {"won", "lost"}
    assert max(bar.high for bar in spread.bars) == 100.0


def test_an_account_that_hardly_moved_is_shown(record: RunRecord) -> None:
    """One day of many: the quantile of all moves would be nothing."""
    ts = record.rows.equity["ts"]
    still = record.rows.equity.with_columns(equity=pl.when(ts < ts[1_500]).then(1e5).otherwise(1.01e5))
    spread = return_spread(dataclasses.replace(record, rows=dataclasses.replace(record.rows, equity=still)))
    assert spread is not None
    (bar,) = spread.bars
    assert bar.title.startswith("1 days from")


def test_excursions_hold_the_result_between_them(record: RunRecord) -> None:
    trades = round_trips(record.rows)
    worst, best, final = _excursions(record, trades)
    assert (worst <= np.minimum(final, 0.0)).all()
    assert (best >= np.maximum(final, 0.0)).all()
    curve = record.curve("XAUUSD")
    stamps, equity = curve["ts"].dt.epoch("ns").to_numpy(), curve["equity"].to_numpy()
    longest = int(np.argmax([trade.bars_held for trade in trades]))
    first, last = np.searchsorted(stamps, [trades[longest].opened_ns, trades[longest].closed_ns])
    assert worst[longest] == pytest.approx(min(equity[first:last].min() / equity[first - 1] - 1.0, final[longest], 0.0))
    money = sum(trade.net_pnl for trade in trades)
    assert money == pytest.approx(equity[-1] - equity[0], abs=1.0)


def test_hours_and_weekdays_share_out_all_trades(record: RunRecord) -> None:
    found = trade_spread(record)
    assert found is not None
    count = len(round_trips(record.rows))
    for bars in (found.hours, found.days):
        assert sum(int(bar.title.split(": ")[1].split(" ", 1)[0]) for bar in bars) == count
        assert max(bar.high for bar in bars) == 50.0
    assert sum(one.count("M") for one in (found.excursions[0].won, found.excursions[0].lost)) == count


def test_a_short_portfolio_shows_what_it_can(short: RunRecord) -> None:
    assert rolling_sharpe(short) is None
    assert return_spread(short) is None
    assert month_rows(short)
    assert trade_spread(short) is not None

import numpy as np
import polars as pl
import pytest

from agv2.backtest.evaluation import evaluate
from agv2.backtest.run_files import RunRows
from agv2.core.timeframes import SessionCalendar
from tests.run_rows import HOUR_NS, HandFill, a_run

ALWAYS = SessionCalendar(0, "UTC", 365.0, None, True)
NEW_YORK = SessionCalendar(17, "America/New_York", 252.0, 2, False)
DAY_NS = 24 * HOUR_NS


def test_one_book_is_its_own_account() -> None:
    run = a_run(
        [100.0, 102.0, 101.0, 104.0],
        [HandFill(1, 3.0, 101.0, 100.5, reason="entry"), HandFill(3, -3.0, 104.0, 104.0, reason="end")],
        stops={0: 98.0},
        step_ns=DAY_NS,
    )
    found = evaluate(run, {"GOLD": ALWAYS})
    assert found.oos is found.per_symbol["GOLD"]
    report = found.oos.report
    assert report.net_return == pytest.approx(run.equity["equity"][-1] / 1000 - 1)
    assert report.exposure == pytest.approx(np.mean([0, 306 / 1003, 303 / 1000, 0]))
    assert report.turnover_per_day == pytest.approx((3 * 100.5 / 1000 + 3 * 104 / 1000) / 4)
    assert report.expectancy_r == pytest.approx(9.0 / 7.5)
    assert report.break_even_cost_frac == pytest.approx((9.0 + 1.5) / (3 * 204.5))
    assert found.oos.days.tolist() == [0, 1, 2, 3]


def test_an_account_pools_trades_and_adds_the_books_gross_exposure() -> None:
    gold = a_run(
        [100.0, 100.0, 110.0, 110.0],
        [HandFill(1, 2.0, 100.0, 100.0), HandFill(3, -2.0, 110.0, 110.0)],
        step_ns=DAY_NS,
    )
    ether = a_run(
        [50.0, 50.0, 40.0],
        [HandFill(1, -4.0, 50.0, 50.0), HandFill(2, 4.0, 40.0, 40.0)],
        symbol="ETHUSD",
        step_ns=DAY_NS,
        first_bar=1,
    )
    books = pl.concat([gold.equity, ether.equity])
    # gold has rows on days 0–3, ether on days 1–3: its first equity also counts before
    account = pl.DataFrame(
        {
            "fold": [0] * 4,
            "symbol": ["ACCOUNT"] * 4,
            "ts": [day * DAY_NS for day in range(4)],
            "equity": [2000.0, 2000.0, 2020.0, 2060.0],
            "cash": [2000.0, 1800.0, 2000.0, 2060.0],
            "units": [0.0] * 4,
            "financing": [0.0] * 4,
            "drawdown": [0.0] * 4,
            "halted": [False] * 4,
        }
    )
    blank = RunRows.of(gold.fills, account).equity
    rows = RunRows.of(pl.concat([gold.fills, ether.fills]), pl.concat([books, blank]))
    found = evaluate(rows, {"GOLD": NEW_YORK, "ETHUSD": ALWAYS})
    assert found.oos.trading_days_per_year == 365.0
    assert found.oos.report.trades == 2
    assert found.oos.report.net_return == pytest.approx(0.03)
    # day 1: 200 long gold; day 2: 220 gold and 200 short ether, which must not cancel; day 3: flat
    assert found.oos.curve.gross_notional == pytest.approx([0, 200, 420, 0])
    assert {name: item.report.trades for name, item in found.per_symbol.items()} == {"GOLD": 1, "ETHUSD": 1}
    assert found.per_symbol["GOLD"].trading_days_per_year == 252.0

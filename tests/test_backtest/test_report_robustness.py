"""Other costs and resampled days against plain bodies."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.backtest.report.reading import RunRecord, read_run
from agv2.backtest.report.returns import daily_account
from agv2.backtest.report.robustness import cost_curve, monte_carlo
from tests.run_directory import write_run_directory


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return read_run(write_run_directory(tmp_path_factory.mktemp("robust") / "run", n_bars=3_000))


def ratio(returns: np.ndarray, day: np.ndarray) -> float:
    per_year = day.size * 365.25 / (day[-1] - day[0] + 1)
    return float(returns.mean() / returns.std(ddof=1) * math.sqrt(per_year))


def test_the_cost_curve_is_that_of_the_fills(record: RunRecord) -> None:
    """Without costs a day earns what it earned, and back what its fills cost."""
    panel = cost_curve(record)
    assert panel is not None
    day, returns = daily_account(record)
    fills = record.rows.fills.with_columns(
        paid=pl.col("side") * pl.col("units") * (pl.col("price") - pl.col("mid")) + pl.col("commission"),
        day=pl.col("ts").dt.epoch("d"),
    )
    by_day = dict(fills.group_by("day").agg(pl.col("paid").sum()).iter_rows())
    equity = record.curve("XAUUSD").group_by(pl.col("ts").dt.epoch("d"), maintain_order=True).last()["equity"]
    before = np.concatenate([[record.curve("XAUUSD")["equity"][0]], equity.to_numpy()[:-1]])
    free = returns + np.array([by_day.get(int(one), 0.0) for one in day]) / before
    dear = returns - 3.0 * (free - returns)
    first, last = (float(text) for text in panel.curves[1].title.split(": ")[1].split(" to "))
    assert first == pytest.approx(ratio(free, day), abs=1e-3)
    assert last == pytest.approx(ratio(dear, day), abs=1e-3)
    assert first > ratio(returns, day) > last
    assert panel.kept == (25.0,)


def test_resampled_days_lie_around_the_run(record: RunRecord) -> None:
    found = monte_carlo(record)
    assert found is not None
    assert found == monte_carlo(record), "the same run gives the same histories"
    for _, own, low, middle, high in found.rows:
        values = [float(text.rstrip("\u202f%").replace("\u2212", "-").replace(",", "")) for text in (low, own, high)]
        assert values[0] < values[1] < values[2]
        assert middle
    assert found.fan is not None
    assert [curve.title.split(":")[0] for curve in found.fan.curves] == [
        f"{share} % of histories below" for share in (5, 25, 50, 75, 95)
    ]
    falls = found.sentence.split("; ")[1]
    shares = [float(part.split("\u202f%")[0].split(" ")[-1]) for part in falls.split(", ")[:3]]
    assert shares == sorted(shares, reverse=True)


def test_too_little_says_nothing(tmp_path: Path) -> None:
    short = read_run(write_run_directory(tmp_path / "run", n_bars=240))
    assert cost_curve(short) is None
    assert monte_carlo(short) is None

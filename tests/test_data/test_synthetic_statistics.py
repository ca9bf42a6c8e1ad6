"""Synthetic bars look like real ones, whose numbers market_statistics.json has; the slow test measures them anew."""

import functools
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.data.synthetic_markets.statistics import market_statistics
from agv2.utils.config import load_config

HERE = Path(__file__).resolve().parent
REFERENCE: dict[str, Any] = json.loads((HERE / "market_statistics.json").read_text(encoding="utf-8"))["series"]
SERIES = tuple(REFERENCE)

# The range a synthetic statistic must fall in is that of the real samples, widened on each side by the larger of a
# share of the real mean and a floor: some series have three quarters of one calm year.
WIDENED_SHARE, WIDENED_FLOOR = 0.35, 0.05
WIDENED_FAR_FLOOR = 0.08  # for autocorrelations over a day's length, which three quarters hardly show
CHECKED = (
    *("annual_volatility", "tail_99", "tail_999", "autocorrelation_1", "autocorrelation_5", "autocorrelation_20"),
    *("autocorrelation_100", "autocorrelation_500", "return_autocorrelation", "leverage", "gap_share", "weekend_gap"),
    *("break_gap", "opening_share", "zero_share", "range_ratio", "volume_correlation"),
)
BORROWED = {"XAGUSD_5m": "XAUUSD_5m", "US2000_1h": "NAS100_1h", "US2000_5m": "NAS100_5m"}


@functools.cache
def synthetic(name: str) -> dict[str, Any]:
    """Medians over seeds of what samples of about a year (5m: a quarter) show."""
    symbol, timeframe = name.split("_")
    config = load_config(MarketsConfig, "markets").entry(symbol)[0]
    rows = []
    for seed in range(201, 217):
        request = MarketRequest(symbol, timeframe=timeframe, n_bars=6000 if timeframe == "1h" else 16_000, seed=seed)
        rows.append(asdict(market_statistics(instrument_market(request, config).bars)))
    return {key: np.median([row[key] for row in rows], axis=0) for key in rows[0]}


def accepted(statistic: str, real: dict[str, float]) -> tuple[float, float]:
    floor = WIDENED_FAR_FLOOR if statistic in ("autocorrelation_100", "autocorrelation_500") else WIDENED_FLOOR
    wide = max(WIDENED_SHARE * abs(real["mean"]), floor)
    return real["low"] - wide, real["high"] + wide


@pytest.mark.parametrize("statistic", CHECKED)
@pytest.mark.parametrize("name", [*SERIES, *BORROWED])
def test_a_statistic_lies_in_the_range_of_the_real_ones(name: str, statistic: str) -> None:
    real = REFERENCE[BORROWED.get(name, name)][statistic]
    found = float(synthetic(name)[statistic])
    if name.startswith("ETHUSD") and "gap" in statistic:
        assert math.isnan(found) or found == 0.0  # the shipped calendar never closes; the real feed has pauses
        return
    if name in BORROWED and statistic in ("annual_volatility", "zero_share"):
        return  # levels of price and volatility are the instrument's own
    low, high = accepted(statistic, real)
    assert low <= found <= high


@pytest.mark.parametrize("name", SERIES)
def test_tails_are_about_as_fat(name: str) -> None:
    real, found = REFERENCE[name]["kurtosis"], float(synthetic(name)["kurtosis"])
    assert real["low"] / 2.0 < found < real["high"] * 2.0


@pytest.mark.parametrize("name", SERIES)
def test_the_day_has_the_real_course(name: str) -> None:
    pairs = [
        (each["mean"], found)
        for each, found in zip(REFERENCE[name]["hour_profile"], synthetic(name)["hour_profile"], strict=True)
        if each is not None and not math.isnan(found)
    ]
    real, ours = np.array(pairs).T
    assert real.size >= 22
    assert np.corrcoef(real, ours)[0, 1] > (0.65 if name == "ETHUSD_1h" else 0.9)
    assert np.abs(real - ours).max() < 0.45


@pytest.mark.parametrize("name", [name for name in SERIES if name.endswith("_5m")])
def test_the_spread_has_the_real_size_and_course(name: str) -> None:
    real = REFERENCE[name]
    assert real["spread_frac"]["mean"] / 1.5 < float(synthetic(name)["spread_frac"]) < real["spread_frac"]["mean"] * 1.5
    pairs = [
        (each["mean"], found)
        for each, found in zip(real["spread_profile"], synthetic(name)["spread_profile"], strict=True)
        if each is not None and not math.isnan(found)
    ]
    measured, ours = np.array(pairs).T
    assert np.abs(measured - ours).max() < 0.35


def a_walk(n_bars: int, minutes: int = 60) -> Bars:
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(0.001 * rng.standard_normal(n_bars)))
    open_ = np.concatenate([[100.0], close[:-1]])
    ts_ns = minutes * 60_000_000_000 * np.arange(n_bars, dtype=np.int64)
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    unknown = np.full(n_bars, np.nan)
    return Bars("WALK", Timeframe(minutes), ts_ns, open_, high, low, close, unknown, unknown)


def test_a_gaussian_walk_has_the_statistics_of_one() -> None:
    found = market_statistics(a_walk(100_000))
    assert found.kurtosis == pytest.approx(0.0, abs=0.1)
    assert found.tail_99 == pytest.approx(3.82, abs=0.1)
    assert found.annual_volatility == pytest.approx(0.001 * math.sqrt(8766), rel=0.02)
    for lag in (1, 5, 20, 100, 500):
        assert getattr(found, f"autocorrelation_{lag}") == pytest.approx(0.0, abs=0.015)
    assert found.gap_share == 0.0
    assert found.opening_share == 0.0
    assert np.allclose(found.hour_profile, 1.0, atol=0.1)
    for unknown in (found.weekend_gap, found.break_gap, found.volume_correlation, found.spread_frac):
        assert math.isnan(unknown)
    assert np.isnan(found.spread_profile).all()


def test_an_unknown_spread_here_and_there_hides_no_others() -> None:
    bars = a_walk(5_000)
    known = 1e-4 * bars.close
    patchy = np.where(np.arange(len(bars)) % 7 == 0, np.nan, known)
    found = market_statistics(replace(bars, spread=patchy))
    assert found.spread_frac == pytest.approx(1e-4)
    assert np.allclose(found.spread_profile, 1.0, atol=0.1)


def test_too_few_bars_say_nothing() -> None:
    with pytest.raises(DataError, match="1000"):
        market_statistics(a_walk(999))


@pytest.mark.slow
def test_the_written_reference_is_what_the_real_files_say(real_bars: Path) -> None:
    tool = HERE.parents[1] / "tools/market_statistics.py"
    environment = {**os.environ, "AGV2_REAL_BARS": str(real_bars)}
    done = subprocess.run([sys.executable, str(tool), "--check"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

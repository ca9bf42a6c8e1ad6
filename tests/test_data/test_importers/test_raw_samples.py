"""Vendors' own files against the same bars converted by somebody else; only where both are on the machine."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.core.bars import Bars
from agv2.data.bars_file import read_bars
from agv2.data.importers.import_bars import import_bars
from agv2.data.importers.import_request import ImportedSeries, ImportRequest
from agv2.data.importers.own_parquet import write_own_parquet

pytestmark = pytest.mark.slow

PRICES = ("open", "high", "low", "close")


def directory(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no directory of real files")
    return Path(os.environ[variable])


def imported(symbol: str, *names: str) -> ImportedSeries:
    raw = directory("AGV2_RAW_SAMPLES")
    return import_bars(ImportRequest(tuple(raw / name for name in names), symbol=symbol))


def twin(name: str, bars: Bars) -> pl.DataFrame:
    """Rows of a converted file within the span of `bars`, each once."""
    first, last = (pl.lit(int(ts), dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")) for ts in bars.ts_ns[[0, -1]])
    frame = pl.read_parquet(directory("AGV2_REAL_BARS") / name)
    return frame.filter(pl.col("ts").is_between(first, last)).unique(maintain_order=True)


def assert_twins(bars: Bars, frame: pl.DataFrame, *, spread: bool = False, volume: bool = True) -> None:
    np.testing.assert_array_equal(bars.ts_ns, frame["ts"].to_physical().to_numpy() * 1000)
    for name in (*PRICES, "volume") if volume else PRICES:
        np.testing.assert_array_equal(getattr(bars, name), frame[name].to_numpy(), err_msg=name)
    if spread:
        np.testing.assert_allclose(bars.spread, frame["spread"].to_numpy(), rtol=0.0, atol=1e-11)


def test_bitfinex_minutes_are_the_converted_ones() -> None:
    found = imported("ETHUSD", "bitfinex_ETHUSD_1m_2016.csv.gz")
    assert (found.format.name, len(found.bars), found.price_side) == ("bitfinex", 85_818, "trade")
    assert_twins(found.bars, twin("ETHUSD_1m.parquet", found.bars))


def test_the_fxcm_pair_is_the_converted_one() -> None:
    found = imported("GBPUSD", "fxcm_GBPUSD_M1_bid_2012-02.csv", "fxcm_GBPUSD_M1_ask_2012-02.csv")
    assert (found.format.name, len(found.bars), found.price_side) == ("fxcm", 30_117, "bid")
    assert int((found.bars.spread < 0.0).sum()) == 347
    assert_twins(found.bars, twin("GBPUSD_1m.parquet", found.bars), spread=True, volume=False)


def test_us_equity_minutes_are_the_converted_ones() -> None:
    found = imported("DIA", "us_equity_minute_DIA_2015-01.csv")
    assert (found.format.name, len(found.bars), found.clock.zone) == ("us-equity", 3_900, "America/Chicago")
    assert (found.stamps, found.clock_basis) == ("open", "found in the bars, certainty moderate")
    assert_twins(found.bars, twin("DIA_1m.parquet", found.bars))


def test_mt5_quarters_are_made_of_the_converted_five_minutes() -> None:
    found = imported("XAUUSD", "mt5_export_XAUUSD_M15_2025.csv")
    assert (found.format.name, len(found.bars), found.clock.zone) == ("mt5", 19_418, "Europe/Athens")
    assert found.clock_basis == "found in the bars, certainty high"
    fine = pl.read_parquet(directory("AGV2_REAL_BARS") / "XAUUSD_5m.parquet")
    coarse = fine.group_by(pl.col("ts").dt.truncate("15m"), maintain_order=True).agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        pl.col("volume").sum(), pl.len(),
    )  # fmt: skip
    ours = pl.DataFrame(
        {"ts": found.bars.ts_ns // 1000, **{name: getattr(found.bars, name) for name in (*PRICES, "volume")}}
    )
    both = ours.join(coarse.with_columns(pl.col("ts").to_physical()), on="ts", suffix="_fine").filter(
        pl.col("len") == 3
    )
    assert both.height > 19_000
    for name in (*PRICES, "volume"):
        np.testing.assert_array_equal(both[name].to_numpy(), both[f"{name}_fine"].to_numpy(), err_msg=name)


def test_dukascopy_hours_follow_the_markets_week() -> None:
    found = imported("EURUSD", "dukascopy_export_EURUSD_H1_ASK_2017.csv")
    assert (found.format.name, len(found.bars), found.price_side) == ("dukascopy", 6_225, "ask")
    assert found.notes == ()  # the bars agree with GMT
    assert found.finding is not None
    assert found.finding.best is not None
    four_hours = pl.read_parquet(directory("AGV2_REAL_BARS") / "EURUSD_4h.parquet").select("ts", "close")
    ours = pl.DataFrame({"ts": found.bars.ts_ns // 1000, "ask": found.bars.close})
    closes = ours.join(four_hours.with_columns(pl.col("ts").to_physical() + 3 * 3_600_000_000), on="ts")
    assert closes.height > 1_500
    spread = float(np.median(closes["ask"].to_numpy() - closes["close"].to_numpy()))
    assert 0.0 <= spread < 0.0003


def test_binance_rows_are_as_written() -> None:
    found = imported("ADABTC", "binance_kline_ADABTC_1m_2021-11-27.csv")
    assert (found.format.name, len(found.bars), found.price_side) == ("binance", 10, "trade")
    assert found.bars.close[0] == 0.00002854


def test_what_is_imported_reads_as_bars(tmp_path: Path) -> None:
    found = imported("GBPUSD", "fxcm_GBPUSD_M1_bid_2012-02.csv", "fxcm_GBPUSD_M1_ask_2012-02.csv")
    path = tmp_path / "GBPUSD_1m.parquet"
    write_own_parquet(found.bars, path, price_side=found.price_side, source=found.format.title)
    loaded = read_bars(path)
    np.testing.assert_array_equal(loaded.bars.close, found.bars.close)
    assert int(np.isnan(loaded.bars.spread).sum()) == 347

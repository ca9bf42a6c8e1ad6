import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.core.errors import DataError
from agv2.data.bars_file import read_bars
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.market import InstrumentMarket, MarketRequest, instrument_market
from agv2.data.synthetic_markets.truth_file import market_files, read_truth, write_market
from agv2.utils.config import load_config


def made(edge: str = "levels", n_bars: int = 3000) -> InstrumentMarket:
    config = load_config(MarketsConfig, "markets").entry("XAUUSD")[0]
    return instrument_market(MarketRequest("XAUUSD", edge, 0.0 if edge == "none" else 4.5, n_bars=n_bars), config)


@pytest.mark.parametrize("edge", ["levels", "none"])
def test_bars_and_truth_read_back(tmp_path: Path, edge: str) -> None:
    market, path = made(edge), tmp_path / "XAUUSD_1h.parquet"
    parameters = write_market(market, path)
    bars, truth = read_bars(path).bars, read_truth(path)
    assert (bars.close == market.bars.close).all()
    assert (truth.ts_ns == bars.ts_ns).all()
    for name in ("regime", "direction", "drift", "sigma"):
        assert np.array_equal(getattr(truth, name), getattr(market, name)), name
    assert truth.parameters == parameters
    assert (parameters["edge"], parameters["seed"], parameters["bars"]) == (edge, 7, 3000)
    assert len(truth.levels) == market.levels.price.size > 10
    assert {level["strength"] for level in truth.levels} == {market.amplitude}
    first = truth.levels[0]
    assert first["price"] == pytest.approx(market.levels.price[0], rel=1e-6)
    assert np.datetime64(first["from"][:-1], "ns").astype(np.int64) == bars.ts_ns[market.levels.first_bar[0]]
    assert truth.levels[-1]["to"] is None


def test_one_bar_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "XAUUSD_1h.parquet"
    assert write_market(made(n_bars=1), path)["oracle_sharpe_annual"] is None
    assert len(read_truth(path).ts_ns) == 1


@pytest.mark.parametrize("which", [1, 2])
def test_missing_truth_is_named(tmp_path: Path, which: int) -> None:
    path = tmp_path / "XAUUSD_1h.parquet"
    write_market(made(), path)
    gone = market_files(path)[which]
    gone.unlink()
    with pytest.raises(DataError, match=gone.name):
        read_truth(path)


@pytest.mark.parametrize("damage", ["not JSON", "[]", "{}", '{"levels": []}', '{"levels": [], "format": 9}'])
def test_a_damaged_parameter_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "XAUUSD_1h.parquet"
    write_market(made(), path)
    market_files(path)[2].write_text(damage, encoding="utf-8")
    with pytest.raises(DataError, match="make it anew"):
        read_truth(path)


def test_a_table_that_is_no_truth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "XAUUSD_1h.parquet"
    write_market(made(), path)
    pl.DataFrame({"ts": [1]}).write_parquet(market_files(path)[1])
    with pytest.raises(DataError, match="make it anew"):
        read_truth(path)


def test_the_parameters_repeat_the_market(tmp_path: Path) -> None:
    path = tmp_path / "XAUUSD_1h.parquet"
    write_market(made(), path)
    told = json.loads(market_files(path)[2].read_text(encoding="utf-8"))
    config = load_config(MarketsConfig, "markets").entry(told["symbol"])[0]
    request = MarketRequest(
        told["symbol"],
        told["edge"],
        told["strength"],
        timeframe=told["timeframe"],
        n_bars=told["bars"],
        seed=told["seed"],
    )
    assert (instrument_market(request, config).bars.close == read_bars(path).bars.close).all()

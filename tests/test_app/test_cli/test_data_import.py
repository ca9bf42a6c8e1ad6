import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.app.cli.main import main
from agv2.core.timeframes import Timeframe
from agv2.data.bars_file import read_bars
from agv2.data.duckdb_store import BarStore
from agv2.data.importers.clocks import parse_clock
from tests.test_data.test_importers.layouts import a_market, ns_of, on_clock, write

MT4 = "".join(f"2025.01.02,01:0{minute},2,3,1,2,7\n" for minute in range(5))
FXCM = (
    "timestamp,open,high,low,close\n"
    "2012-02-01 00:00:00+00:00,1.5,1.6,1.4,1.5\n"
    "2012-02-01 00:01:00+00:00,1.5,1.6,1.4,1.5\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def run_import(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["data", "import", *(str(word) for word in words)])
    assert isinstance(leaving.value.code, int)
    return leaving.value.code


def stored(home: Path) -> BarStore:
    return BarStore(home / "data" / "bars")


def test_files_go_into_the_store_with_their_side_and_source(home: Path, tmp_path: Path) -> None:
    (tmp_path / "EURUSD1.csv").write_text(MT4)
    assert run_import("EURUSD1.csv", "--timezone", "Europe/Athens") == 0
    series = stored(home).series()
    assert [(each.symbol, each.timeframe.name, each.rows) for each in series] == [("EURUSD", "1m", 5)]
    assert (series[0].price_side, series[0].source) == ("bid", "MetaTrader 4 export")
    assert stored(home).read("EURUSD", Timeframe(1)).ts_ns[0] == ns_of("2025-01-01 23:00")


def test_the_same_import_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "EURUSD1.csv").write_text(MT4)
    for _ in range(2):
        assert run_import("EURUSD1.csv", "--timezone", "UTC") == 0
    assert "0 new, 0 replaced, 5 there before" in capsys.readouterr().out


def test_a_parquet_file_carries_the_side_and_reads_as_bars(home: Path, tmp_path: Path) -> None:
    (tmp_path / "x_bid.csv").write_text(FXCM)
    assert run_import("x_bid.csv", "--symbol", "GBPUSD", "--out", "new/GBPUSD_1m.parquet") == 0
    path = tmp_path / "new" / "GBPUSD_1m.parquet"
    assert pl.read_parquet_metadata(path)["price_side"] == "bid"
    assert pl.read_parquet_metadata(path)["source"] == "FXCM candles"
    assert len(read_bars(path).bars) == 2
    assert not home.exists()


def test_the_clock_that_was_found_is_shown_with_its_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = a_market("2024-11-15", 330, "1h", "futures")
    write(tmp_path / "XAUUSD_H1.csv", "mt5", bars, on_clock(bars, parse_clock("Europe/Athens")))
    assert run_import("XAUUSD_H1.csv", "--out", "XAUUSD_1h.parquet") == 0
    text = capsys.readouterr().out
    assert "clock       Europe/Athens (EET/EEST) (found in the bars, certainty high)" in text
    assert "* Europe/Athens (EET/EEST)" in text
    assert "spread is in points of 0.01 (prices have 2 decimals)" in text
    np.testing.assert_array_equal(read_bars(tmp_path / "XAUUSD_1h.parquet").bars.ts_ns, bars.ts_ns)


def test_json_says_the_same_to_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "EURUSD1.csv").write_text(MT4)
    assert run_import("EURUSD1.csv", "--timezone", "New York+7", "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    assert (found["symbol"], found["timeframe"], found["bars"], found["format"]) == ("EURUSD", "1m", 5, "mt4")
    assert found["clock"] == {"name": "New York+7", "zone": "America/New_York", "ahead_hours": 7}
    assert (found["clock_basis"], found["price_side"], found["inserted"]) == ("stated", "bid", 5)


def test_any_table_by_its_mapping(home: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("When;O;H;L;C\n02/01/2025 03:05;1,5;2,5;1;2\n02/01/2025 03:10;1,5;2,5;1;2\n")
    words = ("--map", "ts=When,open=O,high=H,low=L,close=C", "--ts-format", "%d/%m/%Y %H:%M", "--timezone", "UTC")
    assert run_import("t.csv", "--symbol", "X", "--stamps", "close", "--price-side", "mid", *words) == 0
    bars = stored(home).read("X", Timeframe(5))
    assert bars.ts_ns.tolist() == [ns_of("2025-01-02 03:00"), ns_of("2025-01-02 03:05")]
    assert stored(home).series()[0].price_side == "mid"


def test_settled_overlap_and_left_out_rows_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(MT4 + "2025.01.02,01:05,x,3,1,2,7\n")
    (tmp_path / "b.csv").write_text(MT4.replace(",2,3", ",2.5,3"))
    words = ("--symbol", "X", "--timezone", "UTC", "--prefer", "last", "--skip-bad-rows", "1")
    assert run_import("a.csv", "b.csv", *words) == 0
    text = capsys.readouterr().out
    assert "5 stamps carried different bars: one of each kept" in text
    assert "a.csv: 1 unusable rows left out, the first on line 6" in text


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["EURUSD1.csv"], "say --timezone ZONE"),
        (["EURUSD1.csv", "--timezone", "Mars"], "is no zone that is known"),
        (["none.csv"], "there is no such file"),
        (["."], "this is a directory"),
        (["EURUSD1.csv", "--format", "mt6"], "known are parquet, mt4"),
        (["EURUSD1.csv", "--map", "open"], "is no ROLE=COLUMN"),
        (["EURUSD1.csv", "--timeframe", "7x"], "is not understood"),
        (["EURUSD1.csv", "--point", "-1"], "--point -1"),
        (["EURUSD1.csv", "--ts-format", "%H"], "names no whole date"),
        (["EURUSD1.csv", "--out", "x.csv"], "must end with .parquet"),
        (["EURUSD1.csv", "--out", "there.parquet"], "exists already"),
        (["bad.csv", "--symbol", "X", "--timezone", "UTC"], "line 2: open is no number: '2025.01.02,01:01,x,3,1,2,7'"),
        (["unknown.csv", "--symbol", "X"], "--map ts=Stamp,open=Open,high=High,low=Low,close=Close"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    (tmp_path / "EURUSD1.csv").write_text(MT4)
    (tmp_path / "there.parquet").write_text("precious")
    (tmp_path / "bad.csv").write_text("".join(f"2025.01.02,01:0{i},{p},3,1,2,7\n" for i, p in enumerate("2x22")))
    (tmp_path / "unknown.csv").write_text("Stamp|Open|High|Low|Close\nx|1|2|1|2\n")
    assert run_import(*words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    *evidence, line = captured.err.splitlines()
    assert line.startswith("agv2: ")
    assert problem in line
    assert all(each.startswith(("evidence", "  ", "*")) for each in evidence)
    assert not home.exists()
    assert (tmp_path / "there.parquet").read_text() == "precious"


def test_a_series_of_another_side_is_not_spliced(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ("bid", "ask"):
        (tmp_path / f"x_{side}.csv").write_text(FXCM)
    assert run_import("x_bid.csv", "--symbol", "GBPUSD") == 0
    assert run_import("x_ask.csv", "--symbol", "GBPUSD") == 1
    assert "price side bid, these bars have ask" in capsys.readouterr().err
    assert stored(home).series()[0].price_side == "bid"

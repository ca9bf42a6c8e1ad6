from pathlib import Path

import numpy as np
import pytest

from agv2.core.errors import AGV2Error, DataError
from agv2.core.timeframes import Timeframe
from agv2.data.importers.clocks import parse_clock
from agv2.data.importers.formats import format_named
from agv2.data.importers.import_bars import import_bars
from agv2.data.importers.import_request import ImportedSeries, ImportRequest
from agv2.data.importers.mapped_csv import parse_map
from agv2.data.importers.own_parquet import write_own_parquet
from agv2.data.importers.stamp_text import stated_layout
from agv2.data.importers.vendor_rows import PriceSide, ReadOptions
from tests.factories import some_bars
from tests.test_data.test_importers.layouts import ns_of

MINUTE_NS = 60_000_000_000

MT4 = "2025.01.02,01:00,2624.81,2625.63,2624.19,2624.65,460\n2025.01.02,01:01,2624.65,2625.01,2623.35,2623.60,454\n"
MT5 = (
    "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
    "2025.01.02\t01:00:00\t2624.81\t2625.63\t2624.19\t2624.65\t460\t0\t43\r\n"
    "2025.01.02\t01:15:00\t2624.67\t2625.01\t2623.35\t2623.60\t454\t0\t22\r\n"
)
DUKASCOPY = (
    "Gmt time,Open,High,Low,Close,Volume\n"
    "13.01.2017 22:00:00.000,1.05236,1.05253,1.05221,1.05227,143.5\n"
    "13.01.2017 23:00:00.000,1.05227,1.05426,1.05226,1.05282,253.1\n"
)
TICKS = (
    "Gmt time,Ask,Bid,AskVolume,BidVolume\n"
    "01.02.2017 22:00:00.100,1.2003,1.2001,1.5,0.75\n"
    "01.02.2017 22:00:10.500,1.2006,1.2004,1.5,0.75\n"
    "01.02.2017 22:00:59.999,1.2004,1.2000,1.5,0.75\n"
    "01.02.2017 22:02:00.000,1.2009,1.2008,1.5,0.75\n"
)
HISTDATA = "20120201 000000;1.3066;1.3067;1.3065;1.3066;0\n20120201 000100;1.3066;1.3068;1.3064;1.3067;0\n"
HISTDATA_TICKS = "20120201 000000123,1.3066,1.3067,0\n20120201 000101000,1.3065,1.3067,0\n"
KLINES = (
    "1637971200000,1.50,1.60,1.40,1.55,10.5,1637971259999,20.1,7,5.1,9.9,0\n"
    "1637971260000,1.55,1.70,1.50,1.65,11.5,1637971319999,21.1,8,5.2,9.8,0\n"
)
BITFINEX = "1457539440000,10.0,10.5,11.0,9.5,3.25\n1457539500000,10.5,10.2,10.6,10.1,1\n"
FXCM = (
    "timestamp,open,high,low,close\n"
    "2012-02-01 00:00:00+00:00,1.57597,1.57606,1.57576,1.57580\n"
    "2012-02-01 00:01:00+00:00,1.57576,1.57583,1.57543,1.57543\n"
)
FXCM_ASK = (
    "timestamp,open,high,low,close\n"
    "2012-02-01 00:00:00+00:00,1.57608,1.57610,1.57585,1.57590\n"
    "2012-02-01 00:01:00+00:00,1.57585,1.57591,1.57530,1.57540\n"
)
US_EQUITY = (
    "Date, Time, Open, High, Low, Close, Volume\n"
    "01/14/2015, 08:30, 178.65, 178.73, 178.57, 178.68, 66682.0000\n"
    "01/14/2015, 08:31, 178.68, 178.71, 178.58, 178.69, 17152.0000\n"
)


def imported(tmp_path: Path, *texts: str | tuple[str, str], **stated: object) -> ImportedSeries:
    """What is found in files of these texts; a pair is a name and a text."""
    paths = []
    for i, each in enumerate(texts):
        name, text = each if isinstance(each, tuple) else (f"file{i}.csv", each)
        paths.append(tmp_path / name)
        paths[-1].write_bytes(text.encode())
    options = stated.pop("options", ReadOptions())
    assert isinstance(options, ReadOptions)
    symbol = stated.pop("symbol", "TEST")
    return import_bars(ImportRequest(tuple(paths), symbol=symbol, options=options, **stated))  # type: ignore[arg-type]


def problem_of(tmp_path: Path, *texts: str | tuple[str, str], **stated: object) -> str:
    """The refusal: one line."""
    with pytest.raises(AGV2Error) as caught:
        imported(tmp_path, *texts, **stated)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_mt4_reads_server_time_as_stated(tmp_path: Path) -> None:
    found = imported(tmp_path, MT4, clock=parse_clock("Europe/Athens"))
    bars = found.bars
    assert (found.format.name, found.price_side, found.stamps, bars.timeframe.name) == ("mt4", "bid", "open", "1m")
    assert bars.ts_ns.tolist() == [ns_of("2025-01-01 23:00"), ns_of("2025-01-01 23:01")]
    assert bars.high.tolist() == [2625.63, 2625.01]
    assert bars.volume.tolist() == [460.0, 454.0]
    assert np.isnan(bars.spread).all()


def test_an_mt4_layout_named_by_histdata_is_est(tmp_path: Path) -> None:
    found = imported(tmp_path, ("DAT_MT_EURUSD_M1_2025.csv", MT4), symbol=None)
    assert (found.bars.symbol, found.clock.zone) == ("EURUSD", "Etc/GMT+5")
    assert found.bars.ts_ns[0] == ns_of("2025-01-02 06:00")


def test_mt5_spread_in_points_becomes_a_price_by_the_decimals(tmp_path: Path) -> None:
    found = imported(
        tmp_path, ("XAUUSD.m_M15_202501020100_202501020115.csv", MT5), symbol=None, clock=parse_clock("UTC")
    )
    assert (found.bars.symbol, found.format.name, found.bars.timeframe.name) == ("XAUUSD.m", "mt5", "15m")
    assert found.bars.spread.tolist() == [0.43, 0.22]
    assert "spread is in points of 0.01 (prices have 2 decimals)" in found.notes


def test_mt5_point_is_as_stated(tmp_path: Path) -> None:
    found = imported(tmp_path, MT5, clock=parse_clock("UTC"), options=ReadOptions(point=0.5))
    assert found.bars.spread.tolist() == [21.5, 11.0]
    assert "spread is in points of 0.5 (stated)" in found.notes


def test_mt5_daily_bars_have_no_time(tmp_path: Path) -> None:
    text = "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
    text += "2025.01.02\t10\t12\t9\t11\t5\t0\t3\n2025.01.03\t11\t12\t9\t11\t5\t0\t3\n"
    found = imported(tmp_path, text, clock=parse_clock("New York+7"))
    assert found.bars.timeframe.name == "1d"
    assert found.bars.ts_ns[0] == ns_of("2025-01-01 22:00")


def test_dukascopy_is_gmt_and_day_first_and_its_side_is_in_the_name(tmp_path: Path) -> None:
    name = "EURUSD_Candlestick_1_Hour_ASK_13.01.2017-13.01.2017.csv"
    found = imported(tmp_path, (name, DUKASCOPY), symbol=None)
    assert (found.bars.symbol, found.price_side, found.bars.timeframe.name) == ("EURUSD", "ask", "1h")
    assert found.bars.ts_ns[0] == ns_of("2017-01-13 22:00")
    assert found.bars.volume.tolist() == [143.5, 253.1]


def test_dukascopy_local_time_carries_its_offset(tmp_path: Path) -> None:
    text = DUKASCOPY.replace("Gmt time", "Local time").replace(".000", ".000 GMT+0200")
    found = imported(tmp_path, ("x_BID.csv", text))
    assert found.bars.ts_ns[0] == ns_of("2017-01-13 20:00")
    assert "leave --timezone out" in problem_of(tmp_path, ("x_BID.csv", text), clock=parse_clock("EET"))


def test_dukascopy_without_a_side_is_refused(tmp_path: Path) -> None:
    assert "say --price-side" in problem_of(tmp_path, DUKASCOPY)
    assert imported(tmp_path, DUKASCOPY, price_side="bid").price_side == "bid"


@pytest.mark.parametrize(
    ("text", "first"), [(TICKS, "2017-02-01 22:00"), (TICKS.replace("Gmt t", "T"), "2017-02-01 22:00")]
)
def test_ticks_become_minutes_of_bids_with_the_closing_spread(tmp_path: Path, text: str, first: str) -> None:
    found = imported(tmp_path, text)
    bars = found.bars
    assert (found.format.name, found.price_side, bars.timeframe.name) == ("dukascopy-ticks", "bid", "1m")
    assert bars.ts_ns.tolist() == [ns_of(first), ns_of(first) + 2 * MINUTE_NS]
    assert [bars.open[0], bars.high[0], bars.low[0], bars.close[0]] == [1.2001, 1.2004, 1.2000, 1.2000]
    assert bars.spread.tolist() == [0.0004, 0.0001]
    assert bars.volume.tolist() == [3.0, 1.0]


def test_ticks_do_not_become_other_bars(tmp_path: Path) -> None:
    assert "ticks become bars of 1m" in problem_of(tmp_path, TICKS, timeframe=Timeframe(5))


def test_histdata_is_est_and_its_zero_volume_is_unknown(tmp_path: Path) -> None:
    found = imported(tmp_path, ("DAT_ASCII_EURUSD_M1_2012.csv", HISTDATA), symbol=None)
    assert (found.bars.symbol, found.price_side) == ("EURUSD", "bid")
    assert found.bars.ts_ns[0] == ns_of("2012-02-01 05:00")
    assert np.isnan(found.bars.volume).all()


def test_histdata_ticks(tmp_path: Path) -> None:
    found = imported(tmp_path, ("DAT_ASCII_EURUSD_T_201202.csv", HISTDATA_TICKS), symbol=None)
    assert (found.format.name, found.bars.symbol, len(found.bars)) == ("histdata-ticks", "EURUSD", 2)
    assert found.bars.ts_ns[0] == ns_of("2012-02-01 05:00")
    assert found.bars.spread.tolist() == [0.0001, 0.0002]


@pytest.mark.parametrize(
    "text",
    [
        KLINES,
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,tb,tq,ignore\n" + KLINES,
        KLINES.replace("0000,1.5", "0000000,1.5").replace("9999,2", "9999999,2"),
        "[" + ",".join(f"[{line}]" for line in KLINES.split()) + "]",
    ],
    ids=["plain", "header", "microseconds", "json"],
)
def test_binance(tmp_path: Path, text: str) -> None:
    found = imported(tmp_path, ("ETHUSDT-1m-2021-11.csv", text), symbol=None)
    assert (found.format.name, found.bars.symbol, found.price_side) == ("binance", "ETHUSDT", "trade")
    assert found.bars.ts_ns.tolist() == [ns_of("2021-11-27 00:00"), ns_of("2021-11-27 00:01")]
    assert found.bars.close.tolist() == [1.55, 1.65]
    assert found.bars.volume.tolist() == [10.5, 11.5]


def test_one_kline_states_its_own_length(tmp_path: Path) -> None:
    assert imported(tmp_path, KLINES.splitlines()[0]).bars.timeframe.name == "1m"


@pytest.mark.parametrize(
    "text", [BITFINEX, "[" + ",".join(f"[{line}]" for line in reversed(BITFINEX.split())) + "]"], ids=["csv", "json"]
)
def test_bitfinex_order_is_open_close_high_low(tmp_path: Path, text: str) -> None:
    found = imported(tmp_path, text)
    bars = found.bars
    assert (found.format.name, found.price_side) == ("bitfinex", "trade")
    assert [bars.open[0], bars.high[0], bars.low[0], bars.close[0], bars.volume[0]] == [10.0, 11.0, 9.5, 10.5, 3.25]
    assert ("rows are newest first: turned round" in found.notes) == text.startswith("[")


def test_flat_candles_leave_the_order_in_doubt(tmp_path: Path) -> None:
    flat = "1457539440000,10,10,10,10,3\n1457539500000,11,11,11,11,1\n"
    assert "--format bitfinex" in problem_of(tmp_path, flat)
    assert len(imported(tmp_path, flat, format=format_named("bitfinex")).bars) == 2


def test_epoch_candles_in_the_usual_order_are_not_bitfinex(tmp_path: Path) -> None:
    usual = "1457539440000,10,11,9.5,10.5,3\n1457539500000,10.5,10.6,10.1,10.2,1\n"
    assert "in no format that is known" in problem_of(tmp_path, usual)


def test_a_pair_of_fxcm_files_gives_the_spread(tmp_path: Path) -> None:
    found = imported(tmp_path, ("GBP_ask.csv", FXCM_ASK), ("GBP_bid.csv", FXCM))
    assert found.price_side == "bid"
    assert found.bars.close.tolist() == [1.57580, 1.57543]
    assert found.bars.spread.tolist() == [0.0001, -0.00003]
    assert any("1 spreads are negative" in note for note in found.notes)


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_one_fxcm_side_alone_has_no_spread(tmp_path: Path, side: PriceSide) -> None:
    found = imported(tmp_path, (f"GBP_{side}.csv", FXCM))
    assert found.price_side == side
    assert np.isnan(found.bars.spread).all()


def test_fxcm_files_that_do_not_name_their_side_are_refused(tmp_path: Path) -> None:
    assert "neither bid nor ask" in problem_of(tmp_path, FXCM, FXCM_ASK)


def test_us_equity_is_month_first_by_evidence(tmp_path: Path) -> None:
    found = imported(tmp_path, US_EQUITY, clock=parse_clock("America/Chicago"), stamps="open")
    assert (found.format.name, found.price_side) == ("us-equity", "trade")
    assert found.bars.ts_ns[0] == ns_of("2015-01-14 14:30")


def test_a_date_that_could_be_either_needs_its_form_stated(tmp_path: Path) -> None:
    text = US_EQUITY.replace("01/14/2015", "01/05/2015")
    stated = {"clock": parse_clock("UTC"), "stamps": "open"}
    problem = problem_of(tmp_path, text, **stated)
    assert "--ts-format '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'" in problem
    options = ReadOptions(stamp_layout=stated_layout("%d/%m/%Y %H:%M"))
    assert imported(tmp_path, text, options=options, **stated).bars.ts_ns[0] == ns_of("2015-05-01 08:30")


CSV = "When;O;H;L;C;V;S\n2025-01-02 03:00;1,5;1,75;1,25;1,5;7;0,25\n2025-01-02 03:05;1,5;2,5;1,5;2;8;\n"


def test_any_table_by_its_mapping_with_a_decimal_comma(tmp_path: Path) -> None:
    columns = parse_map("ts=When,open=O,high=H,low=L,close=C,volume=6,spread=S")
    stated = {"clock": parse_clock("UTC+3"), "stamps": "close", "price_side": "mid"}
    found = imported(tmp_path, CSV, options=ReadOptions(columns=columns), **stated)
    assert (found.format.name, found.price_side, found.bars.timeframe.name) == ("csv", "mid", "5m")
    assert found.bars.ts_ns[0] == ns_of("2025-01-01 23:55")
    assert found.bars.high.tolist() == [1.75, 2.5]
    assert found.bars.volume.tolist() == [7.0, 8.0]
    assert found.bars.spread[0] == 0.25
    assert np.isnan(found.bars.spread[1])


def test_columns_by_number_where_there_are_no_names(tmp_path: Path) -> None:
    text = "1735786800,1.5,1.75,1.25,1.5\n1735787100,1.5,2.5,1.5,2\n"
    columns = parse_map("ts=1,open=2,high=3,low=4,close=5")
    found = imported(tmp_path, text, options=ReadOptions(columns=columns), stamps="open")
    assert found.bars.ts_ns[0] == ns_of("2025-01-02 03:00")
    assert any("--price-side" in note for note in found.notes)


def test_an_unknown_table_is_refused_with_the_mapping_it_needs(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, CSV)
    assert "the first line is 'When;O;H;L;C;V;S'" in problem
    assert "--map ts=…,open=O,high=H,low=L,close=C,volume=V" in problem
    named = CSV.replace("When", "Timestamp").replace("O;H;L;C", "Open;High;Low;Close")
    assert "--map ts=Timestamp,open=Open,high=High,low=Low,close=Close" in problem_of(tmp_path, named)


@pytest.mark.parametrize(
    "text", ["open=O", "ts=A,open=O,high=H,low=L", "ts=A,ts=B", "ts=A,open", "when=A", "ts=A,open=,high=H"]
)
def test_a_mapping_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(AGV2Error, match="--map"):
        parse_map(text)


def test_a_mapping_to_a_column_that_is_not_there(tmp_path: Path) -> None:
    columns = parse_map("ts=Time,open=O,high=H,low=L,close=C")
    assert "found: When, O, H, L, C, V, S" in problem_of(tmp_path, CSV, options=ReadOptions(columns=columns))


def test_a_stated_format_must_be_the_files(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, MT4, format=format_named("binance"))
    assert "is not in the format binance" in problem
    assert "(its own: mt4)" in problem
    with pytest.raises(AGV2Error, match="known are parquet, mt4"):
        format_named("mt6")


def test_our_parquet_comes_back_with_its_side(tmp_path: Path) -> None:
    bars = some_bars(50, symbol="GOLD")
    write_own_parquet(bars, tmp_path / "GOLD_1h.parquet", price_side="ask", source="MetaTrader 5 export")
    found = import_bars(ImportRequest((tmp_path / "GOLD_1h.parquet",)))
    assert (found.format.name, found.price_side, found.bars.symbol) == ("parquet", "ask", "GOLD")
    np.testing.assert_array_equal(found.bars.close, bars.close)
    np.testing.assert_array_equal(found.bars.ts_ns, bars.ts_ns)


def test_a_damaged_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "GOLD_1h.parquet"
    write_own_parquet(some_bars(50), path, price_side=None, source="test")
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + b"\xff" * 40 + whole[80:])
    with pytest.raises(DataError, match=r"GOLD_1h\.parquet"):
        import_bars(ImportRequest((path,)))


# ------------------------------------------------------------------------------- rows that cannot be used


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("2025.01.02,01:01,abc,2,1,1.5,7", "open is no number"),
        ("2025.01.02,01:01,1,2,1,nan,7", "close is no number"),
        ("2025.01.02,01:01,,2,1,1,7", "open is no number"),
        ("2025.01.02,01:01,1,2,0,1,7", "low is not above zero"),
        ("2025.01.02,01:01,1,2,1,3,7", "close lies outside low to high"),
        ("2025.01.02,01:01,1,1,2,1,7", "high is below low"),
        ("2025.02.30,01:01,1,2,1,1,7", "stamp is not of the form"),
        ("1960.02.20,01:01,1,2,1,1,7", "stamp is not of the form"),
        ("2025.01.02,01:01,1,2,1,1", "6 fields, expected 7"),
        ("2025.01.02,01:01,1,2,1,1,7,8", "8 fields, expected 7"),
        ("", "0 fields, expected 7"),
    ],
)
def test_an_unusable_row_is_named_with_line_and_text(tmp_path: Path, bad: str, problem: str) -> None:
    lines = [f"2025.01.02,01:0{minute},1.5,2.5,1.25,2,7" for minute in (2, 3, 4)]
    text = "\n".join([MT4.splitlines()[0].replace("26", ""), bad, *lines])
    found = problem_of(tmp_path, text, clock=parse_clock("UTC"))
    assert f"line 2: {problem}" in found
    assert repr(bad) in found
    assert "nothing was imported" in found
    kept = imported(tmp_path, text, clock=parse_clock("UTC"), options=ReadOptions(allowed_bad=1))
    assert len(kept.bars) == 4
    assert any("1 unusable rows left out, the first on line 2" in note for note in kept.notes)


def test_the_number_of_unusable_rows_is_told(tmp_path: Path) -> None:
    text = MT4 + "2025.01.02,01:02,x,2,1,1,7\n2025.01.02,01:03,x,2,1,1,7\n"
    problem = problem_of(tmp_path, text, clock=parse_clock("UTC"))
    assert "line 3" in problem
    assert "(2 such rows)" in problem
    assert "--skip-bad-rows 2" in problem


# ----------------------------------------------------------------------------------- symbol and timeframe


@pytest.mark.parametrize("symbol", [None, "", " ", "A/B", "ACCOUNT", "A\nB"])
def test_a_symbol_must_be_told(tmp_path: Path, symbol: str | None) -> None:
    assert "--symbol" in problem_of(tmp_path, MT4, symbol=symbol, clock=parse_clock("UTC"))


def test_names_of_two_symbols_are_refused(tmp_path: Path) -> None:
    files = (("ETHUSDT-1m-2021-11.csv", KLINES), ("BTCUSDT-1m-2021-11.csv", KLINES))
    assert "do not tell one symbol (ETHUSDT, BTCUSDT)" in problem_of(tmp_path, *files, symbol=None)


def test_a_timeframe_that_the_bars_contradict_is_refused(tmp_path: Path) -> None:
    assert "expected 5m" in problem_of(tmp_path, MT4, clock=parse_clock("UTC"), timeframe=Timeframe(5))


def test_one_bar_needs_its_timeframe_stated(tmp_path: Path) -> None:
    line = MT4.splitlines()[0]
    assert "say --timeframe" in problem_of(tmp_path, line, clock=parse_clock("UTC"))
    assert len(imported(tmp_path, line, clock=parse_clock("UTC"), timeframe=Timeframe(1)).bars) == 1


def test_mixed_timeframes_are_refused(tmp_path: Path) -> None:
    hours = [f"2025.01.02,{hour:02d}:00,1.5,2.5,1.25,2,7" for hour in range(9)]
    text = "\n".join([*hours, "2025.01.02,08:10,1.5,2.5,1.25,2,7"])
    assert "before the 1h bar before them has closed" in problem_of(tmp_path, text, clock=parse_clock("UTC"))

import datetime
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agv2.core.errors import DataError
from agv2.data.bars_file import read_bars, read_portfolio, symbol_of, usable_bars, write_bars
from agv2.data.synthetic import synthetic_bars

START = datetime.datetime(2020, 1, 6, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
STAMP = pl.Datetime("us", "UTC")


def rows(n_bars: int = 6) -> dict[str, list[Any]]:
    """Columns of a good file, as lists to spoil."""
    price = [100.0 + i for i in range(n_bars)]
    return {
        "ts": [START + i * HOUR for i in range(n_bars)],
        "open": list(price),
        "high": [p + 2.0 for p in price],
        "low": [p - 2.0 for p in price],
        "close": [p + 1.0 for p in price],
        "volume": [10.0] * n_bars,
        "spread": [0.5] * n_bars,
    }


def written(columns: dict[str, Any], path: Path, ts_type: Any = STAMP) -> Path:
    frame = pl.DataFrame(columns)
    if "ts" in columns and ts_type is not None:
        frame = frame.with_columns(pl.col("ts").cast(ts_type))
    frame.write_parquet(path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "GOLD_1h.parquet"


def problem_of(path: Path) -> str:
    """The refusal, checked for what every refusal owes the reader: one line that begins with the file."""
    with pytest.raises(DataError) as caught:
        read_bars(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


# ------------------------------------------------------------------------------------------ what is read


def test_a_good_file_is_read_as_it_is(path: Path) -> None:
    loaded = read_bars(written(rows(), path))
    bars = loaded.bars
    assert (bars.symbol, bars.timeframe.name, len(bars)) == ("GOLD", "1h", 6)
    assert bars.ts_ns[0] == int(START.timestamp()) * 1_000_000_000
    assert bars.close.tolist() == [101.0, 102.0, 103.0, 104.0, 105.0, 106.0]
    assert bars.spread.tolist() == [0.5] * 6
    assert loaded.notes == ()


def test_what_is_written_reads_back_the_same(path: Path) -> None:
    bars = synthetic_bars("noise", 300, 4, "5m", "GOLD")
    bars.volume[7] = np.nan
    write_bars(bars, path)
    again = read_bars(path).bars
    for name in ("ts_ns", "open", "high", "low", "close", "volume", "spread"):
        np.testing.assert_array_equal(getattr(again, name), getattr(bars, name))
    assert (again.symbol, again.timeframe) == (bars.symbol, bars.timeframe)
    schema = pl.read_parquet_schema(path)
    assert schema["ts"] == pl.Datetime("us", "UTC")
    assert list(schema) == ["ts", "open", "high", "low", "close", "volume", "spread"]
    assert pl.read_parquet(path)["volume"].null_count() == 1
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("name", ["volume", "spread"])
def test_absent_volume_and_spread_are_unknown(name: str, path: Path) -> None:
    columns = rows()
    del columns[name]
    assert np.isnan(getattr(read_bars(written(columns, path)).bars, name)).all()


def test_null_volume_and_spread_are_unknown(path: Path) -> None:
    columns = rows() | {"volume": [None] * 6, "spread": [0.5, None, 0.5, float("nan"), 0.5, 0.5]}
    bars = read_bars(written(columns, path)).bars
    assert np.isnan(bars.volume).all()
    assert np.flatnonzero(np.isnan(bars.spread)).tolist() == [1, 3]


def test_a_negative_spread_is_unknown_and_noted(path: Path) -> None:
    loaded = read_bars(written(rows() | {"spread": [0.5, -0.1, 0.5, 0.5, -0.2, 0.5]}, path))
    assert np.flatnonzero(np.isnan(loaded.bars.spread)).tolist() == [1, 4]
    assert loaded.notes == ("spread is negative or infinite in 2 rows: taken as unknown there",)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_every_precision_of_stamps_gives_the_same_bars(unit: Any, path: Path) -> None:
    loaded = read_bars(written(rows(), path, pl.Datetime(unit, "UTC")))
    assert loaded.bars.ts_ns[1] == int((START + HOUR).timestamp()) * 1_000_000_000
    assert loaded.notes == ()


def test_stamps_without_zone_are_utc_and_noted(path: Path) -> None:
    columns = rows() | {"ts": [moment.replace(tzinfo=None) for moment in rows()["ts"]]}
    loaded = read_bars(written(columns, path, pl.Datetime("us")))
    assert loaded.bars.ts_ns[0] == int(START.timestamp()) * 1_000_000_000
    assert loaded.notes == ("ts names no time zone: taken as UTC",)


def test_stamps_of_another_zone_become_utc_and_are_noted(path: Path) -> None:
    frame = pl.DataFrame(rows()).with_columns(pl.col("ts").dt.convert_time_zone("America/New_York"))
    frame.write_parquet(path)
    loaded = read_bars(path)
    assert loaded.bars.ts_ns[0] == int(START.timestamp()) * 1_000_000_000
    assert loaded.notes == ("ts is in America/New_York: converted to UTC",)


def test_prices_of_any_number_type_are_read(path: Path) -> None:
    frame = pl.DataFrame(rows()).with_columns(pl.col("open").cast(pl.Int32), pl.col("high").cast(pl.Float32))
    frame.write_parquet(path)
    assert read_bars(path).bars.open.tolist() == [100.0, 101.0, 102.0, 103.0, 104.0, 105.0]


def test_columns_of_no_concern_are_passed_over(path: Path) -> None:
    assert len(read_bars(written(rows() | {"broker": ["x"] * 6}, path)).bars) == 6


def test_identical_repeated_rows_are_dropped_and_noted(path: Path) -> None:
    columns = {name: [values[0], *values, values[-1], values[-1]] for name, values in rows().items()}
    columns["volume"] = [None] * 9  # unknown equals unknown
    loaded = read_bars(written(columns, path))
    assert loaded.bars.close.tolist() == [101.0, 102.0, 103.0, 104.0, 105.0, 106.0]
    assert loaded.notes == ("3 rows repeated the row before them: dropped",)


def test_the_timeframe_is_the_commonest_step(path: Path) -> None:
    columns = rows(8)
    columns["ts"] = [START + i * HOUR for i in (0, 1, 2, 3, 51, 52, 100, 101)]
    assert read_bars(written(columns, path)).bars.timeframe.name == "1h"


def test_bars_cut_short_by_a_changed_clock_are_noted(path: Path) -> None:
    columns = rows()
    columns["ts"] = [START + hours * HOUR for hours in (0, 24, 48, 71, 95, 119)]
    loaded = read_bars(written(columns, path))
    assert loaded.bars.timeframe.name == "1d"
    assert loaded.notes == ("1 bars are cut short by the next one, as where clocks change",)


# --------------------------------------------------------------------------------------- what is refused


def test_a_missing_file(path: Path) -> None:
    assert problem_of(path) == "there is no such file; check the path"


def test_a_directory(tmp_path: Path) -> None:
    assert "this is a directory" in problem_of(tmp_path)


def test_a_path_that_cannot_be_followed(path: Path) -> None:
    below_a_file = written(rows(), path) / "GOLD_1h.parquet"
    assert problem_of(below_a_file) == "cannot be read (Not a directory); check its permissions"


def test_an_empty_file(path: Path) -> None:
    path.touch()
    assert problem_of(path).startswith("the file is empty; write the bars as Parquet with columns ts")


def test_a_csv_file(path: Path) -> None:
    path.write_text("ts,open,high,low,close\n2020-01-01,1,1,1,1\n")
    assert problem_of(path).startswith("the file is not a complete Parquet file; write the bars as Parquet")


def test_an_export_in_place_of_parquet_is_told_how_to_be_imported(tmp_path: Path) -> None:
    export = tmp_path / "XAUUSD_M15.csv"
    export.write_text("Date,Open,High,Low,Close\n2020.01.01,1,1,1,1\n")
    with pytest.raises(
        DataError, match=r"not a complete Parquet file; make one of it by `agv2 data import .*M15\.csv --out"
    ):
        read_bars(export)


def test_a_file_cut_off_on_its_way(path: Path) -> None:
    content = written(rows(), path).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "not a complete Parquet file" in problem_of(path)


@pytest.mark.parametrize("spoil", [slice(8, 200), slice(-60, -8)], ids=["data", "footer"])
def test_a_damaged_file(spoil: slice, path: Path) -> None:
    content = bytearray(written(rows(1000), path).read_bytes())
    content[spoil] = bytes(reversed(content[spoil]))
    path.write_bytes(content)
    assert "damaged" in problem_of(path)


def test_no_rows(path: Path) -> None:
    pl.DataFrame(rows()).clear().write_parquet(path)
    assert problem_of(path) == "the file has no rows; export it again with its bars"


def test_one_row(path: Path) -> None:
    assert problem_of(written(rows(1), path)).startswith("one bar only, so its timeframe cannot be told")


@pytest.mark.parametrize("name", ["ts", "open", "high", "low", "close"])
def test_a_missing_column(name: str, path: Path) -> None:
    columns = rows()
    columns["mine"] = columns.pop(name)
    problem = problem_of(written(columns, path))
    assert problem.startswith(f"no column {name} (found: ")
    assert "mine" in problem
    assert problem.endswith("rename or add what is missing")


@pytest.mark.parametrize("name", ["ts", "open", "high", "low", "close"])
def test_a_column_in_capitals_gets_its_own_hint(name: str, path: Path) -> None:
    columns = rows()
    columns[name.upper()] = columns.pop(name)
    problem = problem_of(written(columns, path))
    assert problem.startswith(f"no column {name} (found: ")
    assert problem.endswith(f"names are lower case here: rename {name.upper()} to {name}")


def test_a_column_in_capitals_beside_a_missing_one(path: Path) -> None:
    columns = rows()
    columns["Open"] = columns.pop("open")
    del columns["close"]
    assert problem_of(written(columns, path)).endswith("rename Open to open and add what is missing")


@pytest.mark.parametrize(
    ("value", "found"), [(None, "null"), (float("nan"), "null"), (float("inf"), "inf"), (-float("inf"), "-inf")]
)
@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_a_price_that_is_no_number(name: str, value: float | None, found: str, path: Path) -> None:
    columns = rows()
    columns[name][3] = value
    assert problem_of(written(columns, path)) == (
        f"row 3 (2020-01-06 03:00:00 UTC): {name} {found} is not a number; correct or remove the row"
    )


@pytest.mark.parametrize("value", [0.0, -5.0])
@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_a_price_not_above_zero(name: str, value: float, path: Path) -> None:
    columns = rows()
    columns[name][2] = value
    assert problem_of(written(columns, path)) == (
        f"row 2 (2020-01-06 02:00:00 UTC): {name} {value:g} is not above zero; correct or remove the row"
    )


def test_a_high_below_the_low(path: Path) -> None:
    columns = rows()
    columns["high"][4], columns["low"][4] = columns["low"][4], columns["high"][4]
    assert problem_of(written(columns, path)) == (
        "row 4 (2020-01-06 04:00:00 UTC): high is below low (open 104, high 102, low 106, close 105); "
        "correct or remove the row"
    )


@pytest.mark.parametrize("name", ["open", "close"])
@pytest.mark.parametrize("value", [90.0, 110.0])
def test_an_open_or_close_outside_the_bar(name: str, value: float, path: Path) -> None:
    columns = rows()
    columns[name][1] = value
    assert problem_of(written(columns, path)).startswith(
        f"row 1 (2020-01-06 01:00:00 UTC): {name} lies outside low to high ("
    )


def test_rows_out_of_order(path: Path) -> None:
    columns = rows()
    columns["ts"][3], columns["ts"][4] = columns["ts"][4], columns["ts"][3]
    assert problem_of(written(columns, path)) == (
        "row 4 (2020-01-06 03:00:00 UTC) is earlier than the row before it; sort the file by ts"
    )


def test_one_stamp_with_two_different_bars(path: Path) -> None:
    columns = rows()
    columns["ts"][3] = columns["ts"][2]
    assert problem_of(written(columns, path)) == (
        "rows 2 and 3 are both stamped 2020-01-06 02:00:00 UTC but differ; keep the right one and remove the other"
    )


def test_a_row_without_stamp(path: Path) -> None:
    columns = rows()
    columns["ts"][2] = None
    assert problem_of(written(columns, path)) == "row 2 has no ts; remove the row or give its stamp"


@pytest.mark.parametrize(
    "spoil",
    [lambda ts: ts.isoformat(), lambda ts: int(ts.timestamp()), lambda ts: ts.date()],
    ids=["str", "int", "date"],
)
def test_stamps_of_another_type(spoil: Callable[[datetime.datetime], Any], path: Path) -> None:
    columns = rows() | {"ts": [spoil(moment) for moment in rows()["ts"]]}
    assert "expected a timestamp; convert it" in problem_of(written(columns, path, None))


def test_stamps_of_the_wrong_unit(path: Path) -> None:
    columns = rows() | {"ts": [int(moment.timestamp() * 1e6) for moment in rows()["ts"]]}  # microseconds called ms
    problem = problem_of(written(columns, path, pl.Datetime("ms", "UTC")))
    assert problem == (
        "row 0 is stamped 1578268800000000 ms after 1970, expected a year from 1970 to 2200; check the unit of ts"
    )


def test_prices_that_are_text(path: Path) -> None:
    columns = rows() | {"open": ["100"] * 6}
    assert problem_of(written(columns, path)) == "column open is String, expected numbers; convert it to float64"


def test_bars_of_less_than_a_minute(path: Path) -> None:
    columns = rows() | {"ts": [START + datetime.timedelta(seconds=10 * i) for i in range(6)]}
    assert problem_of(written(columns, path)).startswith("bars are mostly 10 s apart, expected whole minutes")


def test_a_file_of_two_timeframes(path: Path) -> None:
    columns = rows()
    columns["ts"] = [START + hours * HOUR for hours in (0, 1, 2, 3, 3.25, 4)]
    assert problem_of(written(columns, path)) == (
        "row 4 (2020-01-06 03:15:00 UTC) opens before the 1h bar before it has closed; "
        "split the file into one timeframe each"
    )


def test_a_stretch_of_longer_bars(path: Path) -> None:
    columns = rows(60)
    days = [START - (40 - i) * 24 * HOUR for i in range(20)]
    columns["ts"] = days + [START + i * HOUR for i in range(40)]
    assert problem_of(written(columns, path)) == (
        "row 0 (2019-11-27 00:00:00 UTC) begins a stretch of longer bars among 1h bars; "
        "split the file into one timeframe each"
    )


def test_rows_are_counted_as_in_the_file_even_after_repeated_ones(path: Path) -> None:
    columns = rows()
    columns["ts"] = [START + hours * HOUR for hours in (0, 1, 2, 3, 3.25, 4)]
    repeated = {name: [values[0], *values] for name, values in columns.items()}
    assert problem_of(written(repeated, path)).startswith("row 5 (2020-01-06 03:15:00 UTC) opens before")


# -------------------------------------------------------------------------------------- several and same


def test_the_symbol_is_the_stem_up_to_the_first_underscore() -> None:
    assert symbol_of(Path("a_b/XAUUSD_1h__ftmo__2025on.parquet")) == "XAUUSD"
    assert symbol_of(Path("ETHUSD.parquet")) == "ETHUSD"


def test_the_same_bars_in_another_file_have_the_same_content_hash(tmp_path: Path) -> None:
    one = read_bars(written(rows(), tmp_path / "A_1h.parquet"))
    two = read_bars(written(rows() | {"extra": [1] * 6}, tmp_path / "B_x.parquet", pl.Datetime("ns", "UTC")))
    assert one.content_hash == two.content_hash
    assert one.sha256 != two.sha256


@pytest.mark.parametrize("name", ["open", "volume", "spread"])
def test_any_other_value_gives_another_content_hash(name: str, path: Path, tmp_path: Path) -> None:
    columns = rows()
    columns[name][5] = float(np.nextafter(columns[name][5], 0.0))
    changed = written(columns, tmp_path / "CHANGED_1h.parquet")
    assert read_bars(changed).content_hash != read_bars(written(rows(), path)).content_hash


def test_a_portfolio_keeps_the_order_given(tmp_path: Path) -> None:
    paths = [written(rows(), tmp_path / f"{name}_1h.parquet") for name in ("B", "A")]
    assert [each.bars.symbol for each in read_portfolio(paths)] == ["B", "A"]
    assert [each.bars.symbol for each in read_portfolio(paths, ["X", "Y"])] == ["X", "Y"]


def test_two_files_of_one_symbol_are_refused(tmp_path: Path) -> None:
    paths = [written(rows(), tmp_path / name) for name in ("GOLD_1h.parquet", "GOLD_1h__other.parquet")]
    with pytest.raises(DataError, match=r"GOLD_1h__other.parquet: .*GOLD_1h.parquet is GOLD too; tell them apart"):
        read_portfolio(paths)


def test_the_name_of_the_sum_of_all_books_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ACCOUNT is taken"):
        read_portfolio([written(rows(), tmp_path / "ACCOUNT_1h.parquet")])


def test_a_file_name_without_symbol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gives no symbol; name it with --symbol"):
        read_portfolio([written(rows(), tmp_path / "_1h.parquet")])


def test_files_of_different_timeframes_are_refused(tmp_path: Path) -> None:
    slow = rows() | {"ts": [START + 4 * i * HOUR for i in range(6)]}
    paths = [written(rows(), tmp_path / "A.parquet"), written(slow, tmp_path / "B.parquet")]
    with pytest.raises(DataError, match=r"B.parquet: bars of 4h, but .*A.parquet has 1h; a portfolio needs one"):
        read_portfolio(paths)


def test_symbols_must_match_files_in_number(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 files but 2 symbols"):
        read_portfolio([written(rows(), tmp_path / "A.parquet")], ["X", "Y"])


def test_a_portfolio_may_be_admitted_by_other_rules(tmp_path: Path) -> None:
    columns = rows()
    columns["close"][3] = None
    path = written(columns, tmp_path / "A_1h.parquet")
    (loaded,) = read_portfolio([path], None, usable_bars)
    assert len(loaded.bars) == 5
    assert loaded.notes == ("1 rows with missing, non-positive or impossible prices left out",)


# ---------------------------------------------------------------------------------------------- anything


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_end_in_one_line(tmp_path: Path, content: bytes, with_magic: bool) -> None:
    path = tmp_path / "ANY_1h.parquet"
    path.write_bytes(b"PAR1" + content + b"PAR1" if with_magic else content)
    problem_of(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_columns_end_in_bars_or_in_one_line(tmp_path: Path, data: st.DataObject) -> None:
    columns: dict[str, Any] = rows(5)
    for name in data.draw(st.sets(st.sampled_from(list(columns)), max_size=3), label="spoiled"):
        kind = data.draw(st.sampled_from([st.floats(), st.integers(-(2**62), 2**62), st.text(), st.datetimes()]))
        columns[name] = data.draw(st.lists(st.one_of(st.none(), kind), min_size=5, max_size=5), label=name)
    for name in data.draw(st.sets(st.sampled_from(["ts", "open", "volume"]), max_size=1), label="dropped"):
        del columns[name]
    path = tmp_path / "ANY_1h.parquet"
    pl.DataFrame(columns, strict=False).write_parquet(path)
    try:
        bars = read_bars(path).bars
    except DataError:
        problem_of(path)
        return
    assert (np.diff(bars.ts_ns) > 0).all()
    assert (bars.low > 0).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()

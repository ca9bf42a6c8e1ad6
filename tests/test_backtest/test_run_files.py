import pathlib

import polars as pl
import pytest

from agv2.backtest.run_files import RunRows, read_run_rows, write_run_rows
from agv2.core.errors import DataError, InvariantError
from agv2.core.orders import FillReason
from tests.run_rows import HandFill, a_run

CLOSES = (100.0, 101.0, 102.0, 103.0)
FILLS = (HandFill(1, 2.0, 100.5, 100.0), HandFill(3, -2.0, 102.5, 103.0, reason="end"))


def test_what_is_written_is_read_back_with_the_contracts_columns_and_types(tmp_path: pathlib.Path) -> None:
    rows = a_run(CLOSES, FILLS, stops={0: 95.0})
    write_run_rows(rows, tmp_path / "oos")
    back = read_run_rows(tmp_path / "oos")
    for name in ("fills", "equity", "decisions"):
        assert getattr(back, name).equals(getattr(rows, name))
    fills = pl.read_parquet(tmp_path / "oos" / "fills.parquet")
    assert fills.columns == [
        "fold", "symbol", "ts", "side", "units", "price", "mid", "commission", "reason", "order_id", "decided_ts",
    ]  # fmt: skip
    stamp = pl.Datetime("us", "UTC")
    assert [fills.schema[name] for name in ("ts", "decided_ts", "side", "units")] == [stamp, stamp, pl.Int8, pl.Float64]
    assert pl.read_parquet(tmp_path / "oos" / "equity.parquet").schema["halted"] == pl.Boolean
    assert sorted(item.name for item in (tmp_path / "oos").iterdir()) == [
        "decisions.parquet", "equity.parquet", "fills.parquet",
    ]  # fmt: skip


def test_empty_tables_keep_their_types(tmp_path: pathlib.Path) -> None:
    write_run_rows(a_run(CLOSES), tmp_path)
    back = read_run_rows(tmp_path)
    assert back.fills.height == back.decisions.height == 0
    assert back.fills.schema["side"] == pl.Int8


def test_integer_stamps_and_reasons_become_moments_and_words() -> None:
    rows = a_run(CLOSES, FILLS)
    codes = rows.fills.with_columns(pl.Series("reason", [FillReason.ENTRY.value, FillReason.STOP_LOSS.value]))
    fills = RunRows.of(codes, rows.equity).fills
    assert fills["reason"].to_list() == ["entry", "stop_loss"]
    assert str(fills["ts"][0]) == "1970-01-01 01:00:00+00:00"


@pytest.mark.parametrize("hole", [None, float("nan"), float("inf")])
def test_a_null_or_infinite_value_is_refused(hole: float | None) -> None:
    rows = a_run(CLOSES, FILLS)
    holed = rows.fills.with_columns(pl.Series("price", [hole, 1.0]))
    with pytest.raises(InvariantError, match=r"fills\.price: 1 of 2 values"):
        RunRows.of(holed, rows.equity)


def test_a_missing_column_is_refused_by_name() -> None:
    rows = a_run(CLOSES, FILLS)
    with pytest.raises(InvariantError, match="equity: no column financing"):
        RunRows.of(rows.fills, rows.equity.drop("financing"))


@pytest.mark.parametrize(
    "change", [pl.lit(0.0).alias("units"), pl.lit(0).alias("side"), pl.col("ts").alias("decided_ts")]
)
def test_a_fill_without_size_or_side_or_before_its_decision_is_refused(change: pl.Expr) -> None:
    rows = a_run(CLOSES, FILLS)
    with pytest.raises(InvariantError, match="fills: 2 rows"):
        RunRows.of(rows.fills.with_columns(change), rows.equity)


def test_equity_rows_out_of_order_are_refused() -> None:
    rows = a_run(CLOSES)
    with pytest.raises(InvariantError, match="do not rise"):
        RunRows.of(rows.fills, rows.equity.reverse())


def test_two_symbols_may_share_stamps_and_the_account_is_no_symbol() -> None:
    one, two = a_run(CLOSES), a_run(CLOSES, symbol="SILVER")
    account = one.equity.with_columns(pl.lit("ACCOUNT").alias("symbol"))
    rows = RunRows.of(one.fills, pl.concat([one.equity, two.equity, account]))
    assert rows.symbols == ("GOLD", "SILVER")


def test_a_folder_without_tables_is_a_data_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match=r"fills\.parquet cannot be read"):
        read_run_rows(tmp_path)

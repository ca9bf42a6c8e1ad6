"""A file of windows: what is written is read, what others write is read too, and what cannot be used is named."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from agv2.core.errors import DataError
from agv2.data.price_action import window_writer
from agv2.data.price_action.window_columns import RowColumns, WindowBatch
from agv2.data.price_action.window_header import HEADER_KEY, WindowHeader
from agv2.data.price_action.window_writer import file_sizes, write_windows
from agv2.data.price_action_dataset import read_windows

WINDOW, N_FEATURES, N_BARS = 16, 5, 240
MATRIX = np.random.default_rng(0).standard_normal((N_BARS, N_FEATURES)).astype(np.float32)
LAST = np.arange(WINDOW - 1, N_BARS)
N = LAST.size
FEATURES = np.lib.stride_tricks.sliding_window_view(MATRIX, WINDOW, axis=0).transpose(0, 2, 1)
HEADER = WindowHeader(
    window=WINDOW,
    features=tuple("abcde"),
    timeframe="1m",
    stride=1,
    horizons=(1, 3, 12),
    classes={"regime_label": ("trend", "consolidation", "volatile")},
)


def labelled(last: Any = LAST) -> RowColumns:
    """Every column, each with something unknown in it."""
    bands = np.arange(16)
    return RowColumns(
        ts_ns=last * 60_000_000_000,
        symbol=np.where(last < 0, "B", "A"),
        sigma=np.where(last < 20, np.nan, 1e-3 * (1.0 + last / 7.0)),
        regime_label=last % 4 - 1,
        sr_heatmap=np.where(last[:, None] > 200, -1, (last[:, None] + bands) % 3),
        future_returns=np.where(last[:, None] + [1, 3, 12] >= N_BARS, np.nan, last[:, None] / [7, 8, 9]).astype("f4"),
        pattern_label=np.where(last % 5 == 0, -1, last % 3),
    )


def batches(size: int = 100, columns: RowColumns | None = None) -> Iterator[WindowBatch]:
    about = columns or labelled()
    for start in range(0, N, size):
        part = np.arange(start, min(start + size, N))
        yield WindowBatch(FEATURES[part], about.rows(part), start)


def written(path: Path, **kwargs: Any) -> Path:
    write_windows(path, HEADER, batches(), N, **kwargs)
    return path


def joined(path: Path, **kwargs: Any) -> tuple[np.ndarray[Any, Any], RowColumns]:
    parts = list(read_windows(path, **kwargs).batches(64))
    return np.concatenate([part.features for part in parts]), RowColumns.joined([part.columns for part in parts])


def frame(**columns: Any) -> pl.DataFrame:
    """A table as another tool may write it: nothing but the windows and what is asked for."""
    return pl.DataFrame({"features": pl.Series(FEATURES.reshape(N, -1).tolist(), dtype=pl.List(pl.Float32)), **columns})


def assert_same(one: RowColumns, other: RowColumns) -> None:
    assert one.present().keys() == other.present().keys()
    for name, values in one.present().items():
        np.testing.assert_array_equal(values, getattr(other, name), err_msg=name)


def test_what_is_written_is_read_bit_for_bit(tmp_path: Path) -> None:
    path = written(tmp_path / "new/windows.parquet")
    features, columns = joined(path)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, FEATURES)
    assert_same(columns, labelled())
    dataset = read_windows(path)
    assert (dataset.n, dataset.window, dataset.n_features) == (N, WINDOW, N_FEATURES)
    assert dataset.header == HEADER
    assert dataset.feature_names == HEADER.features


def test_columns_that_are_not_given_are_not_there(tmp_path: Path) -> None:
    write_windows(tmp_path / "w.parquet", HEADER, batches(columns=RowColumns()), N)
    assert pl.read_parquet_schema(tmp_path / "w.parquet").keys() == {"features"}
    assert joined(tmp_path / "w.parquet")[1] == RowColumns()


def test_other_tools_read_it_as_lists_with_nulls(tmp_path: Path) -> None:
    path = written(tmp_path / "w.parquet")
    table = pl.read_parquet(path)
    assert table.schema["ts"] == pl.Datetime("us", "UTC")
    assert table["regime_label"].null_count() == int((LAST % 4 == 0).sum())
    np.testing.assert_array_equal(table["features"].to_numpy().reshape(FEATURES.shape), FEATURES)
    row = duckdb.sql(f"select features, sr_heatmap, future_returns from '{path}' order by ts desc limit 1").fetchone()
    assert row is not None
    np.testing.assert_array_equal(np.array(row[0], dtype=np.float32), FEATURES[-1].ravel())
    assert row[1:] == ([None] * 16, [None] * 3)


@pytest.mark.parametrize("stated", [{"window": WINDOW}, {"n_features": N_FEATURES}])
def test_a_file_of_plain_polars_is_read(tmp_path: Path, stated: dict[str, int]) -> None:
    frame(regime_label=pl.Series(LAST % 3)).write_parquet(tmp_path / "w.parquet")
    features, columns = joined(tmp_path / "w.parquet", **stated)
    np.testing.assert_array_equal(features, FEATURES)
    np.testing.assert_array_equal(columns.present()["regime_label"], LAST % 3)
    assert columns.present().keys() == {"regime_label"}


def test_a_file_of_duckdb_is_read(tmp_path: Path) -> None:
    frame(number=LAST).write_parquet(tmp_path / "in.parquet")
    duckdb.sql(
        f"""copy (select features::double[] as features, case when number < 50 then null else number % 3 end as
        pattern_label, [number % 3, null, -1] as sr_heatmap, [0.5, null] as future_returns
        from '{tmp_path}/in.parquet' order by number) to '{tmp_path}/w.parquet' (format parquet)"""
    )
    features, columns = joined(tmp_path / "w.parquet", window=WINDOW)
    np.testing.assert_array_equal(features, FEATURES)
    found = columns.present()
    np.testing.assert_array_equal(found["pattern_label"], np.where(LAST < 50, -1, LAST % 3))
    np.testing.assert_array_equal(found["sr_heatmap"], np.stack([LAST % 3, LAST * 0 - 1, LAST * 0 - 1], axis=1))
    np.testing.assert_array_equal(found["future_returns"], np.tile([0.5, np.nan], (N, 1)))


def test_a_file_of_pandas_is_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pandas.DataFrame({"features": list(FEATURES.reshape(N, -1))})
    table["regime_label"] = [None, *(LAST[1:] % 3)]  # pandas makes floats of whole numbers beside nothing
    table["ts"] = pandas.to_datetime(LAST, unit="m")
    table.to_parquet(tmp_path / "w.parquet")
    features, columns = joined(tmp_path / "w.parquet", n_features=N_FEATURES)
    np.testing.assert_array_equal(features, FEATURES)
    np.testing.assert_array_equal(columns.present()["regime_label"], [-1, *(LAST[1:] % 3)])
    np.testing.assert_array_equal(columns.present()["ts_ns"], LAST * 60_000_000_000)


def test_a_heat_map_of_numbers_stays_one(tmp_path: Path) -> None:
    strengths = [None if i == 3 else [0.25 * i, -1.5] for i in range(N)]
    frame(sr_heatmap=pl.Series(strengths, dtype=pl.List(pl.Float64))).write_parquet(tmp_path / "w.parquet")
    found = joined(tmp_path / "w.parquet", window=WINDOW)[1].present()["sr_heatmap"]
    assert found.dtype == np.float32
    assert np.isnan(found[3]).all()
    np.testing.assert_array_equal(found[4], [1.0, -1.5])


@pytest.mark.parametrize(
    "nothing",
    [
        pl.Series([None] * N, dtype=pl.List(pl.Int64)),
        pl.Series([[]] * N, dtype=pl.List(pl.Int64)),
        pl.Series([None] * N, dtype=pl.Null),
    ],
)
def test_a_column_in_which_nothing_is_known_is_one_that_is_not_there(tmp_path: Path, nothing: pl.Series) -> None:
    frame(sr_heatmap=nothing, regime_label=pl.Series([None] * N, dtype=pl.Null)).write_parquet(tmp_path / "a.parquet")
    (batch,) = read_windows(tmp_path / "a.parquet", window=WINDOW).batches(N)
    assert batch.columns.sr_heatmap is None
    assert batch.columns.regime_label is None


def test_stamps_before_1970_are_stamps(tmp_path: Path) -> None:
    stamps = pl.Series((LAST - 10_000) * 60_000_000_000).cast(pl.Datetime("ns"))
    frame(ts=stamps).write_parquet(tmp_path / "a.parquet")
    series = read_windows(tmp_path / "a.parquet", window=WINDOW).series()
    assert series.columns.ts_ns is not None
    assert (series.columns.ts_ns == (LAST - 10_000) * 60_000_000_000).all()


def test_stamps_that_no_clock_of_ours_can_hold_are_named(tmp_path: Path) -> None:
    year_2500 = pl.Series(LAST + 16_725_225_600_000).cast(pl.Datetime("ms"))
    frame(ts=year_2500).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 0: ts lies before 1678 or after 2261"):
        list(read_windows(tmp_path / "a.parquet", window=WINDOW).batches())


def test_a_batch_holds_a_row_at_least(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows must be at least 1, got 0"):
        next(read_windows(written(tmp_path / "a.parquet")).batches(0))


def test_the_matrix_behind_the_windows_comes_back(tmp_path: Path) -> None:
    series = read_windows(written(tmp_path / "w.parquet")).series()
    np.testing.assert_array_equal(series.features, MATRIX)
    assert_same(series.columns, labelled())


def test_the_matrix_comes_back_across_groups_of_rows_and_symbols(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_writer, "_GROUP_BYTES", 4 * WINDOW * N_FEATURES * 30)
    two = [*batches(), *(WindowBatch(-part.features, part.columns, part.first_row) for part in batches())]
    for part in two[len(two) // 2 :]:
        assert part.columns.symbol is not None
        part.columns.symbol[:] = "B"
    write_windows(tmp_path / "w.parquet", HEADER, two, 2 * N)
    dataset = read_windows(tmp_path / "w.parquet")
    assert len(list(dataset.batches())) > 10
    np.testing.assert_array_equal(dataset.series("A").features, MATRIX)
    np.testing.assert_array_equal(dataset.series("B").features, -MATRIX)
    with pytest.raises(DataError, match="several symbols, A, B; name one"):
        dataset.series()
    with pytest.raises(DataError, match="no windows of C"):
        dataset.series("C")


def test_windows_that_do_not_agree_where_they_overlap_are_named(tmp_path: Path) -> None:
    wrong = FEATURES.copy()
    wrong[57, 3, 2] += 1e-6
    pl.DataFrame({"features": wrong.reshape(N, -1)}).write_parquet(tmp_path / "w.parquet")
    with pytest.raises(DataError, match="row 57: the window does not continue"):
        read_windows(tmp_path / "w.parquet", WINDOW).series()


def test_windows_that_overlap_are_a_series_however_far_apart(tmp_path: Path) -> None:
    stride = WINDOW - 1
    rows = np.arange(0, N, stride)
    apart = [WindowBatch(FEATURES[rows], RowColumns(ts_ns=LAST[rows] * 60_000_000_000))]
    write_windows(tmp_path / "w.parquet", HEADER.model_copy(update={"stride": stride}), apart, rows.size)
    dataset = read_windows(tmp_path / "w.parquet")
    series = dataset.series()
    np.testing.assert_array_equal(series.features, MATRIX[: rows[-1] + WINDOW])
    np.testing.assert_array_equal(series.last_bars, rows + WINDOW - 1)
    np.testing.assert_array_equal(series.columns.ts_ns, LAST[rows] * 60_000_000_000)
    in_parts = np.concatenate([batch.features for batch in dataset.batches(rows=2)])
    np.testing.assert_array_equal(in_parts, FEATURES[rows])


def test_windows_of_another_stride_than_said_are_named(tmp_path: Path) -> None:
    header = HEADER.model_copy(update={"stride": 2})
    write_windows(tmp_path / "w.parquet", header, batches(), N)
    with pytest.raises(DataError, match="row 1: the window does not continue the one before it by 2 bars"):
        read_windows(tmp_path / "w.parquet").series()


def test_windows_far_apart_are_no_series(tmp_path: Path) -> None:
    header = HEADER.model_copy(update={"stride": WINDOW})
    write_windows(tmp_path / "w.parquet", header, batches(), N)
    with pytest.raises(DataError, match=f"lie {WINDOW} bars apart and do not overlap.* smaller --stride"):
        read_windows(tmp_path / "w.parquet").series()


def test_symbols_are_told_in_their_order(tmp_path: Path) -> None:
    frame(symbol=["B"] * 3 + ["A"] * (N - 3)).write_parquet(tmp_path / "w.parquet")
    assert read_windows(tmp_path / "w.parquet", WINDOW).symbols() == ("B", "A")
    frame().write_parquet(tmp_path / "w.parquet")
    assert read_windows(tmp_path / "w.parquet", WINDOW).symbols() == ()


def test_a_series_out_of_order_is_named(tmp_path: Path) -> None:
    stamps = pl.Series(LAST * 60_000_000, dtype=pl.Datetime("us"))
    frame(ts=pl.concat([stamps[:30], stamps[29:-1]])).write_parquet(tmp_path / "w.parquet")
    with pytest.raises(DataError, match="row 30: ts is not later"):
        read_windows(tmp_path / "w.parquet", WINDOW).series()


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({}, "rows of 80 numbers, and the file does not say"),
        ({"window": 7}, "80 numbers cannot be divided by 7 bars"),
        ({"n_features": 3}, "80 numbers cannot be divided by 3 features"),
        ({"window": 16, "n_features": 4}, r"80 numbers, expected 16 bars × 4 features = 64"),
    ],
)
def test_a_width_that_does_not_fit_is_refused(tmp_path: Path, stated: dict[str, int], said: str) -> None:
    frame().write_parquet(tmp_path / "w.parquet")
    with pytest.raises(DataError, match=said):
        read_windows(tmp_path / "w.parquet", **stated)


def test_a_stated_window_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file says window 16, asked for was 20"):
        read_windows(written(tmp_path / "w.parquet"), window=20)


def lists(row: int, value: list[float] | None) -> pl.Series:
    rows: list[Any] = FEATURES.reshape(N, -1).tolist()
    rows[row] = value
    return pl.Series("features", rows, dtype=pl.List(pl.Float32))


WIDTH = WINDOW * N_FEATURES
BAD = {
    "no column": (pl.DataFrame({"feature": [[1.0]]}), "no column features"),
    "no list": (pl.DataFrame({"features": [1.0, 2.0]}), "column features is Float64, expected a flat list of floats"),
    "whole numbers": (pl.DataFrame({"features": [[1] * WIDTH]}), "expected a flat list of floats"),
    "nested": (pl.DataFrame({"features": [[[1.0] * N_FEATURES] * WINDOW]}), "expected a flat list of floats"),
    "words": (frame(regime_label=pl.Series(["up"] * N)), "column regime_label is String, expected numbers"),
    "no rows": (frame().head(0), "the file has no rows"),
    "ragged": (pl.DataFrame([lists(9, [1.0, 2.0])]), "row 9: features is a list of 2, expected a list of 80"),
    "null": (pl.DataFrame([lists(9, None)]), "row 9: features is null"),
    "NaN": (pl.DataFrame([lists(150, [1.0] * 7 + [float("nan")] + [1.0] * 72)]), "row 150: feature 2 of bar 1 .* nan"),
    "infinite": (pl.DataFrame([lists(150, [float("inf")] * WIDTH)]), "row 150: feature 0 of bar 0 .* inf"),
    "empty list": (pl.DataFrame([lists(0, [])]), "rows of 0 numbers"),
    "class too high": (
        frame(regime_label=pl.Series(np.where(LAST[70] == LAST, 3, 1))),
        "row 70: regime_label is 3, expected a whole number from 0 to 2",
    ),
    "half a class": (frame(pattern_label=pl.Series(np.where(LAST[2] == LAST, 0.5, 1.0))), "pattern_label is 0.5"),
    "class below": (frame(sr_heatmap=pl.Series([[0, -2]] * N)), "row 0: sr_heatmap is -2"),
    "ragged labels": (frame(future_returns=pl.Series([[0.1, 0.2]] * (N - 1) + [[0.1]])), "is a list of 1, expected"),
    "infinite label": (frame(future_returns=pl.Series([[0.1]] * 5 + [[float("inf")]] * (N - 5))), "row 5: future_ret"),
    "numbers as ts": (frame(ts=pl.Series(LAST)), "column ts is Int64, expected timestamps"),
    "no stamp": (frame(ts=pl.Series([None] * N, dtype=pl.Datetime("us"))), "row 0: ts is null"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_one_line_that_names_it(tmp_path: Path, table: pl.DataFrame, said: str) -> None:
    path = tmp_path / "w.parquet"
    table.write_parquet(path)
    with pytest.raises(DataError, match=said) as error:
        list(read_windows(path, WINDOW).batches())
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: b"", "the file is empty"),
        (lambda content: b"ts,features\n1,2\n" * 9, "not a Parquet file"),
        (lambda content: content[: len(content) // 2], "the file is cut short"),
        (lambda content: content[:2000] + bytes(1000) + content[3000:], "damaged"),
        (lambda content: content[:-4000] + bytes(3992) + content[-8:], "damaged"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, change: Any, said: str) -> None:
    path = written(tmp_path / "w.parquet")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=said):
        list(read_windows(path).batches())


def test_no_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_windows(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="this is a directory"):
        read_windows(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"format": 2}', "windows of format 2, expected 1"), ("{", "damaged"), ('{"format": 1}', "damaged")],
)
def test_a_header_of_another_kind_is_refused(tmp_path: Path, text: str, said: str) -> None:
    frame().write_parquet(tmp_path / "w.parquet", metadata={HEADER_KEY: text})
    with pytest.raises(DataError, match=said):
        read_windows(tmp_path / "w.parquet", WINDOW)


def test_names_that_look_like_patterns_are_names(tmp_path: Path) -> None:
    assert read_windows(written(tmp_path / "w[12]*.parquet")).n == N


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    path.write_text("precious")
    with pytest.raises(DataError, match="exists already; write elsewhere, or replace it with --force"):
        written(path)
    assert path.read_text() == "precious"
    assert read_windows(written(path, force=True)).n == N


class Stopped(BaseException):
    """As Ctrl-C."""


@pytest.mark.parametrize("error", [Stopped, ValueError])
def test_a_writer_that_is_stopped_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "w.parquet"
    path.write_text("precious")

    def half() -> Iterator[WindowBatch]:
        yield from list(batches())[:2]
        raise error

    with pytest.raises(error):
        write_windows(path, HEADER, half(), N, force=True)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("w.parquet", "precious")]


KILLED = """
import os, signal, sys, time
from pathlib import Path
from tests.test_data.test_price_action_dataset import HEADER, N, batches, write_windows

def dying():
    yield from list(batches())[:2]
    given_up = time.monotonic() + 60.0
    while not any(Path(sys.argv[1]).parent.iterdir()) and time.monotonic() < given_up:
        time.sleep(0.01)  # rows are asked for before the file is opened
    print(sorted(each.name for each in Path(sys.argv[1]).parent.iterdir()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

write_windows(Path(sys.argv[1]), HEADER, dying(), N)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_writer_that_is_killed_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    result = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True, check=False)
    assert result.returncode < 0, result.stderr
    assert not path.exists()
    assert "unfinished" in result.stdout  # it was at work
    assert read_windows(written(path)).n == N


INTERRUPTED = """
import sys, time
from pathlib import Path
from tests.test_data.test_price_action_dataset import HEADER, batches, write_windows

def slow():
    while True:
        yield from batches()
        print("at work", flush=True)
        time.sleep(0.05)

write_windows(Path(sys.argv[1]), HEADER, slow(), 10**6)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_a_writer_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "w.parquet")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert [writer.stdout.readline() for _ in range(3)] == ["at work\n"] * 3
        assert len(list(tmp_path.iterdir())) == 1
        writer.send_signal(signal.SIGINT)
        _, errors = writer.communicate(timeout=60)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert not list(tmp_path.iterdir())


def test_what_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    hole = next(batches()).features.copy()
    hole[3, 1, 2] = np.nan
    with pytest.raises(DataError, match="row 3: a feature is not finite"):
        write_windows(tmp_path / "w.parquet", HEADER, [WindowBatch(hole, RowColumns())], 100)
    with pytest.raises(DataError, match="300 windows announced, 225 found"):
        write_windows(tmp_path / "w.parquet", HEADER, batches(), 300)
    with pytest.raises(DataError, match="announced as"):
        write_windows(tmp_path / "w.parquet", HEADER.model_copy(update={"window": 20}), batches(), N)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"needed, 0\.0 GB free; take a larger --stride"):
        written(tmp_path / "w.parquet")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(DataError, match="cannot be written"):
        written(tmp_path / "file/w.parquet")
    with pytest.raises(DataError, match="this is a directory"):
        written(tmp_path)


def test_sizes_are_about_right(tmp_path: Path) -> None:
    sizes = file_sizes(N, WINDOW, N_FEATURES, 1)
    assert sizes.unpacked == FEATURES.nbytes
    path = tmp_path / "w.parquet"
    write_windows(path, HEADER, batches(columns=RowColumns()), N)
    assert 0.3 * sizes.packed < path.stat().st_size < 2.0 * sizes.packed + 5_000
    assert file_sizes(N, WINDOW, N_FEATURES, WINDOW).packed == sizes.unpacked  # nothing is shared


MEMORY = """
import re, sys
from pathlib import Path
import numpy as np
from agv2.data.price_action import window_writer
from agv2.data.price_action.window_columns import RowColumns, WindowBatch
from agv2.data.price_action.window_header import WindowHeader
from agv2.data.price_action_dataset import read_windows
from agv2.features.windowing import gather_windows

window_writer._GROUP_BYTES, window_writer._PAGE_BYTES = 4_000_000, 2_000_000  # a small file will do
# Not getrusage: its peak begins with that of the process which started this one.
mega = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e3
path, n, window = Path(sys.argv[1]), 3000, 256
values = np.random.default_rng(0).standard_normal((n + window, 100)).astype(np.float32)

def batches():
    for start in range(0, n, 30):
        last = np.arange(start, start + 30) + window - 1
        yield WindowBatch(gather_windows(values, last, window), RowColumns())

header = WindowHeader(window=window, features=tuple(map(str, range(100))), timeframe="1m", stride=1)
before = mega()
if sys.argv[2] == "write":
    window_writer.write_windows(path, header, batches(), n)
else:
    assert sum(len(batch) for batch in read_windows(path).batches()) == n
print(mega() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is asked for in another way")
def test_memory_is_that_of_some_groups_of_rows_not_of_the_file(tmp_path: Path) -> None:
    unpacked = 3000 * 256 * 100 * 4 / 1e6
    for what in ("write", "read"):
        words = [sys.executable, "-c", MEMORY, str(tmp_path / "w.parquet"), what]
        result = subprocess.run(words, capture_output=True, text=True, check=True)
        assert 4.0 < float(result.stdout) < 0.5 * unpacked, what

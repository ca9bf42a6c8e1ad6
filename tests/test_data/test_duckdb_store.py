import itertools
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.duckdb_store import BarStore, StoreWrite
from agv2.data.store.bar_partition import laid_over
from agv2.data.store.durable_files import replace_durably
from agv2.data.store.series_paths import series_directories, series_directory
from agv2.data.store.series_record import SeriesRecord, merged, without
from tests.factories import START_NS, bars_of, some_bars

ROOT = Path(__file__).resolve().parents[2]
HOUR = Timeframe.parse("1h")
HOUR_NS = HOUR.nanoseconds
AWKWARD = ["GER40.cash", "BRK/B", "A B", "..", ".", "NULL", "null", "__HIVE_DEFAULT_PARTITION__", "2024-01-01", "1E5",
           "Ä€", "A%2FB", "a", "A", "X=Y", "A.", "日経"]  # fmt: skip


def same(left: Bars, right: Bars) -> bool:
    columns = ("ts_ns", "open", "high", "low", "close", "volume", "spread")
    return (left.symbol, left.timeframe) == (right.symbol, right.timeframe) and all(
        np.array_equal(getattr(left, name), getattr(right, name), equal_nan=name != "ts_ns") for name in columns
    )


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_bars_over_several_years_read_back_as_written(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), some_bars(20_000)
    bars.volume[::3] = 7.0
    assert store.write(bars) == StoreWrite(20_000, 0, 0)
    assert same(store.read("TEST", HOUR), bars)
    assert store.years("TEST", HOUR) == (2024, 2025, 2026)


def test_a_file_has_the_schema_of_our_parquet_with_null_for_unknown(tmp_path: Path) -> None:
    BarStore(tmp_path).write(bars_of([1.0, 2.0]))
    frame = pl.read_parquet(tmp_path / "symbol=TEST/timeframe=1h/year=2024/part.parquet", hive_partitioning=False)
    assert frame.schema["ts"] == pl.Datetime("us", "UTC")
    assert frame.columns == ["ts", "open", "high", "low", "close", "volume", "spread"]
    assert frame["volume"].null_count() == 2


def test_a_span_is_read_from_its_start_up_to_but_not_including_its_stop(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), some_bars(20_000)
    store.write(bars)
    for low, high in ((0, 1), (8_700, 8_800), (100, 17_600), (5, 5)):
        stop_ns = int(bars.ts_ns[high])
        assert same(store.read("TEST", HOUR, int(bars.ts_ns[low]), stop_ns), bars.slice(low, high))
    assert len(store.read("TEST", HOUR, START_NS + 1, START_NS + HOUR_NS)) == 0
    assert len(store.read("TEST", HOUR, START_NS + HOUR_NS, START_NS)) == 0


def test_read_bars_may_be_written_to(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(some_bars(10))
    bars = store.read("TEST", HOUR)
    assert all(getattr(bars, name).flags.writeable for name in ("ts_ns", "open", "close", "volume", "spread"))


def test_the_newest_bar_of_a_stamp_wins_and_is_counted(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0, 2.0, 3.0]))
    assert store.write(bars_of([1.0, 2.0, 5.0, 6.0])) == StoreWrite(inserted=1, replaced=1, unchanged=2)
    assert store.read("TEST", HOUR).close.tolist() == [1.0, 2.0, 5.0, 6.0]


def test_writing_the_same_bars_again_touches_no_file(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), some_bars(100)
    store.write(bars)
    [part] = tmp_path.rglob("*.parquet")
    before = part.stat().st_ino
    assert store.write(bars) == StoreWrite(0, 0, 100)
    assert part.stat().st_ino == before


@given(
    st.lists(st.dictionaries(st.integers(0, 12), st.integers(1, 3), max_size=8), max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_writes_equals_a_dictionary(writes: list[dict[int, int]]) -> None:
    def bars(content: dict[int, int]) -> Bars:
        stamps = np.array(sorted(content), dtype=np.int64)
        close = np.array([float(content[stamp]) for stamp in sorted(content)])
        return Bars("T", HOUR, stamps * HOUR_NS, close, close, close, close, close, close)

    held: dict[int, int] = {}
    stored = bars({})
    for content in writes:
        overlay = laid_over(stored, bars(content))
        assert overlay.inserted == len(content.keys() - held.keys())
        assert overlay.replaced == sum(held.get(key, value) != value for key, value in content.items())
        held |= content
        stored = overlay.bars
    assert same(stored, bars(held))


@pytest.mark.parametrize("symbol", AWKWARD)
def test_an_awkward_symbol_is_stored_inside_the_root_and_found_again(tmp_path: Path, symbol: str) -> None:
    root = tmp_path / "outer" / "bars"
    store = BarStore(root)
    bars = replace(bars_of([1.0, 2.0]), symbol=symbol)
    store.write(bars)
    assert same(store.read(symbol, HOUR), bars)
    assert [each.symbol for each in store.series()] == [symbol]
    with store.connect() as connection:
        assert connection.execute("SELECT DISTINCT symbol FROM bars").fetchall() == [(symbol,)]
    assert files(tmp_path) == {f"outer/bars/{name}" for name in files(root)}


def test_awkward_symbols_stay_apart_where_case_is_not_told_apart(tmp_path: Path) -> None:
    names = [series_directory(tmp_path, symbol, HOUR).parent.name for symbol in AWKWARD]
    assert len({name.casefold() for name in names}) == len(AWKWARD)


@given(st.text(min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_symbol_has_a_safe_directory_that_says_which_it_is_or_is_refused(symbol: str) -> None:
    try:
        directory = series_directory(Path("root"), symbol, HOUR)
    except DataError:
        assert not symbol.strip() or not symbol.isprintable()
        return
    assert directory.parent.parent == Path("root")
    assert set(directory.parent.name) <= set("symbol=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.%")


@pytest.mark.parametrize("symbol", ["", "  ", "A\nB", "A\x00", "X" * 300, "\ud800"])
def test_a_symbol_that_cannot_be_a_name_is_refused(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(DataError, match="symbol"):
        BarStore(tmp_path).write(replace(bars_of([1.0]), symbol=symbol))
    assert files(tmp_path) == set()


def test_a_root_with_pattern_letters_works(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "my [bars]* it's?")
    store.write(bars_of([1.0, 2.0]))
    assert len(store.read("TEST", HOUR)) == 2
    assert store.series()[0].rows == 2
    with store.connect() as connection:
        assert connection.execute("SELECT count(*) FROM bars").fetchone() == (2,)


def test_an_empty_store_has_no_series_and_an_empty_view(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "none")
    assert store.series() == []
    assert len(store.read("TEST", HOUR)) == 0
    with store.connect() as connection:
        connection.execute("SELECT symbol, timeframe, year, ts, open, high, low, close, volume, spread FROM bars")
        assert connection.fetchall() == []
    assert not (tmp_path / "none").exists()


def test_the_view_answers_questions_over_all_series(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0, 2.0, 3.0], symbol="A"))
    store.write(bars_of([10.0, 20.0], symbol="B", timeframe="5m"))
    with store.connect() as connection:
        rows = connection.execute(
            "SELECT symbol, timeframe, count(*), max(close), min(ts)::VARCHAR, count(volume) FROM bars GROUP BY ALL "
            "ORDER BY symbol"
        ).fetchall()
    first = "2024-01-02 00:00:00+00"
    assert rows == [("A", "1h", 3, 3.0, first, 0), ("B", "5m", 2, 20.0, first, 0)]


def test_series_tell_what_is_stored(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), some_bars(20_000)
    store.write(bars, price_side="bid", source="a file")
    [series] = store.series()
    assert (series.rows, series.first_ns, series.last_ns) == (20_000, bars.ts_ns[0], bars.ts_ns[-1])
    assert (series.price_side, series.source) == ("bid", "a file")
    assert series.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))


def test_foreign_directories_are_passed_over(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0]))
    for name in ("symbol=lower/timeframe=1h", "symbol=X/timeframe=hour", "notes", "symbol=X/timeframe=60m"):
        (tmp_path / name / "year=2024").mkdir(parents=True)
    assert [symbol for symbol, _, _ in series_directories(tmp_path)] == ["TEST"]


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ({"price_side": "bid"}, {"price_side": "ask"}, "price side bid, these bars have ask"),
        ({"source": "X"}, {"source": "Y"}, "source X, these bars have Y"),
        ({}, {"source": "Y"}, "source unknown, these bars have Y"),
    ],
)
def test_two_feeds_in_one_series_are_refused_and_nothing_changes(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], word: str
) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0, 2.0]), **first)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match=word):
        store.write(bars_of([1.0, 5.0, 6.0]), **second)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_bars_without_a_stated_feed_join_the_one_that_is_there(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0]), price_side="bid", source="X")
    store.write(bars_of([1.0, 2.0]))
    assert (store.series()[0].price_side, store.series()[0].source) == ("bid", "X")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ts_ns": np.array([2, 1]) * HOUR_NS}, "not later than"),
        ({"ts_ns": np.array([1, 1]) * HOUR_NS}, "not later than"),
        ({"ts_ns": np.array([1, HOUR_NS])}, "finer than a microsecond"),
        ({"close": np.array([1.0, np.nan])}, "bar 1 has no close"),
    ],
)
def test_bars_that_could_not_be_read_back_are_refused(tmp_path: Path, change: dict[str, object], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        BarStore(tmp_path).write(replace(bars_of([1.0, 2.0]), **change))  # type: ignore[arg-type]
    assert files(tmp_path) == set()


@pytest.mark.parametrize("content", [b"", b"PAR1 this is not what it says PAR1", b"{}"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    store = BarStore(tmp_path)
    store.write(some_bars(20_000))
    part = tmp_path / "symbol=TEST/timeframe=1h/year=2025/part.parquet"
    part.write_bytes(content)
    with pytest.raises(DataError, match=r"year=2025/part\.parquet: .*remove the file"):
        store.read("TEST", HOUR)
    with pytest.raises(DataError, match="remove"):
        store.series()


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0, 2.0]))
    pl.DataFrame({"ts": [1], "open": [1.0]}).write_parquet(tmp_path / "symbol=TEST/timeframe=1h/year=2024/part.parquet")
    with pytest.raises(DataError, match=r"part\.parquet"):
        store.read("TEST", HOUR)


def test_a_damaged_record_is_named_with_the_remedy(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0, 2.0]))
    (tmp_path / "symbol=TEST/timeframe=1h/series.json").write_text('{"price_side": 3}')
    with pytest.raises(DataError, match=r"series\.json.*move .*timeframe=1h away"):
        store.write(bars_of([3.0]))


@pytest.mark.skipif(os.name == "nt", reason="no POSIX permissions")
def test_an_unwritable_root_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        BarStore(tmp_path / "file").write(bars_of([1.0]))


@pytest.mark.skipif(os.name == "nt", reason="no limit on the length of files")
def test_a_full_disk_is_one_clear_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    import resource

    store, bars = BarStore(tmp_path), some_bars(8_000)
    store.write(bars.slice(0, 10))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(DataError, match=r"cannot be written .*free space"):
            store.write(bars)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert same(store.read("TEST", HOUR), bars.slice(0, 10))
    assert not list(tmp_path.rglob("*.unfinished"))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def fail(name: Path) -> None:
        name.write_bytes(b"half")
        raise KeyboardInterrupt

    target = tmp_path / "x.json"
    replace_durably(target, lambda name: name.write_bytes(b"old"))
    with pytest.raises(KeyboardInterrupt):
        replace_durably(target, fail)
    assert (files(tmp_path), target.read_bytes()) == ({"x.json"}, b"old")


def test_leftovers_of_a_dead_writer_are_never_read_and_go_with_the_next_write(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0]))
    directory = tmp_path / "symbol=TEST/timeframe=1h/year=2024"
    left = directory / "part.parquet.0123.unfinished"
    left.write_bytes(b"half a file")
    assert len(store.read("TEST", HOUR)) == 1
    assert store.series()[0].rows == 1
    store.write(bars_of([1.0, 2.0]))
    assert not left.exists()


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from agv2.core.timeframes import Timeframe
from agv2.core.bars import Bars
from agv2.data.duckdb_store import BarStore
root, n_bars = Path(sys.argv[1]), int(sys.argv[2])
ts = np.int64(1_704_153_600_000_000_000) + np.arange(n_bars) * 60_000_000_000
version = 0
print("ready", flush=True)
while True:
    version += 1
    same = np.full(n_bars, float(version))
    BarStore(root).write(Bars("T", Timeframe(1), ts, same, same, same, same, same, same))
"""


def _writer(root: Path, n_bars: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(root), str(n_bars)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_kills_at_any_moment_leave_whole_files(tmp_path: Path) -> None:
    n_bars, minute = 60_000, Timeframe(1)
    store, rng = BarStore(tmp_path), np.random.default_rng(5)
    versions: list[float] = []
    for _ in range(8):
        process = _writer(tmp_path, n_bars)
        time.sleep(float(rng.uniform(0.02, 0.25)))
        process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        process.communicate()
        bars = store.read("T", minute)
        if len(bars):
            assert len(bars) == n_bars
            assert len(set(bars.close.tolist())) == 1, "bars of two writes in one file"
            versions.append(float(bars.close[0]))
    assert versions, "no writer got as far as one write"
    still = np.ones(1)
    store.write(Bars("T", minute, np.array([START_NS]), still, still, still, still, still, still))
    assert {name.rpartition("/")[2] for name in files(tmp_path)} <= {"part.parquet", "series.json", "write.lock"}
    with store.connect() as connection:
        assert connection.execute("SELECT count(*) FROM bars").fetchone() == (n_bars,)


def test_a_reader_beside_a_writer_sees_one_version_or_another(tmp_path: Path) -> None:
    n_bars = 30_000
    process = _writer(tmp_path, n_bars)
    store = BarStore(tmp_path)
    seen: set[float] = set()
    try:
        deadline = time.monotonic() + 20.0
        while len(seen) < 15 and time.monotonic() < deadline:
            bars = store.read("T", Timeframe(1))
            assert len(bars) in (0, n_bars)
            assert len(set(bars.close.tolist())) <= 1
            assert [series.rows for series in store.series()] in ([], [n_bars])
            seen |= set(bars.close.tolist())
    finally:
        process.kill()
        process.communicate()
    assert len(seen) >= 3


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    bars = some_bars(400)
    problems: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for low in range(number * 10, 400, 40):
                BarStore(tmp_path).write(bars.slice(low, low + 10))
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            problems.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert same(BarStore(tmp_path).read("TEST", HOUR), bars)


def test_a_record_is_amended_and_kept(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(bars_of([1.0]), price_side="bid")
    store.amend("TEST", HOUR, lambda record: record.model_copy(update={"fetched": ((1, 2),)}))
    assert store.record("TEST", HOUR) == SeriesRecord(price_side="bid", fetched=((1, 2),))
    assert json.loads((tmp_path / "symbol=TEST/timeframe=1h/series.json").read_text())["fetched"] == [[1, 2]]


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)


@given(SPANS, SPANS)
def test_spans_are_sets_of_moments(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    def moments(spans: object) -> set[int]:
        assert isinstance(spans, list | tuple)
        return {moment for start, stop in spans for moment in range(start, stop)}

    assert moments(merged(first)) == moments(first)
    assert moments(without(first, second)) == moments(first) - moments(second)
    for spans in (merged(first), without(first, second)):
        assert all(left[1] < right[0] for left, right in itertools.pairwise(spans))
        assert all(start < stop for start, stop in spans)


def test_bars_are_readable_by_others_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        BarStore(tmp_path).write(bars_of([1.0]))
    finally:
        os.umask(before)
    [part] = tmp_path.rglob("*.parquet")
    assert stat.S_IMODE(part.stat().st_mode) == 0o644


def test_one_side_imported_after_the_pair_takes_no_spread_away(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    pair = replace(some_bars(5), spread=np.full(5, 0.2))
    store.write(pair)
    one_side = replace(pair, spread=np.full(5, np.nan), close=pair.close + np.array([0.0, 0.0, 1.0, 0.0, 0.0]))
    write = store.write(replace(one_side, high=np.maximum(one_side.high, one_side.close)))
    kept = store.read(pair.symbol, pair.timeframe)
    assert write.replaced == 1
    assert np.isnan(kept.spread[2])  # another price: what was known of the old bar says nothing of it
    np.testing.assert_array_equal(np.delete(kept.spread, 2), np.delete(pair.spread, 2))


def test_a_survey_tells_the_damaged_from_the_rest(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(some_bars(5))
    store.write(replace(some_bars(5), symbol="OTHER"))
    next((tmp_path).rglob("part.parquet")).write_bytes(b"PAR1")
    found, problems = store.survey()
    assert len(found) == 1
    assert len(problems) == 1

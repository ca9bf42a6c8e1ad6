import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from filelock import FileLock

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.archive_sync import SyncedSeries, SyncStep, sync_archive
from agv2.data.duckdb_store import BarStore
from agv2.data.postgres_manager import PostgresManager
from agv2.data.store.series_paths import partition_path, series_directory
from tests.factories import some_bars

HOUR = Timeframe(60)


@pytest.fixture
def archive(postgres_url: str) -> Iterator[PostgresManager]:
    with PostgresManager(postgres_url) as manager:
        manager.migrate()
        yield manager


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars")


def put(archive: PostgresManager, bars: Bars, source: str = "test", price_side: str = "mid") -> None:
    archive.upsert(bars, source=source, price_side=price_side)


def counts(synced: SyncedSeries) -> tuple[int, int, int, int]:
    return synced.fetched, synced.inserted, synced.replaced, synced.unchanged


def same(first: Bars, second: Bars) -> bool:
    names = ("ts_ns", "open", "high", "low", "close", "volume", "spread")
    return all(
        np.array_equal(getattr(first, name), getattr(second, name), equal_nan=name in ("volume", "spread"))
        for name in names
    )


def test_the_first_sync_copies_everything_and_the_second_nothing(archive: PostgresManager, store: BarStore) -> None:
    bars = some_bars(12_000)  # into the second year
    put(archive, bars)
    (first,) = sync_archive(archive, store)
    assert counts(first) == (12_000, 12_000, 0, 0)
    assert same(store.read("TEST", HOUR), bars)
    (second,) = sync_archive(archive, store)
    assert counts(second) == (0, 0, 0, 0)
    assert (store.series()[0].price_side, store.series()[0].source) == ("mid", "test")


def test_only_what_changed_is_fetched(archive: PostgresManager, store: BarStore) -> None:
    bars = some_bars(1_000)
    put(archive, bars.slice(0, 900))
    sync_archive(archive, store)
    close = bars.close.copy()
    close[7] += 0.001
    put(archive, dataclasses.replace(bars, close=close))
    (synced,) = sync_archive(archive, store)
    assert counts(synced) == (101, 100, 1, 0)
    assert np.array_equal(store.read("TEST", HOUR).close, close)


def test_a_symbol_and_a_timeframe_choose(archive: PostgresManager, store: BarStore) -> None:
    for symbol in ("A", "B"):
        for timeframe in ("1h", "1d"):
            put(archive, some_bars(10, symbol=symbol, timeframe=timeframe))
    (chosen,) = sync_archive(archive, store, symbol="B", timeframe=Timeframe.parse("1d"))
    assert (chosen.symbol, chosen.timeframe.name) == ("B", "1d")
    assert [(each.symbol, each.timeframe.name) for each in store.series()] == [("B", "1d")]
    assert len(sync_archive(archive, store, timeframe=HOUR)) == 2


def test_a_series_that_the_archive_has_not_is_an_error_that_names_what_it_has(
    archive: PostgresManager, store: BarStore
) -> None:
    put(archive, some_bars(10, symbol="ETHUSD"))
    with pytest.raises(DataError, match=r"has no XAUUSD 1h; it has ETHUSD 1h"):
        sync_archive(archive, store, symbol="XAUUSD", timeframe=HOUR)


def test_an_empty_archive_is_no_error(archive: PostgresManager, store: BarStore) -> None:
    assert sync_archive(archive, store) == []


def test_bars_that_the_store_alone_has_stay(archive: PostgresManager, store: BarStore) -> None:
    bars = some_bars(100)
    store.write(bars.slice(50, 100), source="test", price_side="mid")
    put(archive, bars.slice(0, 60))
    (synced,) = sync_archive(archive, store)
    assert counts(synced) == (60, 50, 0, 10)
    assert same(store.read("TEST", HOUR), bars)


def test_a_store_whose_series_was_removed_is_filled_again(archive: PostgresManager, store: BarStore) -> None:
    put(archive, some_bars(100))
    sync_archive(archive, store)
    directory = series_directory(store.root, "TEST", HOUR)
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (synced,) = sync_archive(archive, store)
    assert counts(synced) == (100, 100, 0, 0)


def test_a_year_whose_file_was_removed_is_filled_again(archive: PostgresManager, store: BarStore) -> None:
    bars = some_bars(12_000)  # into the second year
    put(archive, bars)
    sync_archive(archive, store)
    partition_path(series_directory(store.root, "TEST", HOUR), store.years("TEST", HOUR)[-1]).unlink()
    lost = len(bars) - len(store.read("TEST", HOUR))
    (synced,) = sync_archive(archive, store)
    assert synced.inserted == lost > 0
    assert same(store.read("TEST", HOUR), bars)
    assert counts(sync_archive(archive, store)[0]) == (0, 0, 0, 0)


def test_another_archive_at_the_same_address_is_copied_from_its_start(postgres_url: str, store: BarStore) -> None:
    bars = some_bars(100)
    with PostgresManager(postgres_url) as archive:
        for low in range(0, 50, 10):
            put(archive, bars.slice(low, low + 10))
        sync_archive(archive, store)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA agv2 CASCADE")
    with PostgresManager(postgres_url) as archive:
        for low in range(0, 100, 10):
            put(archive, bars.slice(low, low + 10))
        sync_archive(archive, store)
    assert same(store.read("TEST", HOUR), bars)


def test_a_damaged_mark_costs_a_full_copy_and_nothing_else(archive: PostgresManager, store: BarStore) -> None:
    put(archive, some_bars(100))
    sync_archive(archive, store)
    (series_directory(store.root, "TEST", HOUR) / "archive.json").write_text('{"archive": "x", "cha')
    (synced,) = sync_archive(archive, store)
    assert counts(synced) == (100, 0, 0, 100)


def test_a_full_sync_restores_what_was_altered_here(archive: PostgresManager, store: BarStore) -> None:
    bars = some_bars(100)
    put(archive, bars)
    sync_archive(archive, store)
    store.write(dataclasses.replace(bars, close=bars.close + 0.001), source="test")
    assert counts(sync_archive(archive, store)[0]) == (0, 0, 0, 0)
    assert counts(sync_archive(archive, store, full=True)[0]) == (100, 0, 100, 0)
    assert same(store.read("TEST", HOUR), bars)


def test_a_series_that_the_store_refuses_does_not_stop_the_others(archive: PostgresManager, store: BarStore) -> None:
    store.write(some_bars(10, symbol="A"), price_side="bid")
    put(archive, some_bars(20, symbol="A"), price_side="mid")
    put(archive, some_bars(20, symbol="B"))
    refused, copied = sync_archive(archive, store)
    assert refused.problem is not None
    assert "price side bid" in refused.problem
    assert counts(copied) == (20, 20, 0, 0)
    assert len(store.read("A", HOUR)) == 10
    (again, _) = sync_archive(archive, store)
    assert again.problem is not None, "a refused series is not marked as copied"


def test_words_for_an_unknown_feed_claim_nothing_here(archive: PostgresManager, store: BarStore) -> None:
    put(archive, some_bars(10), source="unknown", price_side="unknown")
    sync_archive(archive, store)
    (series,) = store.series()
    assert (series.price_side, series.source) == (None, None)


def test_progress_starts_at_nothing_and_ends_at_everything(archive: PostgresManager, store: BarStore) -> None:
    put(archive, some_bars(12_000))
    steps: list[SyncStep] = []
    sync_archive(archive, store, report=steps.append)
    assert [(step.done, step.total) for step in steps][:: len(steps) - 1] == [(0, 12_000), (12_000, 12_000)]
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_two_at_once_are_refused(archive: PostgresManager, store: BarStore) -> None:
    store.root.mkdir(parents=True)
    with FileLock(store.root / "archive-sync.lock"), pytest.raises(DataError, match="another `agv2 data sync`"):
        sync_archive(archive, store)


def test_writers_at_work_during_every_sync_leave_nothing_behind(postgres_url: str, store: BarStore) -> None:
    bars = some_bars(3_000)
    writing = True

    def write() -> None:
        nonlocal writing
        with PostgresManager(postgres_url) as writer:
            for low in range(0, 3_000, 100):
                put(writer, bars.slice(low, low + 100))
        writing = False

    with PostgresManager(postgres_url) as archive:
        archive.migrate()
        thread = threading.Thread(target=write)
        thread.start()
        fetched = 0
        while writing:
            fetched += sum(each.fetched for each in sync_archive(archive, store))
        thread.join()
        fetched += sum(each.fetched for each in sync_archive(archive, store))
    assert same(store.read("TEST", HOUR), bars)
    assert fetched < 2 * 3_000, "each sync takes what is new, not everything"


_CHILD = """
import sys
from pathlib import Path
from agv2.data.archive_sync import sync_archive
from agv2.data.duckdb_store import BarStore
from agv2.data.postgres_manager import PostgresManager

def report(step):
    print(step.done, flush=True)

with PostgresManager(sys.argv[1]) as archive:
    sync_archive(archive, BarStore(Path(sys.argv[2])), report=report)
"""


def test_a_store_that_cannot_be_is_one_clear_line(archive: PostgresManager, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        sync_archive(archive, BarStore(tmp_path / "file" / "bars"))


@pytest.mark.parametrize("year", [1, 2, 3, 4])
def test_a_sync_killed_at_any_point_is_completed_by_the_next(
    archive: PostgresManager, store: BarStore, postgres_url: str, year: int
) -> None:
    bars = some_bars(4 * 365, timeframe="1d")
    wide = Timeframe.parse("1d")
    put(archive, bars)
    command = [sys.executable, "-c", _CHILD, postgres_url, str(store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as child:
        assert child.stdout is not None
        for _ in range(year + 1):  # a line before the first year, then one after each
            assert child.stdout.readline()
        time.sleep(0.002 * year)  # anywhere in what follows
        child.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        child.wait()
    held = store.read("TEST", wide)
    assert same(held, bars.slice(0, len(held))), "whole years, each as archived"
    sync_archive(archive, store)
    assert same(store.read("TEST", wide), bars)
    assert counts(sync_archive(archive, store)[0]) == (0, 0, 0, 0)
    assert not list(store.root.rglob("*.unfinished"))
    mark = json.loads((series_directory(store.root, "TEST", wide) / "archive.json").read_text())
    assert mark["change"] == 1

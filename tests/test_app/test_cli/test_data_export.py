from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.core.timeframes import Timeframe
from agv2.data.bars_file import read_bars
from agv2.data.duckdb_store import BarStore
from agv2.data.store.series_paths import partition_path, series_directory
from tests.factories import some_bars

HOUR = Timeframe(60)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BarStore:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    held = BarStore(tmp_path / "home/data/bars")
    held.write(some_bars(5000))
    return held


def export(out: Path) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["data", "export", "--symbol", "TEST", "--timeframe", "4h", "--out", str(out)])
    assert isinstance(leaving.value.code, int)
    return leaving.value.code


def damage(store: BarStore, symbol: str) -> None:
    directory = series_directory(store.root, symbol, HOUR)
    partition_path(directory, store.years(symbol, HOUR)[0]).write_bytes(b"torn")


def test_stored_bars_are_gathered_into_a_file(store: BarStore, tmp_path: Path) -> None:
    assert export(tmp_path / "new/TEST_4h.parquet") == 0
    assert read_bars(tmp_path / "new/TEST_4h.parquet").bars.timeframe.name == "4h"


def test_damage_to_another_series_is_no_trouble(store: BarStore, tmp_path: Path) -> None:
    store.write(some_bars(5000, symbol="OTHER"))
    damage(store, "OTHER")
    assert export(tmp_path / "TEST_4h.parquet") == 0


def test_damage_to_this_one_is_one_clear_line(
    store: BarStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(store, "TEST")
    assert export(tmp_path / "TEST_4h.parquet") == 1
    error = capsys.readouterr().err
    assert "remove the file" in error
    assert len(error.splitlines()) == 1


def test_a_place_that_cannot_be_written_is_one_clear_line(
    store: BarStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("precious")
    assert export(tmp_path / "file/TEST_4h.parquet") == 1
    error = capsys.readouterr().err
    assert "cannot be written" in error
    assert "fault of AGV2" not in error

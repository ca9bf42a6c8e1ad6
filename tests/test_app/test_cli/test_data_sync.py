import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer

from agv2.app.cli.data.sync import sync
from agv2.core.errors import AGV2Error, ConfigError, DataError
from agv2.core.timeframes import Timeframe
from agv2.data.duckdb_store import BarStore
from agv2.data.postgres_manager import PostgresManager
from tests.factories import some_bars


@pytest.fixture
def command(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Command":
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    return Command()


class Command:
    def __call__(self, *words: str) -> None:
        app = typer.Typer()
        app.command()(sync)
        app(list(words), standalone_mode=False)


def put(url: str, symbol: str, n_bars: int) -> None:
    with PostgresManager(url) as archive:
        archive.upsert(some_bars(n_bars, symbol=symbol), source="test", price_side="mid")


def test_bars_of_the_archive_reach_the_home_directory(
    command: Command, postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(postgres_url, "ETHUSD", 300)
    command()
    line = capsys.readouterr().out
    assert line.startswith("ETHUSD 1h: 300 bars fetched, 300 new, 0 replaced, 0 as before, ")
    assert line.rstrip().endswith("bars/s")
    assert len(BarStore(tmp_path / "home/data/bars").read("ETHUSD", Timeframe(60))) == 300
    command()
    assert capsys.readouterr().out == "ETHUSD 1h: up to date\n"


def test_json_is_one_object_and_nothing_else(
    command: Command, postgres_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(postgres_url, "A", 20)
    put(postgres_url, "B", 30)
    command("--json", "--symbol", "B", "--timeframe", "1h")
    written = capfd.readouterr()
    result = json.loads(written.out)
    assert written.err == ""
    assert result["store"] == str(tmp_path / "home/data/bars")
    (series,) = result["series"]
    assert series.pop("seconds") >= 0.0
    assert series == {
        "symbol": "B", "timeframe": "1h", "fetched": 30, "inserted": 30, "replaced": 0, "unchanged": 0, "change": 1,
        "problem": None,
    }  # fmt: skip


def test_an_empty_database_is_set_up_and_said_to_be_empty(
    command: Command, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command()
    assert capsys.readouterr().out.endswith(f"{urlsplit(postgres_url).path} has no bars yet\n")


def test_a_full_sync_fetches_again(command: Command, postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    put(postgres_url, "A", 20)
    command()
    command("--full")
    assert "20 bars fetched, 0 new, 0 replaced, 20 as before" in capsys.readouterr().out


def test_a_refused_series_fails_the_command_after_the_others(
    command: Command, postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BarStore(tmp_path / "home/data/bars").write(some_bars(5, symbol="A"), price_side="bid")
    put(postgres_url, "A", 20)
    put(postgres_url, "B", 20)
    with pytest.raises(DataError, match="price side bid"):
        command()
    assert "B 1h: 20 bars fetched" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "problem"), [(("--timeframe", "7x"), "7x"), (("--symbol", "NONE"), "has no NONE; it has A 1h")]
)
def test_a_wrong_word_is_one_line(command: Command, postgres_url: str, words: tuple[str, ...], problem: str) -> None:
    put(postgres_url, "A", 5)
    with pytest.raises(AGV2Error, match=problem) as error:
        command(*words)
    assert "\n" not in str(error.value)


def test_without_an_address_the_key_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        command()

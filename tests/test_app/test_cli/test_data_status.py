import json
import os
from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.data.duckdb_store import BarStore
from tests.factories import some_bars


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("TL_", "DATABASE_", "REDIS_", "AGV2_HOME"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))


def status(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as leaving:
        main(["data", "status", *words])
    assert leaving.value.code == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_an_empty_store_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = status(capsys)
    assert "agv2 data import" in text
    assert "agv2 data download" in text
    assert str(tmp_path / "home") in text
    assert text.count("not configured") == 2
    assert not (tmp_path / "home").exists(), "looking makes nothing"


def test_every_series_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = BarStore(tmp_path / "home/data/bars")
    store.write(some_bars(20_000, symbol="BRK/B"), price_side="bid", source="a file")
    store.write(some_bars(300, symbol="ETHUSD", timeframe="5m"))
    lines = status(capsys).splitlines()
    assert lines[-2].split() == [
        "BRK/B", "1h", "20,000", "2024-01-02", "00:00", "2026-04-14", "07:00", "0.6", "MB", "bid", "a", "file", "-"
    ]  # fmt: skip
    assert lines[-1].split()[:3] == ["ETHUSD", "5m", "300"]


def test_programs_get_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    BarStore(tmp_path / "home/data/bars").write(some_bars(300, symbol="ETHUSD"), price_side="ask")
    result = json.loads(status(capsys, "--json"))
    assert result["store"] == str(tmp_path / "home/data/bars")
    [series] = result["series"]
    assert (series["symbol"], series["bars"], series["price_side"], series["source"]) == ("ETHUSD", 300, "ask", None)
    assert result["postgresql"]["configured"] is False


def test_servers_that_answer_are_told_from_those_that_do_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres_url: str, redis_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    result = json.loads(status(capsys, "--json"))
    assert [result[name]["problem"] for name in ("postgresql", "redis")] == [None, None]
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:hidden-word@127.0.0.1:9/nowhere")
    monkeypatch.setenv("REDIS_URL", "redis://someone:hidden-word@127.0.0.1:9/0")
    text = status(capsys)
    assert text.count("NOT reachable: 127.0.0.1:9/") == 2
    assert "hidden-word" not in text
    assert "someone" not in text


@pytest.mark.parametrize("url", ["mysql://someone:hidden-word@host/x", "hidden-word", "redis://h:hidden-word"])
def test_an_address_that_is_none_is_told_without_quoting_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("REDIS_URL", url)
    text = status(capsys)
    assert text.count("NOT reachable") == 2
    assert "hidden-word" not in text


def test_a_damaged_file_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    BarStore(tmp_path / "home/data/bars").write(some_bars(300))
    [part] = (tmp_path / "home").rglob("*.parquet")
    part.write_bytes(b"torn")
    text = status(capsys, code=1)
    assert "remove the damaged file" in text
    assert len(text.splitlines()) == 1

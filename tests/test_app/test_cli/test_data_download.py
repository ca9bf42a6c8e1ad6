import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest

from agv2.app.cli.main import main
from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.data.bars_file import read_bars
from agv2.data.duckdb_store import BarStore
from agv2.tradelocker.fake.faults import FaultKind, FaultPlan, FaultRule
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.rules import RATE_LIMITS, VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import Clock, ReplayClock, SystemClock
from tests.factories import START_NS

MINUTE, MINUTE_NS = Timeframe(1), 60_000_000_000
FAST = tuple(replace(each, limit=50) if each.name == "QUOTES_HISTORY" else each for each in RATE_LIMITS)
HISTORY = "/trade/history"
TO = "2024-01-04"  # two days of minutes from START_NS
ALL = 2 * 1440


def minutes_of(ts_ns: IntArray, symbol: str = "ETHUSD") -> Bars:
    close = np.round(2_000.0 + np.sin(np.arange(ts_ns.size) / 50.0) * 40.0, 2)
    volume = np.full(ts_ns.size, 3.0)
    return Bars(symbol, MINUTE, ts_ns, close, close + 1.0, close - 1.0, close, volume, np.full(ts_ns.size, np.nan))


def recorded(n_bars: int = ALL + 600) -> Bars:
    return minutes_of(START_NS + np.arange(n_bars, dtype=np.int64) * MINUTE_NS)


@contextmanager
def running(
    *rules: FaultRule,
    bars: Bars | None = None,
    clock: Clock | None = None,
    max_bars: int = 200,
    names: tuple[str, ...] = ("ETHUSD", "GOLD.r", "US100"),
    bar_source: str = "BID",
) -> Iterator[FakeTradeLocker]:
    prices = recorded() if bars is None else bars
    listings = [Listing(name, replace(prices, symbol=name), bar_source=bar_source) for name in names]
    with FakeTradeLocker(
        listings,
        clock=ReplayClock(int(prices.close_ns[-1])) if clock is None else clock,
        rules=VenueRules(max_bars=max_bars, rate_limits=FAST),
        faults=FaultPlan(*rules),
    ) as fake:
        yield fake


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("TL_", "DATABASE_", "REDIS_", "AGV2_HOME"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))


def sign_up(monkeypatch: pytest.MonkeyPatch, fake: FakeTradeLocker) -> None:
    login = FakeLogin()
    for key, value in (
        ("TL_ENVIRONMENT", fake.url),
        ("TL_EMAIL", login.email),
        ("TL_PASSWORD", login.password),
        ("TL_SERVER", login.server),
        ("TL_ACC_NUM", "1"),
    ):
        monkeypatch.setenv(key, value)


def words_for(*more: str, symbol: str = "ETHUSD", to: str | None = TO) -> list[str]:
    end = [] if to is None else ["--to", to]
    return ["data", "download", "--symbol", symbol, "--timeframe", "1m", "--from", "2024-01-02", *end, *more]


def download(*more: str, symbol: str = "ETHUSD", to: str | None = TO) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(words_for(*more, symbol=symbol, to=to))
    assert isinstance(leaving.value.code, int)
    return leaving.value.code


def stored(tmp_path: Path, symbol: str = "ETHUSD") -> Bars:
    return BarStore(tmp_path / "home/data/bars").read(symbol, MINUTE)


def history_requests(fake: FakeTradeLocker) -> int:
    return sum(record.path == HISTORY for record in fake.requests)


def assert_all_there(tmp_path: Path) -> None:
    bars, truth = stored(tmp_path), recorded().slice(0, ALL)
    assert np.array_equal(bars.ts_ns, truth.ts_ns)
    assert np.array_equal(bars.close, truth.close)


def test_a_download_brings_every_bar_to_the_store_and_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running() as fake:
        sign_up(monkeypatch, fake)
        assert download("--out", "out/ETHUSD_1m.parquet", "--json") == 0
        result = json.loads(capsys.readouterr().out)
        assert download() == 0
        again = capsys.readouterr().out
    assert_all_there(tmp_path)
    assert (result["inserted"], result["bars_in_span"], result["archive"]) == (ALL, ALL, None)
    assert (result["first"], result["last"]) == ("2024-01-02 00:00 UTC", "2024-01-03 23:59 UTC")
    assert np.array_equal(read_bars(tmp_path / "out/ETHUSD_1m.parquet").bars.close, recorded().close[:ALL])
    assert "up to date" in again
    [series] = BarStore(tmp_path / "home/data/bars").series()
    assert (series.price_side, series.source) == ("bid", "TradeLocker FAKE")


def test_troubles_of_the_venue_are_weathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [
        FaultRule(FaultKind.TOO_MANY_REQUESTS, path=HISTORY, first=2, retry_after_s=1),
        FaultRule(FaultKind.SERVER_ERROR, path=HISTORY, first=4, status=503),
        FaultRule(FaultKind.MALFORMED_JSON, path=HISTORY, first=6),
        FaultRule(FaultKind.RESET, path=HISTORY, first=8),
        FaultRule(FaultKind.TOKEN_EXPIRED, path=HISTORY, first=10),
    ]
    with running(*rules) as fake:
        sign_up(monkeypatch, fake)
        assert download() == 0
    assert_all_there(tmp_path)


def test_a_gap_longer_than_a_page_is_jumped_over_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = recorded(40 * 1440)
    holed = minutes_of(whole.ts_ns[np.r_[0:500, 30 * 1440 : 30 * 1440 + 500]])
    with running(bars=holed) as fake:
        sign_up(monkeypatch, fake)
        assert download(to="2024-02-08") == 0
        asked = history_requests(fake)
    assert np.array_equal(stored(tmp_path).ts_ns, holed.ts_ns)
    assert asked < 50, "walking it would take 266 requests"


def test_the_forming_bar_stays_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    this_minute = clock.now_ns() // MINUTE_NS * MINUTE_NS
    live = minutes_of(this_minute + np.arange(-300, 300, dtype=np.int64) * MINUTE_NS)
    start = str(np.datetime64(this_minute - 300 * MINUTE_NS, "ns").astype("datetime64[s]"))
    with running(bars=live, clock=clock) as fake:
        sign_up(monkeypatch, fake)
        with pytest.raises(SystemExit) as leaving:
            main(["data", "download", "--symbol", "ETHUSD", "--timeframe", "1m", "--from", start])
    assert leaving.value.code == 0
    bars = stored(tmp_path)
    assert this_minute - 2 * MINUTE_NS <= bars.ts_ns[-1] <= clock.now_ns() - MINUTE_NS
    assert np.array_equal(bars.close, live.close[: len(bars)]), "a bar was stored before it had its last price"


def test_a_killed_download_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = FaultRule(FaultKind.LATE_ANSWER, path=HISTORY, times=None, seconds=0.15)
    with running(slow) as fake:
        sign_up(monkeypatch, fake)
        counts = [0]
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-m", "agv2.app.cli.main", *words_for()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            deadline = time.monotonic() + 60.0
            while len(stored(tmp_path)) < counts[-1] + 600 and time.monotonic() < deadline:
                time.sleep(0.01)
            process.kill()
            process.wait()
            counts.append(len(stored(tmp_path)))
        assert 0 < counts[1] < counts[2] < ALL
        before = history_requests(fake)
        fake.faults.clear()
        assert download() == 0
        needed = (ALL - counts[2]) / 200
        assert history_requests(fake) - before <= needed + 3
    assert_all_there(tmp_path)
    leftovers = list((tmp_path / "home").rglob("*unfinished*"))
    assert leftovers == []


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes")
def test_an_interrupt_says_that_the_same_command_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = FaultRule(FaultKind.LATE_ANSWER, path=HISTORY, times=None, seconds=0.3)
    with running(slow) as fake:
        sign_up(monkeypatch, fake)
        process = subprocess.Popen(
            [sys.executable, "-m", "agv2.app.cli.main", *words_for()], stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60.0
        while not len(stored(tmp_path)) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues from there" in text
    assert "Traceback" not in text
    assert 0 < len(stored(tmp_path)) < ALL


def test_all_missing_keys_are_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert download() == 1
    error = capsys.readouterr().err
    assert all(key in error for key in ("TL_ENVIRONMENT", "TL_EMAIL", "TL_PASSWORD", "TL_SERVER"))
    assert len(error.splitlines()) == 1


def test_an_unknown_symbol_names_the_nearest_of_the_venue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running() as fake:
        sign_up(monkeypatch, fake)
        assert download(symbol="GOLD") == 1
    error = capsys.readouterr().err
    assert "lists no GOLD" in error
    assert "GOLD.r" in error
    assert not (tmp_path / "home").exists()


def test_a_symbol_is_mapped_to_the_name_of_this_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as fake:
        sign_up(monkeypatch, fake)
        assert download("--set", "markets.XAUUSD.venue_names.FAKE=GOLD.r", symbol="XAUUSD") == 0
    assert len(stored(tmp_path, "XAUUSD")) == ALL


def test_a_price_side_that_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running() as fake:
        sign_up(monkeypatch, fake)
        assert download(to="2024-01-03") == 0
    with running(bar_source="ASK") as fake:
        sign_up(monkeypatch, fake)
        capsys.readouterr()
        assert download() == 1
    assert "price side bid, these bars have ask" in capsys.readouterr().err
    assert len(stored(tmp_path)) == 1440


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--timeframe", "2h"], "download 1h and aggregate to 2h"),
        (["--timeframe", "1w"], "download 1d and aggregate to 1w"),
        (["--timeframe", "1M"], "months cannot be downloaded"),
        (["--timeframe", "soon"], "timeframe 'soon' is not understood"),
        (["--from", "yesterday"], "--from yesterday: not a date"),
        (["--to", "2024-13-01"], "--to 2024-13-01: not a date"),
        (["--out", "bars.csv"], "end the name with .parquet"),
        (["--set", "markets.ETHUSD.venue_name.X=Y"], "venue_name"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    problem: str,
) -> None:
    with running() as fake:
        sign_up(monkeypatch, fake)
        assert download(*words) == 1
        assert fake.requests == []
    error = capsys.readouterr().err
    assert problem in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_bars_reach_postgres_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> None:
    with running() as fake:
        sign_up(monkeypatch, fake)
        assert download(to="2024-01-03") == 0
        monkeypatch.setenv("DATABASE_URL", postgres_url)
        assert download() == 0
    assert_all_there(tmp_path)
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("SELECT count(*), min(source), min(price_side) FROM agv2.bars").fetchone()
    assert rows == (ALL, "TradeLocker FAKE", "bid")


def test_a_postgres_that_is_down_costs_no_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres_url: str
) -> None:
    with running() as fake:
        sign_up(monkeypatch, fake)
        monkeypatch.setenv("DATABASE_URL", "postgresql://someone:hidden-word@127.0.0.1:9/nowhere")
        assert download(to="2024-01-03") == 0
        said = capsys.readouterr()
        monkeypatch.setenv("DATABASE_URL", postgres_url)
        assert download() == 0
    assert "safe in the local store" in said.err
    assert "hidden-word" not in said.err + said.out
    assert_all_there(tmp_path)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM agv2.bars").fetchone() == (ALL,)

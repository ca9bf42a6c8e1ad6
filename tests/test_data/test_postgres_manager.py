import dataclasses
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import numpy as np
import psycopg
import pytest

from agv2.core.bars import Bars
from agv2.core.errors import ConfigError, DataError, InvariantError
from agv2.core.timeframes import Timeframe
from agv2.data.postgres.migrations import apply_migrations, read_migrations, shipped_migrations
from agv2.data.postgres_manager import Changes, PostgresManager
from agv2.utils.clock import ReplayClock
from tests.factories import START_NS, some_bars

HOUR = Timeframe(60)
SECRET = "open sesame"


@pytest.fixture
def archive(postgres_url: str) -> Iterator[PostgresManager]:
    with PostgresManager(postgres_url) as manager:
        manager.migrate()
        yield manager


@contextmanager
def other_connection(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def scalar(url: str, query: str) -> object:
    with other_connection(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def same_bars(first: Bars, second: Bars) -> bool:
    names = ("ts_ns", "open", "high", "low", "close", "volume", "spread")
    return (first.symbol, first.timeframe) == (second.symbol, second.timeframe) and all(
        np.array_equal(getattr(first, name), getattr(second, name), equal_nan=name in ("volume", "spread"))
        for name in names
    )


def put(archive: PostgresManager, bars: Bars, source: str = "test", price_side: str = "mid") -> tuple[int, int, int]:
    return tuple(archive.upsert(bars, source=source, price_side=price_side))  # type: ignore[return-value]


def with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password)}@{place}"))


def kill_others(url: str) -> int:
    with other_connection(url) as connection:
        killed = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
    assert killed is not None
    return int(killed[0])


# ------------------------------------------------------------------------------------------ bars in and out


def test_bars_come_back_as_they_went_in_unknown_volume_and_spread_included(archive: PostgresManager) -> None:
    bars = some_bars(500)
    volume = np.where(np.arange(500) % 3 == 0, np.nan, np.arange(500.0))
    spread = np.where(np.arange(500) % 5 == 0, np.nan, 0.25)
    bars = dataclasses.replace(bars, volume=volume, spread=spread)
    assert put(archive, bars) == (500, 0, 0)
    assert same_bars(archive.read("TEST", HOUR), bars)


def test_unknown_is_null_in_the_table(archive: PostgresManager, postgres_url: str) -> None:
    put(archive, some_bars(7))
    assert scalar(postgres_url, "SELECT count(*) FROM agv2.bars WHERE volume IS NULL AND spread IS NULL") == 7


def test_a_range_includes_its_start_and_excludes_its_stop(archive: PostgresManager) -> None:
    bars = some_bars(50)
    put(archive, bars)
    part = archive.read("TEST", HOUR, int(bars.ts_ns[10]), int(bars.ts_ns[20]))
    assert same_bars(part, bars.slice(10, 20))
    between = archive.read("TEST", HOUR, int(bars.ts_ns[10]) + 1, int(bars.ts_ns[20]) + 1)
    assert same_bars(between, bars.slice(11, 21))


def test_a_series_that_is_not_there_has_no_bars(archive: PostgresManager) -> None:
    assert len(archive.read("NONE", HOUR)) == 0
    assert archive.series() == []


def test_no_bars_make_no_series(archive: PostgresManager) -> None:
    assert put(archive, some_bars(5).slice(0, 0)) == (0, 0, 0)
    assert archive.series() == []


def test_bars_from_before_1970_keep_their_stamps(archive: PostgresManager) -> None:
    bars = dataclasses.replace(some_bars(10), ts_ns=some_bars(10).ts_ns - 60 * 365 * 86_400_000_000_000)
    put(archive, bars)
    assert same_bars(archive.read("TEST", HOUR, int(bars.ts_ns[0]), int(bars.ts_ns[-1]) + 1), bars)


def test_an_upsert_counts_new_changed_and_equal_bars(archive: PostgresManager) -> None:
    bars = some_bars(100)
    put(archive, bars.slice(0, 80))
    close = bars.close.copy()
    close[:30] += 0.001
    assert put(archive, dataclasses.replace(bars, close=close)) == (20, 30, 50)
    assert np.array_equal(archive.read("TEST", HOUR).close, close)


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume", "spread"])
def test_a_change_of_any_value_is_a_change(archive: PostgresManager, name: str) -> None:
    bars = some_bars(10)
    put(archive, bars)
    values = getattr(bars, name).copy()
    values[4] = 12.5
    assert put(archive, dataclasses.replace(bars, **{name: values})) == (0, 1, 9)
    assert getattr(archive.read("TEST", HOUR), name)[4] == 12.5


def test_a_value_that_becomes_unknown_is_a_change(archive: PostgresManager) -> None:
    bars = dataclasses.replace(some_bars(10), volume=np.ones(10))
    put(archive, bars)
    volume = np.ones(10)
    volume[3] = np.nan
    assert put(archive, dataclasses.replace(bars, volume=volume)) == (0, 1, 9)
    assert np.flatnonzero(np.isnan(archive.read("TEST", HOUR).volume)).tolist() == [3]


def test_bars_beside_those_that_are_there_are_taken_in_any_order(archive: PostgresManager) -> None:
    bars = some_bars(300)
    for low, high in ((100, 200), (200, 300), (0, 100)):
        assert put(archive, bars.slice(low, high)) == (100, 0, 0)
    assert same_bars(archive.read("TEST", HOUR), bars)
    (series,) = archive.series()
    assert (series.rows, series.first_ns, series.last_ns) == (300, int(bars.ts_ns[0]), int(bars.ts_ns[-1]))


def test_timeframes_and_symbols_do_not_mix(archive: PostgresManager) -> None:
    for symbol in ("A", "B"):
        for timeframe in ("1h", "1d"):
            put(archive, some_bars(20, symbol=symbol, timeframe=timeframe, seed=ord(symbol)))
    assert [(each.symbol, each.timeframe.name) for each in archive.series()] == [
        ("A", "1h"), ("A", "1d"), ("B", "1h"), ("B", "1d"),
    ]  # fmt: skip
    assert same_bars(archive.read("B", HOUR), some_bars(20, symbol="B", seed=ord("B")))


@pytest.mark.parametrize(
    "symbol", ['X"; DROP TABLE agv2.bars; --', "X'; DROP TABLE agv2.bars; --", "%s $1 {}", "A\\B", "Ä€😀", "x" * 300]
)
def test_any_symbol_is_only_a_symbol(archive: PostgresManager, postgres_url: str, symbol: str) -> None:
    bars = some_bars(30, symbol=symbol)
    put(archive, some_bars(3, symbol="WITNESS"))
    assert put(archive, bars) == (30, 0, 0)
    assert put(archive, dataclasses.replace(bars, close=bars.close + 0.01)) == (0, 30, 0)
    assert len(archive.read(symbol, HOUR)) == 30
    assert archive.changed_since(symbol, HOUR, 1).rows_by_year == {2024: 30}
    with other_connection(postgres_url) as connection:
        rows = connection.execute("SELECT count(*) FROM agv2.bars WHERE symbol = %s", (symbol,)).fetchone()
    assert rows == (30,)
    assert len(archive.read("WITNESS", HOUR)) == 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"symbol": " "}, "cannot name bars"),
        ({"symbol": "A\0B"}, "cannot name bars"),
        ({"ts_ns": START_NS + np.array([0, 2, 2, 3, 4]) * HOUR.nanoseconds}, "bar 2 is not later"),
        ({"ts_ns": START_NS + np.array([0, 1, 2, 3, 4]) * HOUR.nanoseconds + [0, 0, 0, 7, 0]}, "of bar 3 is finer"),
        ({"low": np.array([1.0, np.nan, 1.0, 1.0, 1.0])}, "bar 1 has no low"),
        ({"open": np.array([1.0, 1.0, 1.0, 1.0, np.inf])}, "bar 4 has no open"),
    ],
)
def test_bars_that_cannot_be_archived_are_refused(
    archive: PostgresManager, change: dict[str, object], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        put(archive, dataclasses.replace(some_bars(5), **change))  # type: ignore[arg-type]
    assert archive.series() == []


@pytest.mark.parametrize(
    ("source", "price_side", "problem"),
    [
        ("test", "bid", "has price side mid, these bars have bid"),
        ("other", "mid", "has source test, these bars have other"),
    ],
)
def test_bars_of_another_feed_are_refused_and_nothing_changes(
    archive: PostgresManager, source: str, price_side: str, problem: str
) -> None:
    put(archive, some_bars(10))
    with pytest.raises(DataError, match=problem):
        put(archive, some_bars(20), source, price_side)
    assert same_bars(archive.read("TEST", HOUR), some_bars(10))


def test_other_tables_of_the_database_are_untouched(postgres_url: str) -> None:
    with other_connection(postgres_url) as connection:
        connection.execute("CREATE TABLE bars (mine int); INSERT INTO bars VALUES (7); CREATE TABLE series (mine int)")
    with PostgresManager(postgres_url) as archive:
        put(archive, some_bars(5))
    assert scalar(postgres_url, "SELECT mine FROM public.bars") == 7
    assert scalar(postgres_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 2


# ------------------------------------------------------------------------------------------ change numbers


def test_only_what_was_written_since_is_changed(archive: PostgresManager) -> None:
    bars = some_bars(12_000)  # 2024-01-02 to 2025-05
    put(archive, bars)
    close = bars.close.copy()
    close[[5, 11_000]] += 0.001
    put(archive, dataclasses.replace(bars, close=close))
    changes = archive.changed_since("TEST", HOUR, 1)
    assert changes == Changes(2, {2024: 1, 2025: 1})
    assert archive.read_changed("TEST", HOUR, 1, 2025).ts_ns.tolist() == [bars.ts_ns[11_000]]
    assert sum(archive.changed_since("TEST", HOUR, 0).rows_by_year.values()) == 12_000
    assert archive.changed_since("TEST", HOUR, 2).rows_by_year == {}
    assert archive.changed_since("NONE", HOUR, 0).change == 0


def test_a_late_commit_is_never_passed_over(postgres_url: str, archive: PostgresManager) -> None:
    """A writer that took its number first and commits last: with a bare sequence its bar would be missed for good."""
    bars = some_bars(4)
    put(archive, bars.slice(0, 2))
    seen: list[int] = []
    with psycopg.connect(postgres_url) as slow:
        held = slow.execute("SELECT id, change FROM agv2.series WHERE symbol = 'TEST' FOR UPDATE").fetchone()
        assert held is not None
        slow.execute(
            f"INSERT INTO agv2.bars_{held[0]} (ts, open, high, low, close, change) "
            "VALUES ('2024-01-02 02:00+00', 1, 1, 1, 1, %s)".encode(),
            (held[1] + 1,),
        )
        slow.execute("UPDATE agv2.series SET change = change + 1")
        with PostgresManager(postgres_url) as fast:
            writer = threading.Thread(target=put, args=(fast, bars.slice(3, 4)))
            writer.start()
            wait_until(lambda: scalar(postgres_url, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1)
            seen.append(archive.changed_since("TEST", HOUR, 0).change)
            slow.commit()
            writer.join()
    changes = archive.changed_since("TEST", HOUR, seen[0])
    assert seen == [1]
    numbers = scalar(postgres_url, "SELECT array_agg(change ORDER BY ts) FROM agv2.bars")
    assert numbers == [1, 1, 2, 3], "the one that waited has the later number"
    assert changes.change == 3
    assert archive.read_changed("TEST", HOUR, 1, 2024).ts_ns.tolist() == bars.ts_ns[2:].tolist()


def test_writers_of_one_new_series_take_turns(postgres_url: str, archive: PostgresManager) -> None:
    bars = some_bars(2_000)
    errors: list[Exception] = []

    def write(part: int) -> None:
        try:
            with PostgresManager(postgres_url) as writer:
                for low in range(part * 50, 2_000, 200):
                    put(writer, bars.slice(low, low + 100))
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert same_bars(archive.read("TEST", HOUR), bars)
    assert archive.series()[0].rows == 2_000


# ------------------------------------------------------------------------------------------ weather


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_connection_killed_between_calls_is_made_anew(archive: PostgresManager, postgres_url: str) -> None:
    bars = some_bars(100)
    put(archive, bars.slice(0, 50))
    assert kill_others(postgres_url) == 2
    assert put(archive, bars) == (50, 0, 50)
    kill_others(postgres_url)
    assert same_bars(archive.read("TEST", HOUR), bars)
    kill_others(postgres_url)
    assert archive.series()[0].rows == 100


def test_a_connection_killed_in_the_middle_of_an_upsert_leaves_it_done_once(
    archive: PostgresManager, postgres_url: str
) -> None:
    bars = some_bars(3_000)
    put(archive, bars.slice(0, 1_500))
    result: list[tuple[int, int, int]] = []
    with psycopg.connect(postgres_url) as blocker:
        blocker.execute("SELECT FROM agv2.series FOR UPDATE")
        writer = threading.Thread(target=lambda: result.append(put(archive, bars)))
        writer.start()
        wait_until(lambda: scalar(postgres_url, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1)
        with other_connection(postgres_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
            )
        wait_until(lambda: scalar(postgres_url, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1)
        blocker.rollback()
    writer.join()
    assert result == [(1_500, 0, 1_500)]
    assert same_bars(archive.read("TEST", HOUR), bars)
    assert archive.series()[0].change == 2


def test_connections_killed_again_and_again_lose_and_double_nothing(
    archive: PostgresManager, postgres_url: str
) -> None:
    bars = some_bars(6_000)
    stop = threading.Event()

    def kill() -> None:
        for _ in range(12):
            if not stop.wait(0.2):
                kill_others(postgres_url)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for low in range(0, 6_000, 600):
            put(archive, bars.slice(max(low - 100, 0), low + 600))
    finally:
        stop.set()
        killer.join()
    assert same_bars(archive.read("TEST", HOUR), bars)
    assert archive.series()[0].rows == 6_000


def test_a_server_that_stays_away_is_one_line_after_a_few_growing_waits(postgres_url: str) -> None:
    clock = ReplayClock(0)
    with Relay(postgres_url) as relay, PostgresManager(relay.url, clock=clock) as archive:
        put(archive, some_bars(5))
        relay.cut()
        with pytest.raises(DataError, match=r"was lost and did not come back in 7 attempts over \d+ s") as caught:
            put(archive, some_bars(9))
    assert "\n" not in str(caught.value)
    assert 5e9 < clock.now_ns() < 40e9
    with PostgresManager(postgres_url) as direct:
        assert len(direct.read("TEST", HOUR)) == 5


def test_a_server_that_comes_back_is_used_again(postgres_url: str) -> None:
    with Relay(postgres_url) as relay, PostgresManager(relay.url) as archive:
        put(archive, some_bars(5))
        relay.cut()
        threading.Timer(0.7, relay.mend).start()
        assert put(archive, some_bars(9)) == (4, 0, 5)


class Relay:
    """A TCP port that passes bytes to the server until it is cut, and again once mended."""

    def __init__(self, url: str) -> None:
        parts = psycopg.conninfo.conninfo_to_dict(url)
        self._host, self._port = str(parts.get("host") or "localhost"), int(parts.get("port") or 5432)
        self._pairs: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._place = self._listener.getsockname()
        login = f"{parts.get('user') or ''}:{quote(str(parts.get('password') or ''))}"
        self.url = f"postgresql://{login}@127.0.0.1:{self._place[1]}/{parts['dbname']}?sslmode=disable"
        self._start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        self._listener.close()
        self._accepting.join()
        for each in self._pairs:
            with closing(each), suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def mend(self) -> None:
        self._listener = socket.create_server(self._place)
        self._start()

    def _start(self) -> None:
        self._listener.settimeout(0.05)
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._accepting.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            near.setblocking(True)
            if self._host.startswith("/"):
                far = socket.socket(socket.AF_UNIX)
                far.connect(f"{self._host}/.s.PGSQL.{self._port}")
            else:
                far = socket.create_connection((self._host, self._port))
            self._pairs += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65_536):
                sink.sendall(content)
            sink.shutdown(socket.SHUT_RDWR)


# ------------------------------------------------------------------------------------------ refusals


def one_line(error: pytest.ExceptionInfo[Exception], *words: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert SECRET not in text
    assert SECRET not in repr(error.value.__cause__)
    for word in words:
        assert word in text


def test_an_unreachable_server_is_named_without_the_password() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    with (
        PostgresManager(f"postgresql://me:{quote(SECRET)}@127.0.0.1:{port}/prices", clock=ReplayClock(0)) as archive,
        pytest.raises(DataError) as error,
    ):
        archive.migrate()
    one_line(error, f"127.0.0.1:{port}/prices", "nothing listens", "start the server")


def test_a_host_that_does_not_exist_is_named() -> None:
    archive = PostgresManager(f"postgresql://me:{quote(SECRET)}@no-such-host.invalid/prices")
    with pytest.raises(ConfigError) as error:
        archive.series()
    one_line(error, "no-such-host.invalid:5432/prices", "no host of this name", "DATABASE_URL")


def test_a_missing_database_is_named(postgres_url: str) -> None:
    url = urlunsplit(urlsplit(postgres_url)._replace(path="/agv2_no_such_database"))
    with pytest.raises(ConfigError) as error:
        put(PostgresManager(url), some_bars(3))
    one_line(error, "agv2_no_such_database", "no such database", "createdb")


def test_a_missing_user_is_named(postgres_url: str) -> None:
    with pytest.raises(ConfigError) as error:
        PostgresManager(with_login(postgres_url, "agv2_nobody", SECRET)).migrate()
    text = str(error.value)
    assert "agv2_nobody" in text
    one_line(error, "DATABASE_URL")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:p@{quote(SECRET)}@host/db",
        f"postgresql://me:{quote(SECRET)}/x@host/db",
        f"postgresql://me:123/{SECRET}@host/db",
        f"mysql://me:{quote(SECRET)}@host/db",
        f"postgresql://me:{quote(SECRET)}@host:port/db",
        f"postgresql://me:{quote(SECRET)}@[host/db",
        "",
        "prices.db",
    ],
)
def test_an_address_that_is_none_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        PostgresManager(url)
    one_line(error, "DATABASE_URL is not an address", "USER:PASSWORD@")
    assert quote(SECRET) not in str(error.value)


def test_the_password_is_in_no_representation() -> None:
    manager = PostgresManager(f"postgresql://me:{quote(SECRET)}@host/db?password={quote(SECRET)}")
    assert SECRET not in repr(manager.address)
    assert manager.name == "host:5432/db"


def test_a_user_who_may_only_read_reads_and_is_told_that_he_cannot_write(
    archive: PostgresManager, postgres_url: str
) -> None:
    role = f"agv2_reader_{time.monotonic_ns()}"
    put(archive, some_bars(5, symbol="OLD"))
    with other_connection(postgres_url) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'".encode())
        admin.execute(f"GRANT USAGE ON SCHEMA agv2 TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA agv2 TO {role}")
        try:
            put(archive, some_bars(8, symbol="NEW"))  # made after the grant
            with PostgresManager(with_login(postgres_url, role, SECRET)) as reader:
                assert reader.migrate() == []
                assert [len(reader.read(symbol, HOUR)) for symbol in ("OLD", "NEW")] == [5, 8]
                assert reader.changed_since("NEW", HOUR, 0).rows_by_year == {2024: 8}
                with pytest.raises(DataError) as error:
                    put(reader, some_bars(9, symbol="NEW"))
                one_line(error, f"user {role}", "permission denied", "GRANT")
        finally:
            admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_a_server_that_takes_no_writes_is_named(postgres_url: str) -> None:
    database = urlsplit(postgres_url).path[1:]
    with other_connection(postgres_url) as admin:
        admin.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on'.encode())
    with pytest.raises(DataError) as error:
        put(PostgresManager(postgres_url), some_bars(3))
    one_line(error, "takes no writes", "primary")


def test_a_database_without_an_archive_says_so(postgres_url: str) -> None:
    with pytest.raises(DataError) as error:
        PostgresManager(postgres_url).read("TEST", HOUR)
    one_line(error, "holds no archive", "agv2 data sync")


@pytest.mark.parametrize("missing", ["psycopg", "adbc_driver_postgresql.dbapi", "pyarrow"])
def test_missing_packages_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=r"pip install agv2\[postgres\]"):
        put(PostgresManager(postgres_url), some_bars(3))


def message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


@contextmanager
def pretending(answer: bytes) -> Iterator[int]:
    """A port that speaks enough of the protocol to answer one greeting after another with `answer`."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(30)

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                    with closing(client):
                        (length,) = struct.unpack("!i", client.recv(4))
                        client.recv(length - 4)
                        client.sendall(answer)
                        client.recv(1024)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])


def test_a_wrong_password_is_named_without_quoting_it() -> None:
    words = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "me"\0\0'
    with pretending(message(b"E", words)) as port, pytest.raises(ConfigError) as error:
        PostgresManager(
            f"postgresql://me:{quote(SECRET)}@127.0.0.1:{port}/db?sslmode=disable&gssencmode=disable"
        ).series()
    one_line(error, "refused the password of user me", f"127.0.0.1:{port}/db", "DATABASE_URL")


def test_an_old_server_is_refused_with_its_version() -> None:
    greeting = (
        message(b"R", struct.pack("!i", 0))
        + message(b"S", b"server_version\x009.6.24\0")
        + message(b"K", struct.pack("!ii", 1, 1))
        + message(b"Z", b"I")
    )
    with pretending(greeting) as port, pytest.raises(ConfigError) as error:
        PostgresManager(f"postgresql://me@127.0.0.1:{port}/db?sslmode=disable&gssencmode=disable").migrate()
    one_line(error, "is version 9, expected 14 or newer", "upgrade")


def test_a_server_that_is_starting_is_waited_for() -> None:
    words = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    clock = ReplayClock(0)
    with pretending(message(b"E", words)) as port, pytest.raises(DataError, match="did not come back"):
        PostgresManager(
            f"postgresql://me@127.0.0.1:{port}/db?sslmode=disable&gssencmode=disable", clock=clock
        ).migrate()
    assert clock.now_ns() > 5e9


# ------------------------------------------------------------------------------------------ migrations


def test_migrations_are_applied_once(postgres_url: str) -> None:
    with PostgresManager(postgres_url) as archive:
        assert archive.migrate() == [step.name for step in shipped_migrations()]
        assert archive.migrate() == []
    assert scalar(postgres_url, "SELECT count(*) FROM agv2.schema_migrations") == len(shipped_migrations())


def test_concurrent_migrators_apply_each_step_once(postgres_url: str) -> None:
    applied: list[list[str]] = []
    start = threading.Barrier(4)

    def migrate() -> None:
        with PostgresManager(postgres_url) as archive:
            start.wait()
            applied.append(archive.migrate())

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [[], [], [], [step.name for step in shipped_migrations()]]


def test_an_altered_migration_is_refused(archive: PostgresManager, postgres_url: str) -> None:
    with other_connection(postgres_url) as connection:
        connection.execute("UPDATE agv2.schema_migrations SET checksum = 'other' WHERE name = '0001_archive'")
    with pytest.raises(DataError, match="migration 0001_archive was altered after it was applied"):
        archive.migrate()


def test_an_archive_of_a_newer_version_is_refused(archive: PostgresManager, postgres_url: str) -> None:
    with other_connection(postgres_url) as connection:
        connection.execute("INSERT INTO agv2.schema_migrations (name, checksum) VALUES ('9999_future', 'x')")
    with pytest.raises(DataError, match=r"has 9999_future, which this AGV2 does not know.*upgrade"):
        archive.migrate()


def test_a_failing_migration_leaves_nothing(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE agv2.good (n int);")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE agv2.half (n int);\nCREATE TABLE agv2.bad (n no_such_type);")
    steps = read_migrations(tmp_path)
    address = PostgresManager(postgres_url).address
    with other_connection(postgres_url) as connection:
        with (
            pytest.raises(DataError, match=r"migration 0002_bad failed .*no_such_type.*nothing was changed"),
            connection.transaction(),
        ):
            apply_migrations(connection, steps, address)
        left = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'agv2'").fetchone()
    assert left == (0,)


def test_a_later_migration_joins_those_applied(archive: PostgresManager, postgres_url: str, tmp_path: Path) -> None:
    for step in shipped_migrations():
        (tmp_path / f"{step.name}.sql").write_text(step.sql.replace("\n", "\r\n"), newline="")
    number = len(shipped_migrations()) + 1
    (tmp_path / f"{number:04d}_more.sql").write_text("CREATE TABLE agv2.more (n int)")
    with other_connection(postgres_url) as connection, connection.transaction():
        assert apply_migrations(connection, read_migrations(tmp_path), archive.address) == [f"{number:04d}_more"]
    assert scalar(postgres_url, "SELECT count(*) FROM agv2.more") == 0


@pytest.mark.parametrize("names", [("0002_a.sql",), ("0001_a.sql", "0003_b.sql"), ("0001_a.sql", "0001_b.sql")])
def test_migration_numbers_have_neither_gaps_nor_twins(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(InvariantError, match="expected number"):
        read_migrations(tmp_path)


def test_migration_names_are_plain() -> None:
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+", step.name) for step in shipped_migrations())

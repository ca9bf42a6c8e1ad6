"""A journal in PostgreSQL: many traders' journals side by side, each with one writer at a time."""

import importlib.resources
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from agv2.core.errors import DataError, InvariantError
from agv2.data.postgres.address import PostgresAddress
from agv2.data.postgres.drivers import psycopg_driver
from agv2.data.postgres.migrations import read_migrations
from agv2.data.postgres.session import PostgresSession
from agv2.execution.journal_store.rows import JournalRow, new_identity
from agv2.utils.clock import Clock

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresJournal"]

_LOCK = 0x61677632  # "agv2"
_COLUMNS = "seq, ts_ns, run, kind, symbol, body"


class PostgresJournal:
    """Rows of the journal `name` in the database at `url`.

    Two guards keep a second writer out: a lock that lasts as long as the first one's connection, and a number that
    rises with each writer and is checked in every transaction, for when that connection was lost and the lock with it.

    Args:
        url: `postgresql://…`; never quoted in an error.
        name: which of the database's journals.
        clock: waits between attempts at a lost server.
        rng: spreads those waits.
        read_only: for everybody but the one trader.

    Raises:
        ConfigError: `url` is no address, or the packages for PostgreSQL are not installed.
        DataError: the server cannot be used, another trader writes, there is no such journal (to a reader), or it is
            newer than this AGV2.
    """

    def __init__(self, url: str, name: str, *, clock: Clock, rng: np.random.Generator, read_only: bool) -> None:
        self.address = PostgresAddress.parse(url)
        self._name = name
        self._session = PostgresSession(self.address, clock, rng)
        self._lock: psycopg.Connection | None = None
        self._epoch = 0
        try:
            if read_only:
                self.identity: str = self._session.run(self._known_identity)
            else:
                self._session.run(self._migrate)
                self._be_the_writer()
                self.identity, self._epoch = self._session.run(self._next_epoch)
        except BaseException:
            self.close()
            raise

    def last_seq(self) -> int:
        """Number of the newest row; 0 where there is none."""
        found = self._rows("SELECT coalesce(max(seq), 0) FROM agv2_journal.entries WHERE journal = %s", (self._name,))
        return int(found[0][0])

    def append(self, rows: Sequence[JournalRow]) -> None:
        """Keep `rows`, all or none; on return they are on the server's disk."""

        def write(connection: "psycopg.Connection") -> None:
            # A server that was told to answer before its disk did is told otherwise for what goes on the wire next.
            connection.execute("SET LOCAL synchronous_commit = on")
            found = connection.execute(
                "SELECT epoch FROM agv2_journal.journals WHERE journal = %s FOR UPDATE", (self._name,)
            ).fetchone()
            if found is None or found[0] != self._epoch:
                raise InvariantError(f"{self._shown}: another trader has taken over this journal")
            # A commit whose answer was lost is repeated: the rows are then there already, and they are ours.
            with connection.cursor() as cursor:
                cursor.executemany(
                    f"INSERT INTO agv2_journal.entries (journal, {_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s) "
                    "ON CONFLICT DO NOTHING",
                    [(self._name, *row) for row in rows],
                )

        self._session.run(write)

    def read(self, after: int, kinds: Sequence[str], symbol: str | None, limit: int) -> list[JournalRow]:
        """Up to `limit` rows beyond number `after`, in order."""
        where, values = "journal = %s AND seq > %s", [self._name, after]
        every: list[Any] = list(values)
        if kinds:
            where += " AND kind = ANY(%s)"
            every.append(list(kinds))
        if symbol is not None:
            where += " AND symbol = %s"
            every.append(symbol)
        return self._journal_rows(f"{where} ORDER BY seq LIMIT %s", (*every, limit))

    def newest(self, kind: str, symbol: str | None) -> JournalRow | None:
        """The last row of its kind (and symbol), or None."""
        where, values = "journal = %s AND kind = %s", (self._name, kind)
        every: tuple[Any, ...] = values
        if symbol is not None:
            where, every = f"{where} AND symbol = %s", (*values, symbol)
        found = self._journal_rows(f"{where} ORDER BY seq DESC LIMIT 1", every)
        return found[0] if found else None

    def close(self) -> None:
        """Give the connections back, and the lock with them."""
        self._session.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    @property
    def _shown(self) -> str:
        return f"journal {self._name!r} in PostgreSQL at {self.address.shown}"

    def _be_the_writer(self) -> None:
        psycopg = psycopg_driver()
        try:
            self._lock = psycopg.connect(self.address.conninfo, autocommit=True, prepare_threshold=None)
            key = zlib.crc32(self._name.encode()) - (1 << 31)  # the lock's second number is a signed one of 32 bits
            found = self._lock.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK, key)).fetchone()
        except psycopg.Error as error:
            raise DataError(f"{self._shown}: cannot be locked ({' '.join(str(error).split())})") from error
        if found is None or not found[0]:
            raise DataError(f"{self._shown}: another trader writes to it; stop it, or name another journal")

    def _migrate(self, connection: "psycopg.Connection") -> None:
        directory = importlib.resources.files("agv2.execution.journal_store") / "migrations" / "postgres"
        steps = read_migrations(directory)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE SCHEMA IF NOT EXISTS agv2_journal")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS agv2_journal.schema_migrations (name text PRIMARY KEY, checksum text NOT NULL)"
        )
        applied: dict[str, str] = dict(
            connection.execute("SELECT name, checksum FROM agv2_journal.schema_migrations").fetchall()
        )
        if unknown := sorted(set(applied) - {step.name for step in steps}):
            raise DataError(f"{self._shown}: has {unknown[0]}, which this AGV2 does not know; upgrade this one")
        for step in steps:
            if step.name not in applied:
                connection.execute(step.sql.encode())
                connection.execute(
                    "INSERT INTO agv2_journal.schema_migrations VALUES (%s, %s)", (step.name, step.checksum)
                )
            elif applied[step.name] != step.checksum:
                raise DataError(f"{self._shown}: migration {step.name} was altered after it was applied")

    def _next_epoch(self, connection: "psycopg.Connection") -> tuple[str, int]:
        row = connection.execute(
            "INSERT INTO agv2_journal.journals VALUES (%s, %s, 1) "
            "ON CONFLICT (journal) DO UPDATE SET epoch = agv2_journal.journals.epoch + 1 RETURNING identity, epoch",
            (self._name, new_identity()),
        ).fetchone()
        assert row is not None
        return str(row[0]), int(row[1])

    def _known_identity(self, connection: "psycopg.Connection") -> str:
        there = connection.execute("SELECT to_regclass('agv2_journal.journals') IS NOT NULL").fetchone()
        row = None
        if there is not None and there[0]:
            row = connection.execute(
                "SELECT identity FROM agv2_journal.journals WHERE journal = %s", (self._name,)
            ).fetchone()
        if row is None:
            raise DataError(f"{self._shown}: is not there; a trader makes it at its first start")
        return str(row[0])

    def _journal_rows(self, clause: str, values: Sequence[Any]) -> list[JournalRow]:
        return [
            JournalRow(*row)
            for row in self._rows(f"SELECT {_COLUMNS} FROM agv2_journal.entries WHERE {clause}", values)
        ]

    def _rows(self, statement: str, values: Sequence[Any]) -> list[Any]:
        return self._session.run(lambda connection: connection.execute(statement.encode(), values).fetchall())

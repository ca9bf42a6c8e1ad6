"""A journal in one SQLite file: write-ahead log, every commit on the disk before it returns."""

import importlib.resources
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from agv2.core.errors import DataError, InvariantError
from agv2.data.postgres.migrations import read_migrations
from agv2.execution.journal_store.rows import JournalRow, new_identity

__all__ = ["SqliteJournal"]

_APPLICATION_ID = 0x61677632  # "agv2", in the header of the file
_WAIT_S = 10.0
_COLUMNS = "seq, ts_ns, run, kind, symbol, body"

Result = TypeVar("Result")


class SqliteJournal:
    """Rows in the file `path`, made where it is missing.

    A half-written last record, as a loss of power may leave it, is not there when the file is next opened: SQLite's
    log has a checksum for each commit.

    Args:
        path: of the file; `-wal`, `-shm` and `.lock` files lie beside it.
        read_only: for everybody but the one trader.

    Raises:
        DataError: the file is missing (to a reader), another program's, newer than this AGV2, or broken; or another
            trader writes to it.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._lock: FileLock | None = None
        if read_only:
            if not path.is_file():
                raise DataError(f"{path}: there is no journal; a trader makes it at its first start")
            self._connection = self._connected(f"{path.resolve().as_uri()}?mode=ro")
        else:
            self._connection = self._opened_for_writing()
        try:
            self._require_ours()
            self.identity: str = self._guarded(self._read_identity)
        except BaseException:
            self.close()
            raise

    def last_seq(self) -> int:
        """Number of the newest row; 0 where there is none."""
        found = self._rows("SELECT coalesce(max(seq), 0) FROM entries", ())
        return int(found[0][0])

    def append(self, rows: Sequence[JournalRow]) -> None:
        """Keep `rows`, all or none; on return they are on the disk."""

        def write() -> None:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

        try:
            self._guarded(write)
        except sqlite3.IntegrityError as error:
            raise InvariantError(f"{self.path}: row {rows[0].seq} is already there: two traders write to it") from error

    def read(self, after: int, kinds: Sequence[str], symbol: str | None, limit: int) -> list[JournalRow]:
        """Up to `limit` rows beyond number `after`, in order."""
        where, values = "seq > ?", [after]
        values_all: list[Any] = list(values)
        if kinds:
            where += f" AND kind IN ({', '.join('?' * len(kinds))})"
            values_all += kinds
        if symbol is not None:
            where += " AND symbol = ?"
            values_all.append(symbol)
        return self._journal_rows(f"WHERE {where} ORDER BY seq LIMIT ?", (*values_all, limit))

    def newest(self, kind: str, symbol: str | None) -> JournalRow | None:
        """The last row of its kind (and symbol), or None."""
        where, values = ("kind = ?", (kind,)) if symbol is None else ("kind = ? AND symbol = ?", (kind, symbol))
        found = self._journal_rows(f"WHERE {where} ORDER BY seq DESC LIMIT 1", values)
        return found[0] if found else None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def _opened_for_writing(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{self.path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataError(f"{self.path}: another trader writes to this journal; stop it, or name another") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({error.strerror})") from error
        try:
            connection = self._connected(str(self.path.resolve()), uri=False)
            self._connection = connection
            self._guarded(self._prepare)
        except BaseException:
            self._lock.release()
            raise
        return connection

    def _connected(self, target: str, *, uri: bool = True) -> sqlite3.Connection:
        try:
            return sqlite3.connect(target, uri=uri, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise DataError(f"{self.path}: cannot be opened ({error})") from error

    def _prepare(self) -> None:
        execute = self._connection.execute
        is_new = execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not is_new:
            self._require_ours()
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA fullfsync = ON")  # elsewhere than on macOS it changes nothing
        steps = read_migrations(importlib.resources.files("agv2.execution.journal_store") / "migrations" / "sqlite")
        applied = execute("PRAGMA user_version").fetchone()[0]
        if applied > len(steps):
            raise self._newer(applied)
        for number, step in enumerate(steps[applied:], start=applied + 1):
            # One transaction a step: killed within, the file is as it was before.
            identity = f"INSERT INTO journal VALUES (1, '{new_identity()}');" if number == 1 else ""
            header = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {number};"
            self._connection.executescript(f"BEGIN IMMEDIATE; {step.sql} {identity} {header} COMMIT;")
        if is_new and hasattr(os, "O_DIRECTORY"):
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _require_ours(self) -> None:
        def look() -> None:
            execute = self._connection.execute
            if execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
                raise DataError(f"{self.path}: is no journal of AGV2; name another file")
            known = read_migrations(importlib.resources.files("agv2.execution.journal_store") / "migrations" / "sqlite")
            if (found := execute("PRAGMA user_version").fetchone()[0]) > len(known):
                raise self._newer(found)

        self._guarded(look)

    def _newer(self, version: int) -> DataError:
        return DataError(f"{self.path}: was written by a newer AGV2 (journal version {version}); upgrade this one")

    def _read_identity(self) -> str:
        return str(self._connection.execute("SELECT identity FROM journal").fetchone()[0])

    def _journal_rows(self, clause: str, values: Sequence[Any]) -> list[JournalRow]:
        return [JournalRow(*row) for row in self._rows(f"SELECT {_COLUMNS} FROM entries {clause}", values)]

    def _rows(self, statement: str, values: Sequence[Any]) -> list[Any]:
        return self._guarded(lambda: self._connection.execute(statement, values).fetchall())

    def _guarded(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise DataError(f"{self.path}: the journal cannot be used ({error})") from error

"""The journal: what was seen, decided, asked and answered, safe on a disk before anything goes on the wire."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from agv2.execution.journal_records import JournalRecord, record_of_json, record_to_json
from agv2.execution.journal_store.postgres_store import PostgresJournal
from agv2.execution.journal_store.rows import JournalRow, JournalStore
from agv2.execution.journal_store.sqlite_store import SqliteJournal
from agv2.utils.clock import Clock, SystemClock

__all__ = ["Journal", "JournalEntry", "JournalReader"]

_PAGE = 1_000
_SCHEMES = ("postgresql://", "postgres://")


class JournalEntry(NamedTuple):
    """One record, and where it stands."""

    seq: int
    """1, 2, 3 … without a hole."""
    ts_ns: int
    """When it was written, nanoseconds UTC."""
    run: str
    """Which start of the program wrote it."""
    record: JournalRecord


class JournalReader:
    """A journal to read, also while a trader writes to it; a context manager.

    Args:
        location: a SQLite file, or the address of a PostgreSQL database (`postgresql://…`).
        name: which of the database's journals; a file holds one.
        clock: waits at a lost server.

    Raises:
        DataError: there is no journal, or it cannot be read by this AGV2.
    """

    def __init__(self, location: str | Path, *, name: str = "trader", clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._store = _store(location, name, self._clock, read_only=self._read_only)

    _read_only = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def identity(self) -> str:
        """Eight random letters given to the journal when it was made."""
        return self._store.identity

    def last_seq(self) -> int:
        """Number of the newest record; 0 where there is none."""
        return self._store.last_seq()

    def entries(
        self, after: int = 0, *, kinds: Sequence[type[JournalRecord]] = (), symbol: str | None = None
    ) -> Iterator[JournalEntry]:
        """Records beyond number `after`, in order, read as they are taken.

        Args:
            after: 0 for the first.
            kinds: only of these classes; empty: of all.
            symbol: only of this symbol; None: of all.

        Raises:
            DataError: a record is of a newer AGV2, or the store fails.
        """
        names = [each.kind for each in kinds]
        while True:
            rows = self._store.read(after, names, symbol, _PAGE)
            for row in rows:
                yield _entry(row)
            if len(rows) < _PAGE:
                return
            after = rows[-1].seq

    def newest(self, kind: type[JournalRecord], symbol: str | None = None) -> JournalEntry | None:
        """The last record of its kind (and symbol), or None."""
        row = self._store.newest(kind.kind, symbol)
        return None if row is None else _entry(row)

    def close(self) -> None:
        """Let go of the file or the server."""
        self._store.close()


class Journal(JournalReader):
    """A journal to write: one process at a time; it is made where it is missing.

    Args:
        location: a SQLite file, or the address of a PostgreSQL database.
        run: names this start of the program in every record.
        name: which of the database's journals.
        clock: stamps records.

    Raises:
        DataError: another trader writes to it, it is newer than this AGV2, or the store fails.
    """

    _read_only = False

    def __init__(
        self, location: str | Path, *, run: str = "", name: str = "trader", clock: Clock | None = None
    ) -> None:
        super().__init__(location, name=name, clock=clock)
        self._run = run
        self._last_seq = self._store.last_seq()
        self._listeners: list[Callable[[JournalRecord], None]] = []

    def listen(self, heard: Callable[[JournalRecord], None]) -> None:
        """Have `heard` told of each record from now on, once it is safe; it returns at once and raises nothing."""
        self._listeners.append(heard)

    def append(self, *records: JournalRecord) -> int:
        """Write `records`, all or none. On return they survive a kill and a loss of power.

        Returns:
            Number of the last one.

        Raises:
            DataError: they could not be written. Nothing that they announce may be done.
            InvariantError: another process writes to the journal.
        """
        if not records:
            return self._last_seq
        now_ns = self._clock.now_ns()
        rows = [
            JournalRow(
                self._last_seq + place,
                now_ns,
                self._run,
                record.kind,
                getattr(record, "symbol", "") or "",
                record_to_json(record),
            )
            for place, record in enumerate(records, start=1)
        ]
        self._store.append(rows)
        self._last_seq += len(rows)
        for heard in self._listeners:
            for record in records:
                heard(record)
        return self._last_seq


def _store(location: str | Path, name: str, clock: Clock, *, read_only: bool) -> JournalStore:
    text = str(location)
    if text.startswith(_SCHEMES):
        # Spreads the waits of programs that lost one server together: no seed may make them alike.
        rng = np.random.default_rng()
        return PostgresJournal(text, name, clock=clock, rng=rng, read_only=read_only)
    return SqliteJournal(Path(location), read_only=read_only)


def _entry(row: JournalRow) -> JournalEntry:
    return JournalEntry(row.seq, row.ts_ns, row.run, record_of_json(row.kind, row.body))

"""State in a file of this machine: SQLite, written through to the disk."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agv2.core.errors import StateError
from agv2.deploy.state_store import Lease, gone_to_another, held_by_another, next_token
from agv2.utils.clock import Clock

__all__ = ["SqliteState"]

_NS = 1_000_000_000
_PATIENCE_S = 5.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, token INTEGER NOT NULL, expires_ns INTEGER NOT NULL
) WITHOUT ROWID;
"""


class SqliteState:
    """A `StateStore` in one file, for the processes of one machine.

    Args:
        path: the file; made with its directory.
        clock: says when a lease ends.

    Raises:
        StateError: the file cannot be made, or is no such store.
    """

    lost = ""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._guard = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{path}: cannot be used ({error}); restore it, or move it aside") from error

    def get(self, key: str) -> str | None:
        """The text under `key`, or None."""
        with self._step(write=False):
            found = self._db.execute("SELECT text FROM state WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def items(self, prefix: str) -> Mapping[str, str]:
        """Every key that begins with `prefix`, in order, and its text."""
        with self._step(write=False):
            return dict(
                self._db.execute(
                    "SELECT key, text FROM state WHERE substr(key, 1, ?) = ? ORDER BY key", (len(prefix), prefix)
                )
            )

    def put(self, key: str, text: str | None, fence: Lease | None = None) -> None:
        """Keep `text` under `key`; None removes it."""
        with self._step():
            if fence is not None:
                self._require_newest(fence)
            self._write(key, text)

    def swap(self, key: str, expected: str | None, text: str | None) -> bool:
        """Like `put`, but only where `expected` is what is there; returns whether it was."""
        with self._step():
            found = self._db.execute("SELECT text FROM state WHERE key = ?", (key,)).fetchone()
            same = (None if found is None else str(found[0])) == expected
            if same:
                self._write(key, text)
            return same

    def acquire(self, name: str, owner: str, ttl_s: float) -> Lease:
        """Take the lease `name` for `ttl_s` seconds."""
        with self._step():
            now_ns = self._clock.now_ns()
            found = self._db.execute("SELECT owner, token, expires_ns FROM lease WHERE name = ?", (name,)).fetchone()
            last_owner, last_token, expires_ns = ("", 0, 0) if found is None else found
            if expires_ns > now_ns and last_owner != owner:
                raise held_by_another(name, last_owner, (expires_ns - now_ns) / _NS)
            lease = Lease(name, owner, next_token(last_token, now_ns), now_ns + int(ttl_s * _NS))
            self._db.execute("INSERT OR REPLACE INTO lease (name, owner, token, expires_ns) VALUES (?, ?, ?, ?)", lease)
            return lease

    def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """Hold on to a lease for `ttl_s` seconds from now."""
        with self._step():
            self._require_newest(lease)
            renewed = lease._replace(expires_ns=self._clock.now_ns() + int(ttl_s * _NS))
            self._db.execute("UPDATE lease SET expires_ns = ? WHERE name = ?", (renewed.expires_ns, lease.name))
            return renewed

    def release(self, lease: Lease) -> None:
        """End a lease now; its token stays known, so that the next one is larger."""
        with self._step():
            self._db.execute("UPDATE lease SET expires_ns = 0 WHERE name = ? AND token = ?", (lease.name, lease.token))

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._db.close()

    def _write(self, key: str, text: str | None) -> None:
        if text is None:
            self._db.execute("DELETE FROM state WHERE key = ?", (key,))
        else:
            self._db.execute("INSERT OR REPLACE INTO state (key, text) VALUES (?, ?)", (key, text))

    def _require_newest(self, lease: Lease) -> None:
        found = self._db.execute("SELECT token, expires_ns FROM lease WHERE name = ?", (lease.name,)).fetchone()
        if found is None or found[0] != lease.token or found[1] == 0:
            raise gone_to_another(lease)

    @contextmanager
    def _step(self, *, write: bool = True) -> Iterator[None]:
        with self._guard:
            try:
                self._db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise StateError(f"{self._path}: cannot be used ({error})") from error

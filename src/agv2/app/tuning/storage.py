"""Where a study is kept: a file of SQLite, or PostgreSQL, which several machines may share."""

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import filelock

from agv2.core.errors import ConfigError
from agv2.data.postgres.address import PostgresAddress
from agv2.data.postgres.drivers import psycopg_driver
from agv2.data.postgres.failures import connection_refusal
from agv2.utils.environment import load_environment

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

__all__ = ["Claims", "StudyStorage", "open_storage"]

_SCHEMA = "agv2_studies"


class Claims(Protocol):
    """Who works on which trial; what a process claimed is free again when it dies, however it dies."""

    def deciding(self) -> contextlib.AbstractContextManager[None]:
        """Keeps others out while a process picks its next trial."""

    def claim(self, number: int) -> bool:
        """Take a trial; False where another process has it."""

    def release(self, number: int) -> None:
        """Give a trial back."""

    def close(self) -> None:
        """Give everything back."""


@dataclass(frozen=True, slots=True)
class StudyStorage:
    """An open storage."""

    storage: "RDBStorage"
    claims: Claims
    shown: str
    """Where it is, without a password."""

    def close(self) -> None:
        """Give connections and claims back."""
        self.claims.close()
        self.storage.remove_session()
        self.storage.engine.dispose()


def open_storage(wanted: str, folder: Path, name: str) -> StudyStorage:
    """The storage of a study.

    Args:
        wanted: `sqlite`, an address of PostgreSQL, or empty for what `DATABASE_URL` names, else `sqlite`.
        folder: of the study; made where it is missing.
        name: of the study.

    Raises:
        ConfigError: it is neither, the directory cannot be written, or login or database are wrong.
        DataError: the server cannot be reached.
    """
    named = load_environment().database_url
    if not wanted and named is not None:
        wanted = named.get_secret_value()
    if wanted in ("", "sqlite"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be made ({error.strerror}); set AGV2_HOME") from error
        return StudyStorage(_storage(f"sqlite:///{folder / 'study.db'}"), _FileClaims(folder), str(folder / "study.db"))
    if not wanted.startswith(("postgres://", "postgresql://", "host=", "dbname=")):
        raise ConfigError("--storage: write sqlite, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    address = PostgresAddress.parse(wanted)
    claims = _PostgresClaims(address, name)
    return StudyStorage(_postgres_storage(address), claims, f"PostgreSQL at {address.shown}")


def _storage(url: str, **engine: Any) -> "RDBStorage":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():  # alembic's, about how Optuna configures it
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=engine)
        except RuntimeError as error:
            raise ConfigError(f"the study was kept by another version of Optuna ({error}); begin another") from None


def _postgres_storage(address: PostgresAddress) -> "RDBStorage":
    def connected() -> Any:
        return psycopg_driver().connect(address.conninfo, options=f"-c search_path={_SCHEMA}")

    return _storage("postgresql+psycopg://", creator=connected, pool_pre_ping=True)


@dataclass(slots=True)
class _FileClaims:
    """Locked files: the system lets go of those of a dead process."""

    folder: Path
    held: dict[int, filelock.BaseFileLock] = field(default_factory=dict)

    @contextlib.contextmanager
    def deciding(self) -> Iterator[None]:
        with filelock.FileLock(self._path("deciding")):
            yield

    def claim(self, number: int) -> bool:
        lock = filelock.FileLock(self._path(str(number)))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return False
        self.held[number] = lock
        return True

    def release(self, number: int) -> None:
        self.held.pop(number).release()

    def close(self) -> None:
        for number in list(self.held):
            self.release(number)

    def _path(self, name: str) -> Path:
        folder = self.folder / "claims"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.lock"


class _PostgresClaims:
    """Advisory locks of one session: the server lets go of those of a connection that broke."""

    def __init__(self, address: PostgresAddress, name: str) -> None:
        driver = psycopg_driver()
        try:
            self._connection = driver.connect(address.conninfo, autocommit=True)
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
        except driver.Error as error:
            raise connection_refusal(error, address)[0] from None
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little", signed=True)

    @contextlib.contextmanager
    def deciding(self) -> Iterator[None]:
        self._connection.execute("SELECT pg_advisory_lock(%s, -1)", (self._key,))
        try:
            yield
        finally:
            self._connection.execute("SELECT pg_advisory_unlock(%s, -1)", (self._key,))

    def claim(self, number: int) -> bool:
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (self._key, number)).fetchone()
        return bool(row and row[0])

    def release(self, number: int) -> None:
        self._connection.execute("SELECT pg_advisory_unlock(%s, %s)", (self._key, number))

    def close(self) -> None:
        self._connection.close()

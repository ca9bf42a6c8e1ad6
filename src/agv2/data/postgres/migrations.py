"""Numbered steps that bring the archive's tables to what this version expects, each applied once."""

import hashlib
import importlib.resources
import re
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, LiteralString, NamedTuple

from agv2.core.errors import DataError, InvariantError
from agv2.data.postgres.address import PostgresAddress
from agv2.data.postgres.drivers import psycopg_driver

if TYPE_CHECKING:
    import psycopg

__all__ = ["apply_migrations", "read_migrations", "shipped_migrations"]

_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")
_LOCK = 0x61677632  # "agv2": any number that others are unlikely to lock


class Migration(NamedTuple):
    """One step."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 (hexadecimal) of the text, whatever its line endings."""
        return hashlib.sha256("\n".join(self.sql.splitlines()).encode()).hexdigest()


def shipped_migrations() -> list[Migration]:
    """The steps of this version, in order."""
    return read_migrations(importlib.resources.files("agv2.data") / "migrations")


def read_migrations(directory: Traversable) -> list[Migration]:
    """The steps `0001_words.sql`, `0002_words.sql`, … in `directory`, in order.

    Raises:
        InvariantError: a number is missing or taken twice.
    """
    names = sorted(each.name for each in directory.iterdir() if _NAME.fullmatch(each.name))
    for number, name in enumerate(names, start=1):
        if int(name[:4]) != number:
            raise InvariantError(f"migration {name} follows {number - 1:04d}, expected number {number:04d}")
    return [Migration(name.removesuffix(".sql"), (directory / name).read_text(encoding="utf-8")) for name in names]


def apply_migrations(connection: "psycopg.Connection", steps: list[Migration], address: PostgresAddress) -> list[str]:
    """Apply what is missing, inside the caller's transaction; others who try wait, then find it done.

    Where nothing is missing nothing is written, so that a user who may only read passes.

    Args:
        connection: in a transaction, which the caller commits; any failure must roll it back.
        steps: every step there is, in order.
        address: for messages.

    Returns:
        Names of the steps applied.

    Raises:
        DataError: an applied step was altered, the archive is newer than `steps`, or a step failed.
    """
    if not _missing(connection, steps, address):
        return []
    psycopg = psycopg_driver()
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    missing = _missing(connection, steps, address)  # again: another migrator may have been first
    # IF NOT EXISTS would ask for a right to the database even where it makes nothing.
    if not _exists(connection, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'agv2')"):
        connection.execute("CREATE SCHEMA agv2")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS agv2.schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now())"
    )
    for step in missing:
        try:
            connection.execute(step.sql.encode())
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate == "42501" or error.sqlstate[:2] in ("08", "40", "57"):
                raise  # the connection or the rights, not the step
            raise DataError(
                f"PostgreSQL at {address.shown}: migration {step.name} failed ({str(error).splitlines()[0]}); nothing "
                "was changed"
            ) from error
        connection.execute(
            "INSERT INTO agv2.schema_migrations (name, checksum) VALUES (%s, %s)", (step.name, step.checksum)
        )
    return [step.name for step in missing]


def _missing(connection: "psycopg.Connection", steps: list[Migration], address: PostgresAddress) -> list[Migration]:
    """The steps that the archive lacks, after checking those that it has."""
    # Asked of the catalogue's rows: to_regclass may answer from before another migrator's commit.
    applied: dict[str, str] = {}
    if _exists(
        connection,
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'agv2' AND tablename = 'schema_migrations')",
    ):
        applied = dict(connection.execute("SELECT name, checksum FROM agv2.schema_migrations ORDER BY name").fetchall())
    known = {step.name: step for step in steps}
    for name, checksum in applied.items():
        if name not in known:
            raise DataError(
                f"PostgreSQL at {address.shown}: the archive has {name}, which this AGV2 does not know; it was set up "
                "by a newer AGV2: upgrade this one"
            )
        if known[name].checksum != checksum:
            raise DataError(
                f"PostgreSQL at {address.shown}: migration {name} was altered after it was applied; restore its file "
                "(reinstall AGV2) and put changes into a new one"
            )
    return [step for step in steps if step.name not in applied]


def _exists(connection: "psycopg.Connection", question: LiteralString) -> bool:
    row = connection.execute(question).fetchone()
    return row is not None and bool(row[0])

"""Connections to one database that survive its restarts: work is a transaction, repeated whole when one is lost."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import structlog

from agv2.core.errors import AGV2Error, ConfigError, DataError
from agv2.data.postgres.address import PostgresAddress
from agv2.data.postgres.drivers import adbc_driver, psycopg_driver
from agv2.data.postgres.failures import connection_refusal, is_passing, statement_refusal
from agv2.utils.clock import Clock

if TYPE_CHECKING:
    import psycopg
    from adbc_driver_manager.dbapi import Cursor

__all__ = ["PostgresSession"]

Result = TypeVar("Result")

_OLDEST_SERVER = 140_000
_ATTEMPTS = 7
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0


class PostgresSession:
    """One user's connections, opened when needed: psycopg for small things, ADBC for bars.

    Not for several threads at once.

    Args:
        address: of the database.
        clock: waits between attempts.
        rng: spreads those waits, so that many clients do not come back in step.
    """

    def __init__(self, address: PostgresAddress, clock: Clock, rng: np.random.Generator) -> None:
        self.address = address
        self._clock = clock
        self._rng = rng
        self._small: psycopg.Connection | None = None
        self._bulk: Any = None
        self._been_connected = False

    def close(self) -> None:
        """Give both connections back; a later call opens new ones."""
        small, bulk, self._small, self._bulk = self._small, self._bulk, None, None
        for connection in (small, bulk):
            if connection is not None:
                try:
                    connection.close()
                except Exception as error:  # noqa: BLE001 - it is broken, and nothing is left to save
                    structlog.get_logger().debug("connection closed badly", error=str(error))

    def run(self, work: "Callable[[psycopg.Connection], Result]") -> Result:
        """What `work` returns, done in one transaction.

        Raises:
            AGV2Error: the server cannot be reached, was lost for good, or refused.
        """

        def once() -> Result:
            connection = self._small = self._small or self._connected()
            with connection.transaction():
                return work(connection)

        return self._persistently(once)

    def run_bulk(self, work: "Callable[[Cursor], Result]") -> Result:
        """What `work` returns, done in one transaction of ADBC.

        Raises:
            AGV2Error: the server cannot be reached, was lost for good, or refused.
        """

        def once() -> Result:
            if self._bulk is None:
                if not self._been_connected:
                    self._small = self._connected()  # says what is wrong better than ADBC can
                # Its own bookkeeping of transactions begins a second one after each ingest; ours does not.
                self._bulk = adbc_driver().connect(self.address.conninfo, autocommit=True)
            with self._bulk.cursor() as cursor:
                cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                result = work(cursor)
                cursor.execute("COMMIT")
            return result

        return self._persistently(once)

    def _persistently(self, once: Callable[[], Result]) -> Result:
        drivers = (psycopg_driver().Error, adbc_driver().Error)
        waited_s = 0.0
        for attempt in range(_ATTEMPTS):
            try:
                return once()
            except drivers as error:
                self.close()
                if not is_passing(error):
                    raise statement_refusal(error, self.address) from error
                problem: BaseException = error
            except _NotYetError as error:
                problem = error.__cause__ or error
            except BaseException:
                self.close()  # interrupted between two statements: nobody knows what the connection expects
                raise
            if attempt + 1 < _ATTEMPTS:
                wait_s = min(_FIRST_WAIT_S * 2.0**attempt, _LONGEST_WAIT_S) * float(self._rng.uniform(0.5, 1.5))
                structlog.get_logger().warning(
                    "PostgreSQL lost, trying again", server=self.address.shown, wait_s=round(wait_s, 2)
                )
                self._clock.sleep_until(self._clock.now_ns() + int(wait_s * 1e9))
                waited_s += wait_s
        raise DataError(
            f"PostgreSQL at {self.address.shown} was lost and did not come back in {_ATTEMPTS} attempts over "
            f"{waited_s:.0f} s; what was written before is safe: run the command again when the server is up"
        ) from problem

    def _connected(self) -> "psycopg.Connection":
        driver = psycopg_driver()
        try:
            connection = cast(
                "psycopg.Connection",
                driver.connect(self.address.conninfo, autocommit=True, prepare_threshold=None),
            )
        except driver.Error as error:
            refusal, may_pass = connection_refusal(error, self.address)
            # A server that never answered is a wrong address; one that did is on its way back.
            if may_pass or (self._been_connected and not isinstance(refusal, ConfigError)):
                raise _NotYetError from refusal
            raise refusal from error
        version = connection.info.server_version
        if version < _OLDEST_SERVER:
            connection.close()
            raise ConfigError(
                f"PostgreSQL at {self.address.shown} is version {version // 10_000}, expected "
                f"{_OLDEST_SERVER // 10_000} or newer; upgrade the server or name another in DATABASE_URL"
            )
        self._been_connected = True
        return connection


class _NotYetError(AGV2Error):
    """A connection was refused for a reason that passes; the cause says which."""

"""The archive: bars as received, in PostgreSQL."""

import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe, year_bounds_ns
from agv2.data.postgres.address import PostgresAddress
from agv2.data.postgres.bar_frames import COLUMNS, bars_of_frame, frame_of_bars
from agv2.data.postgres.bar_upsert import Delivery, UpsertCount, instant, partition_of, upsert_bars
from agv2.data.postgres.migrations import apply_migrations, shipped_migrations
from agv2.data.postgres.session import PostgresSession
from agv2.utils.clock import Clock, SystemClock

if TYPE_CHECKING:
    import psycopg
    from adbc_driver_manager.dbapi import Cursor

__all__ = ["ArchivedSeries", "Changes", "PostgresManager"]


@dataclass(frozen=True, slots=True)
class ArchivedSeries:
    """One symbol and timeframe in the archive."""

    symbol: str
    timeframe: Timeframe
    source: str
    price_side: str
    rows: int
    first_ns: int
    """Open of the first bar, nanoseconds UTC."""
    last_ns: int
    change: int
    """Number of the last write that changed a bar; rises by one with each."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Which bars of a series a reader has not seen yet."""

    change: int
    """What to ask from next time, once all of these are safe."""
    rows_by_year: dict[int, int]
    """Changed bars by the year (UTC) of their open, in order."""


class PostgresManager:
    """Bars in PostgreSQL, by symbol, timeframe and stamp; a context manager.

    A lost connection is made anew and the work repeated, a few times with growing waits. Not for several threads.

    Args:
        url: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; never quoted in an error.
        clock: waits between attempts; the machine's unless given.
        rng: spreads those waits; of no seed unless given.

    Raises:
        ConfigError: `url` is no address, or the packages for PostgreSQL are not installed.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, rng: np.random.Generator | None = None) -> None:
        self.address = PostgresAddress.parse(url)
        self._session = PostgresSession(self.address, clock or SystemClock(), rng or np.random.default_rng())
        self._is_current = False

    def __enter__(self) -> "PostgresManager":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """`host:port/database`, without user and password."""
        return self.address.shown

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def migrate(self) -> list[str]:
        """Names of the migrations that were missing and are now applied; all of them or, on an error, none.

        Raises:
            ConfigError: address, user, password or database are wrong, or the server is too old.
            DataError: the server cannot be reached, the user may not do this, an applied migration was altered, or
                the archive is newer than this version.
        """
        steps = shipped_migrations()
        applied = self._session.run(lambda connection: apply_migrations(connection, steps, self.address))
        self._is_current = True
        return applied

    def archive_id(self) -> uuid.UUID:
        """What tells this archive from another that is made later at the same address.

        Raises:
            DataError: there is no archive.
        """
        rows = self._session.run(lambda connection: connection.execute("SELECT id FROM agv2.archive").fetchall())
        if len(rows) != 1:
            raise DataError(f"PostgreSQL at {self.address.shown}: agv2.archive has {len(rows)} rows, expected one")
        return cast(uuid.UUID, rows[0][0])

    def upsert(self, bars: Bars, *, source: str, price_side: str) -> UpsertCount:
        """Archive `bars`, replacing those of the same stamp that differ in a price, volume or spread.

        The first call applies missing migrations. All of the bars are archived or, on an error, none. Repeating it
        changes nothing: should the connection break after the server was done and before it could say so, bars just
        written count as unchanged.

        Args:
            bars: stamps strictly rising and whole microseconds, prices known.
            source: where the bars came from, such as `TradeLocker ABCD`; one for all bars of a series.
            price_side: bid, ask, mid or trade; one for all bars of a series.

        Raises:
            ConfigError: as for `migrate`.
            DataError: the bars cannot be archived, the series holds another source or price side, or the server was
                lost or refuses.
        """
        frame = frame_of_bars(bars)
        if frame.is_empty():
            return UpsertCount(0, 0, 0)
        if not self._is_current:
            self.migrate()
        delivery = Delivery(bars.symbol, bars.timeframe.name, frame, source, price_side)
        return self._session.run_bulk(lambda cursor: upsert_bars(cursor, delivery))

    def read(self, symbol: str, timeframe: Timeframe, start_ns: int | None = None, stop_ns: int | None = None) -> Bars:
        """Archived bars that open from `start_ns` up to but not including `stop_ns`; none where nothing is archived.

        Raises:
            DataError: there is no archive, or the server was lost or refuses.
        """
        return self._bars(symbol, timeframe, _bounds(start_ns, stop_ns))

    def series(self) -> list[ArchivedSeries]:
        """Every series that has bars, by symbol and timeframe.

        Raises:
            DataError: there is no archive, or the server was lost or refuses.
        """
        rows = self._session.run(
            lambda connection: connection.execute(
                "SELECT symbol, timeframe, source, price_side, n_bars, "
                "(extract(epoch FROM first_ts) * 1000000)::bigint, (extract(epoch FROM last_ts) * 1000000)::bigint, "
                "change FROM agv2.series WHERE change > 0"
            ).fetchall()
        )
        found = [
            ArchivedSeries(symbol, Timeframe.parse(name), source, side, rows, first_us * 1000, last_us * 1000, change)
            for symbol, name, source, side, rows, first_us, last_us, change in rows
        ]
        return sorted(found, key=lambda each: (each.symbol, each.timeframe))

    def changed_since(self, symbol: str, timeframe: Timeframe, change: int) -> Changes:
        """What was written to a series after its change number `change`; 0: everything.

        Raises:
            DataError: there is no archive, or the server was lost or refuses.
        """

        def work(connection: "psycopg.Connection") -> Changes:
            # The number comes first. Bars written meanwhile are then found as well, and once more next time; the
            # other way round they would be missed.
            row = connection.execute(
                "SELECT id, change FROM agv2.series WHERE symbol = %s AND timeframe = %s", (symbol, timeframe.name)
            ).fetchone()
            if row is None or row[1] <= change:
                return Changes(0 if row is None else row[1], {})
            years = connection.execute(
                "SELECT extract(year FROM ts AT TIME ZONE 'UTC')::integer AS year, count(*) "
                f"FROM agv2.{partition_of(row[0])} WHERE change > %s GROUP BY year ORDER BY year".encode(),
                (change,),
            ).fetchall()
            return Changes(row[1], dict(years))

        return self._session.run(work)

    def read_changed(self, symbol: str, timeframe: Timeframe, change: int, year: int) -> Bars:
        """Bars that open in `year` (UTC) and were written after change number `change`.

        Raises:
            DataError: there is no archive, or the server was lost or refuses.
        """
        return self._bars(symbol, timeframe, [*_bounds(*year_bounds_ns(year)), f"change > {int(change)}"])

    def _bars(self, symbol: str, timeframe: Timeframe, conditions: list[str]) -> Bars:
        """Bars in order that meet `conditions`, which hold numbers alone."""

        def work(cursor: "Cursor") -> pl.DataFrame:
            cursor.execute("SELECT id FROM agv2.series WHERE symbol = $1 AND timeframe = $2", (symbol, timeframe.name))
            row = cursor.fetchone()
            if row is None:
                return _NO_BARS
            # From the partition and with numbers in place: ADBC streams a statement without parameters as COPY, and
            # gathers the whole result of one with parameters in memory first.
            cursor.execute(
                f"SELECT {', '.join(COLUMNS)} FROM agv2.{partition_of(row[0])} "
                f"WHERE {' AND '.join(conditions) or 'true'} ORDER BY ts"
            )
            return cast(pl.DataFrame, pl.from_arrow(cursor.fetch_arrow_table()))

        return bars_of_frame(self._session.run_bulk(work), symbol, timeframe)


_NO_BARS = pl.DataFrame(schema={name: pl.Datetime("us", "UTC") if name == "ts" else pl.Float64() for name in COLUMNS})


def _bounds(start_ns: int | None, stop_ns: int | None) -> list[str]:
    """SQL conditions; stamps are whole microseconds, so a bound between two of them goes to the upper one."""
    sides = ((">=", start_ns), ("<", stop_ns))
    return [f"ts {sign} {instant(-(-bound // 1000))}" for sign, bound in sides if bound is not None]

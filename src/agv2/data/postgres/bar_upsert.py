"""Bars into the archive: one transaction of one series."""

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from agv2.core.errors import DataError
from agv2.data.postgres.bar_frames import COLUMNS

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Cursor

__all__ = ["Delivery", "UpsertCount", "instant", "partition_of", "upsert_bars"]

_VALUES = COLUMNS[1:]
_STAGED = "staged_bars"
_LOCK_SECONDS = 120


class UpsertCount(NamedTuple):
    """What an upsert did, in bars."""

    inserted: int
    updated: int
    """Archived before with other values."""
    unchanged: int


class Delivery(NamedTuple):
    """Bars on their way, and where they come from."""

    symbol: str
    timeframe: str
    frame: pl.DataFrame
    """(n_bars, 7) of `bar_frames.COLUMNS`, stamps rising, at least one row."""
    source: str
    price_side: str


class _Series(NamedTuple):
    series_id: int
    change: int
    """Number of the last write that changed a bar."""
    is_new: bool


def partition_of(series_id: int) -> str:
    """Table with the bars of a series; made of a number alone, so any symbol will do."""
    return f"bars_{int(series_id)}"


def instant(ts_us: int) -> str:
    """An SQL expression for microseconds since 1970, UTC; a number is all that is written into it."""
    return f"(timestamptz 'epoch' + bigint '{int(ts_us)}' * interval '1 microsecond')"


def upsert_bars(cursor: "Cursor", delivery: Delivery) -> UpsertCount:
    """Bring the archive to `delivery` where it differs; the caller commits.

    The series stays locked until then, so that its change numbers appear in their order and no two writers of it meet.

    Raises:
        DataError: the series holds another source or price side.
    """
    series = _locked_series(cursor, delivery)
    if series.is_new:
        cursor.execute("SELECT agv2.make_partition($1::integer)", (series.series_id,))
        cursor.fetchall()
        count = _ingest(cursor, delivery, series)
        cursor.execute("SELECT agv2.attach_partition($1::integer)", (series.series_id,))
        cursor.fetchall()
    elif _range_is_empty(cursor, delivery, series):
        count = _ingest(cursor, delivery, series)
    else:
        count = _merge(cursor, delivery, series)
    if count.inserted or count.updated:
        stamps = delivery.frame["ts"].to_physical()
        cursor.execute(
            "UPDATE agv2.series SET change = change + 1, n_bars = n_bars + $2::bigint, "
            f"first_ts = least(first_ts, {instant(stamps[0])}), last_ts = greatest(last_ts, {instant(stamps[-1])}) "
            "WHERE id = $1::integer",
            (series.series_id, count.inserted),
        )
    return count


def _locked_series(cursor: "Cursor", delivery: Delivery) -> _Series:
    key = (delivery.symbol, delivery.timeframe)
    cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
    is_new = False
    if (row := _lock(cursor, key)) is None:
        # Waits for another transaction that is making the same series, and then makes none.
        cursor.execute(
            "INSERT INTO agv2.series (symbol, timeframe, source, price_side) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT DO NOTHING RETURNING id",
            (*key, delivery.source, delivery.price_side),
        )
        is_new = cursor.fetchone() is not None
        row = _lock(cursor, key)
        assert row is not None
    series_id, change, source, price_side = row
    for word, held, offered in (("source", source, delivery.source), ("price side", price_side, delivery.price_side)):
        if held != offered:
            raise DataError(
                f"{delivery.symbol} {delivery.timeframe} in the archive has {word} {held}, these bars have {offered}: "
                "spliced feeds are no history; archive them under another symbol"
            )
    return _Series(series_id, change, is_new)


def _lock(cursor: "Cursor", key: tuple[str, str]) -> "tuple[Any, ...] | None":
    cursor.execute(
        "SELECT id, change, source, price_side FROM agv2.series WHERE symbol = $1 AND timeframe = $2 FOR UPDATE", key
    )
    return cursor.fetchone()


def _range_is_empty(cursor: "Cursor", delivery: Delivery, series: _Series) -> bool:
    stamps = delivery.frame["ts"].to_physical()
    cursor.execute(
        f"SELECT NOT EXISTS (SELECT FROM agv2.{partition_of(series.series_id)} "
        f"WHERE ts BETWEEN {instant(stamps[0])} AND {instant(stamps[-1])})"
    )
    row = cursor.fetchone()
    assert row is not None
    return bool(row[0])


def _ingest(cursor: "Cursor", delivery: Delivery, series: _Series) -> UpsertCount:
    """Straight into the partition, whose defaults give all that is constant in it."""
    table = delivery.frame.with_columns(pl.lit(series.change + 1, pl.Int64).alias("change"))
    cursor.adbc_ingest(partition_of(series.series_id), table.to_arrow(), mode="append", db_schema_name="agv2")
    return UpsertCount(table.height, 0, 0)


def _merge(cursor: "Cursor", delivery: Delivery, series: _Series) -> UpsertCount:
    columns = ", ".join(f"{name} double precision" for name in _VALUES)
    cursor.execute(f"CREATE TEMPORARY TABLE {_STAGED} (ts timestamptz, {columns}) ON COMMIT DROP")
    cursor.adbc_ingest(_STAGED, delivery.frame.to_arrow(), mode="append", temporary=True)
    names = ", ".join(COLUMNS)
    old, new = (", ".join(f"{side}.{name}" for name in _VALUES) for side in ("held", "excluded"))
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*_VALUES, "change", "received_at"))
    # A row that this very statement made has no earlier version, hence no xmax.
    cursor.execute(
        f"WITH done AS (INSERT INTO agv2.{partition_of(series.series_id)} AS held ({names}, change) "
        f"SELECT {names}, $1::bigint FROM pg_temp.{_STAGED} "
        f"ON CONFLICT (ts) DO UPDATE SET {changes} WHERE ({old}) IS DISTINCT FROM ({new}) "
        "RETURNING xmax = 0 AS is_new) "
        "SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM done",
        (series.change + 1,),
    )
    row = cursor.fetchone()
    assert row is not None
    inserted, updated = int(row[0]), int(row[1])
    return UpsertCount(inserted, updated, delivery.frame.height - inserted - updated)

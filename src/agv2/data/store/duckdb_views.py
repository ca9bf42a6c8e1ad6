"""The local store through DuckDB: a view over all bars, and what the ends of its files tell."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from agv2.core.errors import DataError

__all__ = ["Extent", "connect_to", "extent"]

_FILES = "symbol=*/timeframe=*/year=*/part.parquet"
_ATTEMPTS = 5
_NUMBERS = ("open", "high", "low", "close", "volume", "spread")


class Extent(NamedTuple):
    """What the files of a series hold."""

    rows: int
    first_ns: int
    last_ns: int


def connect_to(root: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in memory with the view `bars` over the store at `root`; without rows if it has none."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    if any(root.glob(_FILES)):
        pattern = f"{_literal_pattern(root)}/{_FILES}".replace("'", "''")
        connection.execute(
            f"CREATE VIEW bars AS SELECT symbol, timeframe, year, ts, {', '.join(_NUMBERS)} "
            f"FROM read_parquet('{pattern}', hive_partitioning = true, "
            "hive_types = {'symbol': VARCHAR, 'timeframe': VARCHAR, 'year': INTEGER})"
        )
    else:
        numbers = ", ".join(f"NULL::DOUBLE AS {name}" for name in _NUMBERS)
        connection.execute(
            "CREATE VIEW bars AS SELECT ''::VARCHAR AS symbol, ''::VARCHAR AS timeframe, 0::INTEGER AS year, "
            f"NULL::TIMESTAMPTZ AS ts, {numbers} WHERE false"
        )
    return connection


def extent(paths: Sequence[Path]) -> Extent:
    """How many bars the files hold, and which span; read from the ends of the files, so it takes milliseconds.

    Args:
        paths: at least one.

    Raises:
        DataError: a file is damaged, or holds no bars.
    """
    query = (
        "SELECT sum(row_group_num_rows), epoch_us(min(stats_min_value::TIMESTAMPTZ)), "
        "epoch_us(max(stats_max_value::TIMESTAMPTZ)) FROM parquet_metadata(?) WHERE path_in_schema = 'ts'"
    )
    for attempt in range(_ATTEMPTS):
        try:
            with duckdb.connect() as connection:
                row = connection.execute(query, [[_literal_pattern(path) for path in paths]]).fetchone()
            break
        except duckdb.Error as error:
            # DuckDB looks at a file's length before it opens it. A writer may replace the file in between, and then
            # the footer is not where it was: that passes, damage does not.
            if attempt + 1 == _ATTEMPTS:
                text = str(error).splitlines()[0]
                raise DataError(f"{paths[0].parent.parent}: {text}; remove the damaged file") from error
    if row is None or None in row:
        raise DataError(f"{paths[0].parent.parent}: a Parquet file without bars; remove it")
    return Extent(int(row[0]), int(row[1]) * 1000, int(row[2]) * 1000)


def _literal_pattern(path: Path) -> str:
    """`path` as DuckDB reads a pattern that means this path alone."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))

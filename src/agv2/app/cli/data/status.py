"""`agv2 data status`: what is stored on this machine, and which servers are there."""

import datetime
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

if TYPE_CHECKING:
    from agv2.core.errors import DataError
    from agv2.data.duckdb_store import StoredSeries
    from agv2.data.server_reach import Reach

__all__ = ["status"]

_HEADS = ("symbol", "timeframe", "bars", "first", "last", "size", "price side", "source", "downloaded")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON, for programs.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Show every stored series, where it lies, and whether PostgreSQL and Redis can be reached."""
    parse_overrides(config, overrides)
    from agv2.data.duckdb_store import BarStore
    from agv2.data.server_reach import postgres_reach, redis_reach
    from agv2.utils.environment import load_environment

    environment = load_environment()
    store = BarStore(environment.bars_root)
    series, problems = store.survey()
    feature_bytes, embedding_bytes = (
        sum(path.stat().st_size for path in cache.glob("*"))
        for cache in (environment.feature_cache, environment.embedding_cache)
    )
    reaches = {"PostgreSQL": postgres_reach(environment), "Redis": redis_reach(environment)}
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "home": str(environment.home),
                    "store": str(store.root),
                    "feature_cache": {"path": str(environment.feature_cache), "bytes": feature_bytes},
                    "embedding_cache": {"path": str(environment.embedding_cache), "bytes": embedding_bytes},
                    "series": [_plain(each) for each in series],
                    "problems": [str(problem) for problem in problems],
                    **{name.lower(): reach._asdict() for name, reach in reaches.items()},
                }
            )
        )
        _refuse(problems)
        return
    typer.echo(f"home        {environment.home}")
    typer.echo(f"features    {_size(feature_bytes)} kept of at most {_size(environment.feature_cache_bytes)}")
    typer.echo(f"embeddings  {_size(embedding_bytes)} kept of at most {_size(environment.embedding_cache_bytes)}")
    for name, reach in reaches.items():
        typer.echo(f"{name:<11} {_reach_text(reach)}")
    typer.echo()
    if not series and not problems:
        typer.echo(
            "no bars yet: import files with `agv2 data import FILE`, or fetch them from your broker with\n"
            "`agv2 data download --symbol ETHUSD --timeframe 1m --from 2024-01-01`"
        )
        return
    for line in _table([_HEADS, *(_row(each) for each in series)]):
        typer.echo(line)
    _refuse(problems)


def _refuse(problems: "Sequence[DataError]") -> None:
    """Everything has been shown; what is damaged still makes the command fail."""
    if problems:
        from agv2.core.errors import DataError

        rest = f" (and {len(problems) - 1} more series are damaged)" if len(problems) > 1 else ""
        raise DataError(f"{problems[0]}{rest}")


def _reach_text(reach: "Reach") -> str:
    if not reach.configured:
        return f"not configured (optional: {reach.key} in the environment or .env)"
    return f"reachable, {reach.address}" if reach.problem is None else f"NOT reachable: {reach.problem}"


def _row(series: "StoredSeries") -> tuple[str, ...]:
    return (
        series.symbol,
        series.timeframe.name,
        f"{series.rows:,}",
        _moment(series.first_ns),
        _moment(series.last_ns),
        _size(series.bytes),
        series.price_side or "-",
        series.source or "-",
        "-" if series.downloaded_ns is None else _moment(series.downloaded_ns),
    )


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numbers = {_HEADS.index("bars"), _HEADS.index("size")}
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _plain(series: "StoredSeries") -> dict[str, object]:
    return {
        "symbol": series.symbol,
        "timeframe": series.timeframe.name,
        "bars": series.rows,
        "first": _moment(series.first_ns),
        "last": _moment(series.last_ns),
        "bytes": series.bytes,
        "price_side": series.price_side,
        "source": series.source,
        "downloaded": None if series.downloaded_ns is None else _moment(series.downloaded_ns),
    }


def _moment(ts_ns: int) -> str:
    return datetime.datetime.fromtimestamp(ts_ns // 1_000_000_000, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 100_000 else f"{n_bytes / 1e3:,.1f} kB"

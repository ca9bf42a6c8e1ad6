"""`agv2 data sync`: the archive in PostgreSQL into the local store."""

import json
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

if TYPE_CHECKING:
    from agv2.data.archive_sync import SyncedSeries

__all__ = ["sync"]


def sync(
    symbol: Annotated[str | None, typer.Option("--symbol", metavar="S", help="Only this symbol.")] = None,
    timeframe: Annotated[str | None, typer.Option("--timeframe", metavar="TF", help="Only this, such as 1m.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Copy everything, not only what changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Copy what changed in PostgreSQL since the last time into the local store.

    The database is DATABASE_URL of the environment or .env. Interrupted at any point, the same command completes it.

    Example: agv2 data sync --symbol ETHUSD --timeframe 1m
    """
    parse_overrides(config, overrides)
    from agv2.app.cli.data.sync_progress import SyncProgress
    from agv2.core.errors import DataError
    from agv2.core.timeframes import Timeframe
    from agv2.data.archive_sync import sync_archive
    from agv2.data.duckdb_store import BarStore
    from agv2.data.postgres_manager import PostgresManager
    from agv2.utils.environment import load_environment
    from agv2.utils.logging_config import configure_logging

    configure_logging()  # to standard error: the result has standard output to itself
    wanted = None if timeframe is None else Timeframe.parse(timeframe)
    environment = load_environment()
    environment.require("DATABASE_URL")
    assert environment.database_url is not None
    store = BarStore(environment.bars_root)
    showing: AbstractContextManager[SyncProgress] = SyncProgress(quiet=as_json)
    with PostgresManager(environment.database_url.get_secret_value()) as archive, showing as progress:
        archive.migrate()
        synced = sync_archive(archive, store, symbol=symbol, timeframe=wanted, full=full, report=progress.update)
    refused = [each for each in synced if each.problem is not None]
    if as_json:
        typer.echo(json.dumps({"store": str(store.root), "series": [_plain(each) for each in synced]}))
    else:
        for each in synced:
            if each.problem is None:
                typer.echo(_line(each))
        if not synced:
            typer.echo(f"PostgreSQL at {archive.address.shown} has no bars yet")
    if refused:
        rest = f" (and {len(refused) - 1} more series were refused)" if len(refused) > 1 else ""
        raise DataError(f"{refused[0].problem}{rest}")


def _line(each: "SyncedSeries") -> str:
    name = f"{each.symbol} {each.timeframe.name}"
    if not each.fetched:
        return f"{name}: up to date"
    rate = each.fetched / max(each.seconds, 1e-9)
    return (
        f"{name}: {each.fetched:,} bars fetched, {each.inserted:,} new, {each.replaced:,} replaced, "
        f"{each.unchanged:,} as before, {rate:,.0f} bars/s"
    )


def _plain(each: "SyncedSeries") -> dict[str, object]:
    return {
        "symbol": each.symbol,
        "timeframe": each.timeframe.name,
        "fetched": each.fetched,
        "inserted": each.inserted,
        "replaced": each.replaced,
        "unchanged": each.unchanged,
        "change": each.change,
        "seconds": round(each.seconds, 3),
        "problem": each.problem,
    }

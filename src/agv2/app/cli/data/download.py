"""`agv2 data download`: a venue's history into the local store, and into PostgreSQL where one is named."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agv2.app.cli.data.out_file import require_new_parquet, writing
from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

if TYPE_CHECKING:
    from agv2.app.cli.data.download_progress import DownloadProgress
    from agv2.core.timeframes import Timeframe
    from agv2.data.config import MarketsConfig
    from agv2.data.download.history_archive import ArchiveOutcome, BarArchive
    from agv2.data.duckdb_store import BarStore
    from agv2.data.history import DownloadReport
    from agv2.utils.environment import Environment

__all__ = ["download"]


def download(
    symbol: Annotated[str, typer.Option("--symbol", metavar="S", help="Name of the market, as in markets.yaml.")],
    timeframe: Annotated[str, typer.Option("--timeframe", metavar="TF", help="1m, 5m, 15m, 30m, 1h, 4h or 1d.")],
    start: Annotated[str, typer.Option("--from", metavar="DATE", help="First moment, UTC: 2024-01-01.")],
    stop: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="End, itself not included; now unless given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write the span as Parquet for `agv2 run`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Fetch closed bars from TradeLocker; only what is missing. Interrupted, the same command continues.

    The login is TL_ENVIRONMENT, TL_EMAIL, TL_PASSWORD, TL_SERVER of the environment or .env. Bars go into the local
    store (`agv2 data status`), and into PostgreSQL where DATABASE_URL names one.

    Example: agv2 data download --symbol ETHUSD --timeframe 1m --from 2024-01-01
    """
    layers = parse_overrides(config, overrides)
    from agv2.app.cli.data.download_progress import DownloadProgress
    from agv2.app.cli.data.moments import moment_text, parse_moment
    from agv2.core.errors import ConfigError, DataError
    from agv2.core.timeframes import Timeframe
    from agv2.data.bars_file import write_bars
    from agv2.data.config import MarketsConfig
    from agv2.data.download.venue_history import require_venue_timeframe
    from agv2.data.duckdb_store import BarStore
    from agv2.utils.config import load_config
    from agv2.utils.environment import load_environment

    if timeframe.strip().endswith("M"):  # which the venue writes for a month, and we would read as a minute
        raise ConfigError(
            f"--timeframe {timeframe}: months cannot be downloaded; download 1d, or write 1m for a minute"
        )
    step = Timeframe.parse(timeframe)
    require_venue_timeframe(step)
    start_ns, stop_ns = parse_moment("--from", start), None if stop is None else parse_moment("--to", stop)
    if out is not None:
        require_new_parquet(out)
    environment = load_environment()
    environment.require("TL_ENVIRONMENT", "TL_EMAIL", "TL_PASSWORD", "TL_SERVER")
    markets = load_config(MarketsConfig, "markets", config, layers)
    store = BarStore(environment.bars_root)
    store.years(symbol, step)  # a symbol that cannot name bars is refused before anybody signs in
    began = time.perf_counter()
    with _warnings_on_stderr(), DownloadProgress(f"{symbol} {step.name}", quiet=as_json) as progress:
        try:
            report, venue_symbol, outcome = _fetch(
                symbol, step, start_ns, stop_ns, environment=environment, markets=markets, store=store, show=progress
            )
        except KeyboardInterrupt:
            progress.say("what was downloaded is safe in the local store; the same command continues from there")
            raise
        for text in report.notes:
            progress.note(text)
        if outcome is not None and outcome.problem is not None:
            lacking = "what it lacks" if outcome.owed is None else f"the {outcome.owed:,} bars that it lacks"
            progress.note(
                f"{outcome.problem}; the bars are safe in the local store, and the next download of this series sends "
                f"PostgreSQL {lacking}"
            )
    bars = store.read(symbol, step, start_ns, stop_ns)
    if out is not None:
        if len(bars) < 2:
            raise DataError(
                f"{out}: not written, for {len(bars)} bars of {symbol} {step.name} in this span are no file"
            )
        with writing(out):
            write_bars(bars, out)
    result: dict[str, object] = {
        "symbol": symbol,
        "timeframe": step.name,
        "venue_symbol": venue_symbol,
        "received": report.received,
        "inserted": report.inserted,
        "replaced": report.replaced,
        "bars_in_span": len(bars),
        "first": moment_text(int(bars.ts_ns[0])) if len(bars) else None,
        "last": moment_text(int(bars.ts_ns[-1])) if len(bars) else None,
        "seconds": round(time.perf_counter() - began, 3),
        "store": str(store.root),
        "out": None if out is None else str(out),
        "archive": None
        if outcome is None
        else {"sent": outcome.sent, "owed": outcome.owed, "problem": outcome.problem},
        "notes": list(report.notes),
    }
    if as_json:
        typer.echo(json.dumps(result))
    else:
        typer.echo(_summary(result, report, progress.seconds))


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """Standard output is for the result; what the venue's client reports of ordinary work is not shown."""
    import structlog

    from agv2.utils.logging_config import configure_logging

    before = structlog.get_config()
    configure_logging(level="WARNING")
    try:
        yield
    finally:
        structlog.configure(**before)


def _fetch(
    symbol: str,
    timeframe: "Timeframe",
    start_ns: int,
    stop_ns: int | None,
    *,
    environment: "Environment",
    markets: "MarketsConfig",
    store: "BarStore",
    show: "DownloadProgress",
) -> "tuple[DownloadReport, str, ArchiveOutcome | None]":
    import asyncio

    import numpy as np

    from agv2.core.errors import DataError
    from agv2.data.download.history_archive import ArchiveOutcome, open_archive, settle_archive
    from agv2.data.download.venue_history import venue_history
    from agv2.data.history import download_bars
    from agv2.utils.clock import SystemClock

    url = None if environment.database_url is None else environment.database_url.get_secret_value()
    clock = SystemClock()

    async def work(archive: "BarArchive | None") -> "tuple[DownloadReport, str]":
        venue_symbol = markets.venue_name(symbol, environment.tl_server)
        # Spread of retries over many clients, on which no result depends: a seed of its own each time.
        rng = np.random.default_rng()
        side = markets.entry(symbol)[0].price_side
        async with venue_history(environment, symbol, venue_symbol, clock=clock, rng=rng, stated_side=side) as source:
            show.begin()
            report = await download_bars(
                symbol,
                timeframe,
                start_ns,
                stop_ns,
                source=source,
                store=store,
                clock=clock,
                archive=archive,
                on_progress=show.update,
                on_archived=show.archiving,
            )
            return report, venue_symbol

    with ExitStack() as stack:
        archive, problem = None, None
        if url is not None:
            try:
                archive = stack.enter_context(open_archive(url))
            except DataError as error:
                problem = str(error)
                show.note(f"{problem}; downloading into the local store alone")
        report, venue_symbol = asyncio.run(work(archive))
        if problem is None or url is None:
            return report, venue_symbol, report.archive
        try:  # it may have come back meanwhile
            return (
                report,
                venue_symbol,
                settle_archive(store, symbol, timeframe, stack.enter_context(open_archive(url))),
            )
        except DataError as error:
            return report, venue_symbol, ArchiveOutcome("PostgreSQL", 0, None, str(error))


def _summary(result: dict[str, object], report: "DownloadReport", seconds: float) -> str:
    name = f"{result['symbol']} {result['timeframe']}"
    span = f"; the span has {result['bars_in_span']:,} bars, {result['first']} to {result['last']}"
    if not result["bars_in_span"]:
        return f"{name}: the venue has no bars of {result['venue_symbol']} in this span"
    if not report.requested:
        return f"{name}: up to date{span}"
    rate = f", {report.received / seconds:,.0f} bars/s" if seconds >= 1.0 else ""
    return f"{name}: {report.inserted:,} new bars, {report.replaced:,} replaced{rate}{span}"

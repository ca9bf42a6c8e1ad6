"""`agv2 data export`: stored bars as the Parquet file that `agv2 run` takes."""

from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.data.out_file import require_new_parquet, writing
from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

__all__ = ["export"]


def export(
    symbol: Annotated[str, typer.Option("--symbol", metavar="S", help="As in `agv2 data status`.")],
    timeframe: Annotated[str, typer.Option("--timeframe", metavar="TF", help="Stored, or gathered from finer bars.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Parquet file; its name starts with the symbol.")],
    start: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First moment, UTC.")] = None,
    stop: Annotated[str | None, typer.Option("--to", metavar="DATE", help="End, itself not included.")] = None,
    stored: Annotated[
        str | None, typer.Option("--stored", metavar="TF", help="Stored timeframe to gather from, such as 1m.")
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Write bars of the local store to a file, gathered into longer bars where asked.

    Longer bars follow the market's trading day: those of gold begin at 17:00 New York, those of crypto at 00:00 UTC.

    Example: agv2 data export --symbol ETHUSD --timeframe 1h --out bars/ETHUSD_1h.parquet
    """
    layers = parse_overrides(config, overrides)
    from agv2.app.cli.data.moments import moment_text, parse_moment
    from agv2.core.timeframes import Timeframe
    from agv2.data.bars_file import symbol_of, write_bars
    from agv2.data.config import MarketsConfig
    from agv2.data.duckdb_store import BarStore
    from agv2.data.stored_bars import stored_bars
    from agv2.utils.config import load_config
    from agv2.utils.environment import load_environment

    require_new_parquet(out)
    store = BarStore(load_environment().bars_root)
    markets = load_config(MarketsConfig, "markets", config, layers)
    instrument, _ = markets.instrument(symbol, store.read(symbol, Timeframe.parse(timeframe)).ts_ns)
    bars = stored_bars(
        store,
        symbol,
        Timeframe.parse(timeframe),
        instrument.calendar,
        start_ns=None if start is None else parse_moment("--from", start),
        stop_ns=None if stop is None else parse_moment("--to", stop),
        fine=None if stored is None else Timeframe.parse(stored),
    )
    with writing(out):
        write_bars(bars, out)
    span = f"{moment_text(int(bars.ts_ns[0]))} to {moment_text(int(bars.ts_ns[-1]))}"
    typer.echo(f"{out}: {len(bars):,} bars of {symbol}, {bars.timeframe.name}, {span}")
    if symbol_of(out) != symbol:
        typer.echo(f"the file name stands for {symbol_of(out)}: give `agv2 run` --symbol {symbol}", err=True)

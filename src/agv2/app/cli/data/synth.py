"""`agv2 data synth`: a market whose truth is known."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

__all__ = ["synth"]


def synth(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Parquet file; its name starts with the symbol.")],
    kind: Annotated[
        Literal["trend", "noise"], typer.Option("--kind", help="`trend` has an edge to find, `noise` has none.")
    ] = "trend",
    bars: Annotated[int, typer.Option("--bars", metavar="N", min=1, help="Number of bars.")] = 12_000,
    timeframe: Annotated[str, typer.Option("--timeframe", metavar="TF", help="Such as 5m, 1h, 1d.")] = "1h",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bars.")] = 7,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Write a synthetic market, the same for the same seed.

    Example: agv2 data synth --kind trend --bars 12000 --seed 7 --out bars/TREND_1h.parquet
    """
    parse_overrides(config, overrides)
    from agv2.core.errors import DataError
    from agv2.data.bars_file import symbol_of, write_bars
    from agv2.data.synthetic import synthetic_bars

    if out.suffix != ".parquet":
        raise DataError(f"{out}: bars are written as Parquet; end the name with .parquet")
    if out.exists():
        raise DataError(f"{out}: exists already; remove it or write elsewhere")
    made = synthetic_bars(kind, bars, seed, timeframe=timeframe, symbol=symbol_of(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_bars(made, out)
    typer.echo(f"{out}: {len(made):,} bars of {made.symbol}, {made.timeframe.name}, {kind}, seed {seed}")

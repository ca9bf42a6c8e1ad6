"""`agv2 features plot`: bars over their heat map, with every feature below, as a page."""

from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

__all__ = ["plot"]


def plot(
    bars: Annotated[Path, typer.Option("--bars", metavar="FILE", help="Parquet bars.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="HTML page to write; an older one is replaced.")],
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="NAME", help="Whose market it is; else from the file name.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="As known then, UTC; else at the end.")] = None,
    shown: Annotated[int, typer.Option("--last", metavar="N", min=50, max=2_000, help="Bars to draw.")] = 300,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Draw price, the heat map of its levels and every feature, aligned in time.

    Example: agv2 features plot --bars bars/XAUUSD_1h.parquet --out gold.html --at 2024-03-08T14:00
    """
    layers = parse_overrides(config, overrides)
    from agv2.app.cli.data.moments import moment_text, parse_moment
    from agv2.app.cli.data.out_file import writing
    from agv2.app.feature_chart.page import feature_page
    from agv2.app.settings import load_settings, require_known_symbols
    from agv2.backtest.atomic_files import write_atomically
    from agv2.core.errors import DataError
    from agv2.data.bars_file import read_rows, symbol_of, usable_bars
    from agv2.features.pipeline import compute_features, feature_columns

    if out.suffix != ".html":
        raise DataError(f"--out {out}: a page is written; end the name with .html")
    name = symbol or symbol_of(bars)
    require_known_symbols(layers, [name])
    loaded = usable_bars(read_rows(bars, name))
    for note in loaded.notes:
        typer.echo(f"note: {bars}: {note}", err=True)
    history = loaded.bars
    if at is not None:
        history = history.slice(0, int((history.close_ns <= parse_moment("--at", at)).sum()))
    warmup = max(column.lookback for column in feature_columns(history.timeframe)) - 1
    if len(history) < warmup + shown:
        raise DataError(
            f"{bars}: {len(history):,} bars of {history.timeframe.name}{'' if at is None else f' until {at}'}, "
            f"{warmup + shown:,} are needed: {warmup:,} before the first complete row, and the {shown} of --last"
        )
    instrument, _ = load_settings(config, layers).markets.instrument(name, history.ts_ns)
    history = history.slice(len(history) - warmup - shown, len(history))
    page = feature_page(history, compute_features(history, instrument.calendar), shown)
    with writing(out):
        write_atomically(out, page)
    typer.echo(f"{out}: {shown} bars of {name}, {history.timeframe.name}, up to {moment_text(int(history.ts_ns[-1]))}")

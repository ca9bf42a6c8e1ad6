"""`agv2 features list`: every feature, and what may be relied on."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agv2.core.timeframes import Timeframe

__all__ = ["list_features"]

_NARROWEST = 120  # columns; below that only what does not wrap is shown
_PLAIN_WIDTH = 150  # where no terminal says how wide it is


def list_features(
    timeframe: Annotated[str, typer.Option("--timeframe", metavar="TF", help="Of your bars: 1m, 5m, 15m, 1h …")] = "1h",
    every: Annotated[bool, typer.Option("--all", help="Each column of the heat map on a line of its own.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every column as JSON, for programs.")] = False,
) -> None:
    """Show every feature: its meaning, unit and range, the bars that decide it, and when it is known.

    Example: agv2 features list --timeframe 5m
    """
    from agv2.core.timeframes import Timeframe

    base = Timeframe.parse(timeframe)
    if as_json:
        typer.echo(json.dumps(_document(base), indent=1, ensure_ascii=False))
    else:
        _print(base, every)


def _document(base: "Timeframe") -> dict[str, object]:
    from agv2.features.pipeline import feature_columns

    columns = feature_columns(base)
    return {
        "timeframe": base.name,
        "warmup_bars": max(column.lookback for column in columns) - 1,
        "columns": [
            {
                "name": column.name,
                "feature": column.spec.name,
                "timeframe": column.timeframe,
                "meaning": column.spec.meaning,
                "unit": column.spec.unit,
                "low": column.spec.low,
                "high": column.spec.high,
                "lookback": column.own_lookback,
                "lookback_base_bars": column.lookback,
                "known_at": column.spec.known_at,
            }
            for column in columns
        ],
    }


def _print(base: "Timeframe", every: bool) -> None:
    import rich.box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from agv2.app.feature_table import feature_rows
    from agv2.core.timeframes import context_timeframes
    from agv2.features.pipeline import feature_columns

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    columns = feature_columns(base)
    near, far = (each.name for each in context_timeframes(base))
    is_wide = console.width >= _NARROWEST
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("feature", no_wrap=True)
    table.add_column("meaning", min_width=16)
    if is_wide:
        table.add_column("unit", no_wrap=True)
    for name in ("range", *(("bars",) if is_wide else ()), base.name, near, far):
        table.add_column(name, justify="right", no_wrap=True)
    if is_wide:
        table.add_column("known at")
    for row in feature_rows(base, each_heat_column=every):
        bounds = f"{row.low:g} to {row.high:g}"
        own = (row.unit, bounds, f"{row.lookback:,}") if is_wide else (bounds,)
        lookbacks = dict(row.base_lookbacks)
        decided = (f"{lookbacks[name]:,}" if name in lookbacks else "-" for name in (base.name, near, far))
        table.add_row(Text(row.name, "bold"), row.meaning, *own, *decided, *((row.known_at,) if is_wide else ()))
    console.print(table)
    warmup = max(column.lookback for column in columns) - 1
    explained = f"bars: what a feature reads itself on {base.name}; " if is_wide else ""
    console.print(
        f"{len(columns)} columns. A feature on {near} or {far}, such as {columns[-1].name}, describes the newest bar "
        f"of that timeframe that has closed.\n"
        f"{explained}{base.name}, {near}, {far}: bars of {base.name} that decide its value there, with whatever scales "
        "it; - where it does not exist.\n"
        f"warm-up: the first {warmup:,} bars have no complete row; that is {_hours(warmup * base.minutes)} of trading.",
        markup=False,
    )


def _hours(minutes: int) -> str:
    hours = minutes / 60
    return f"{hours:,.0f} hours" if hours >= 10 else f"{hours:.1f} hours"

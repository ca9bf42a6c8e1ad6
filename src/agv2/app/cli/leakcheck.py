"""`agv2 leakcheck`: scrambles the future, and names any column that moved."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agv2.app.cli.options import ConfigOption, SetOption, SymbolsOption, parse_overrides

if TYPE_CHECKING:
    from agv2.app.leakcheck import Progress
    from agv2.app.settings import Settings
    from agv2.backtest.leakcheck_report import LeakReport, StageResult
    from agv2.core.bars import Bars

__all__ = ["leakcheck"]

_SYNTHETIC_SYMBOL = "XAUUSD"
_SYNTHETIC_BARS = 4_000


def leakcheck(
    bars: Annotated[
        list[Path] | None,
        typer.Option("--bars", metavar="FILE...", help="Parquet bars; without them, a synthetic gold market."),
    ] = None,
    symbol: SymbolsOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same check.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds instead of a minute; what `agv2 run` does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Change the future of your bars and look for anything before it that moves. Exit code 1 when something does.

    Example: agv2 leakcheck --bars bars/XAUUSD_1h.parquet
    """
    settings_of = parse_overrides(config, overrides)
    from agv2.app.leakcheck import leak_sentence
    from agv2.app.leakcheck import leakcheck as check
    from agv2.app.settings import load_settings, require_known_symbols
    from agv2.core.errors import LeakError

    settings = load_settings(config, settings_of)
    markets = _markets(bars or (), symbol or (), settings, seed)
    require_known_symbols(settings_of, [market.symbol for _, market in markets])
    reports = []
    for name, market in markets:
        with _progress(name) as progress:
            reports.append((name, market, check(market, settings, seed, quick=quick, progress=progress)))
        if not as_json:
            _print(name, market, reports[-1][2])
    leaking = [report for _, _, report in reports if report.leaks]
    if as_json:
        files = [_document(name, market, report) for name, market, report in reports]
        typer.echo(json.dumps({"ok": not leaking, "seed": seed, "quick": quick, "files": files}, indent=1))
    if leaking:
        raise LeakError(leak_sentence(leaking[0]))


def _markets(
    paths: Sequence[Path], symbols: Sequence[str], settings: "Settings", seed: int
) -> "list[tuple[str, Bars]]":
    """Bars of each file, whatever their quality, or synthetic ones."""
    from agv2.core.errors import DataError
    from agv2.data.bars_file import read_rows, symbol_of, usable_bars

    if not paths:
        from agv2.data.synthetic_markets.market import MarketRequest, instrument_market

        name = symbols[0] if symbols else _SYNTHETIC_SYMBOL
        request = MarketRequest(symbol=name, n_bars=_SYNTHETIC_BARS, seed=seed)
        return [(f"synthetic {name}", instrument_market(request, settings.markets.entry(name)[0]).bars)]
    if symbols and len(symbols) != len(paths):
        raise DataError(f"{len(symbols)} symbols for {len(paths)} files: give one --symbol a file, or none")
    names = symbols or [symbol_of(path) for path in paths]
    markets = []
    for path, name in zip(paths, names, strict=True):
        loaded = usable_bars(read_rows(path, name))
        for note in loaded.notes:
            typer.echo(f"note: {path}: {note}", err=True)
        markets.append((str(path), loaded.bars))
    return markets


def _print(name: str, market: "Bars", report: "LeakReport") -> None:
    import rich.box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    counts = f"{report.columns:,} columns, {report.comparisons:,} comparisons, {len(report.leaks):,} leaks"
    console.print(Text(f"{name}: {len(market):,} bars of {market.timeframe.name}: {counts}", "bold"), soft_wrap=True)
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("columns", justify="right")
    table.add_column("comparisons", justify="right")
    table.add_column("result")
    for stage in report.stages:
        moved = stage.leaking_columns
        result = Text(f"{len(moved)} moved: {', '.join(moved[:4])}{', …' if len(moved) > 4 else ''}", "bold red")
        table.add_row(
            Text(stage.name), f"{stage.columns:,}", f"{stage.comparisons:,}", result if moved else Text("nothing moved")
        )
    console.print(table)
    for stage in report.stages:
        for leak in _first_of_each_column(stage):
            console.print(Text(f"leak: {leak}", "red"), soft_wrap=True)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)


def _first_of_each_column(stage: "StageResult") -> list[Any]:
    return list({leak.column: leak for leak in reversed(stage.leaks)}.values())[::-1]


def _document(name: str, market: "Bars", report: "LeakReport") -> dict[str, Any]:
    return {
        "file": name,
        "symbol": market.symbol,
        "timeframe": market.timeframe.name,
        "bars": len(market),
        "columns": report.columns,
        "comparisons": report.comparisons,
        "stages": [
            {
                "stage": stage.name,
                "columns": stage.columns,
                "comparisons": stage.comparisons,
                "leaks": [
                    {
                        "column": leak.column,
                        "perturbation": leak.perturbation.value,
                        "place": leak.place,
                        "row": leak.row,
                        "ts_ns": leak.ts_ns,
                        # As text, because a value may be NaN, which JSON does not have.
                        "before": repr(leak.before),
                        "after": repr(leak.after),
                    }
                    for leak in stage.leaks
                ],
            }
            for stage in report.stages
        ],
        "notes": list(report.notes),
    }


@contextmanager
def _progress(name: str) -> "Iterator[Progress]":
    """A bar on a terminal, a line at the start elsewhere; on standard error either way."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"checking {name}", highlight=False, markup=False, soft_wrap=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"checking {name}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

"""Checks of a run as tables in the terminal."""

from collections.abc import Mapping
from typing import Any

import rich.box
from rich.console import Console
from rich.table import Table

from agv2.backtest.report.dependence import DependenceTable, ablation_table, seed_table, sensitivity_table
from agv2.backtest.report.stress_rows import stress_table

__all__ = ["print_checks"]

_WIDTH = 240  # where no terminal says how wide it is: one line a row


def print_checks(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Each check's table on standard output.

    Args:
        found: name of the check to what its file holds.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    if "stress" in found:
        _print_stress(console, found["stress"])
    if "sensitivity" in found:
        shown = sensitivity_table(found["sensitivity"])
        _print_dependence(console, "Other costs and limits", shown)
        heat = _table("Sharpe ratio", "", list(shown.heat_columns))
        for name, cells in shown.heat_rows:
            heat.add_row(name, *(cell.text for cell in cells))
        console.print(heat)
    if "ablation" in found:
        _print_dependence(console, "Without its parts", ablation_table(found["ablation"]))
    if "seeds" in found:
        seeds = seed_table(found["seeds"])
        table = _table("Seed by seed", "", ["net return", "Sharpe", "max drawdown", "trades", *seeds.folds])
        for row in seeds.rows:
            table.add_row(*row)
        console.print(table)
        console.print(seeds.sentence)


def _print_stress(console: Console, document: Mapping[str, Any]) -> None:
    shown = stress_table(document)
    columns = ["how", "paths", "market went", "median", "worst", "max drawdown", "stops", "halts"]
    table = _table("Crises: net return of the account", "", columns)
    for row in shown.rows:
        cells = (row.how, row.paths, row.market, row.median, row.worst, row.drawdown, row.stops, row.halts)
        table.add_row(row.title, *cells)
    console.print(table)
    for reason in shown.left_out:
        console.print(reason)


def _print_dependence(console: Console, title: str, shown: DependenceTable) -> None:
    columns = ["", "Sharpe", "difference", "95 % of all rows", "net return", "max drawdown", "trades"]
    table = _table(title, "", columns)
    for row in shown.rows:
        measured = (row.sharpe, row.difference, row.interval, row.net_return, row.max_drawdown, row.trades)
        table.add_row(row.name, row.setting, *measured)
    console.print(table)
    for caveat in (*shown.caveats, shown.strays):
        console.print(caveat)
    if shown.retrained is not None:
        _print_dependence(console, f"{title}, the last fold trained anew", shown.retrained)


def _table(title: str, first: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=rich.box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table

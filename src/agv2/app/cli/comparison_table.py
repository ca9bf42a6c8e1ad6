"""Runs side by side as tables in the terminal."""

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.comparison_page.page import headline, lead_cells, measure_rows, setting_text
from agv2.app.run_comparison import Comparison

__all__ = ["print_comparison"]

_WIDTH = 240  # where no terminal says how wide it is: one line a row


def print_comparison(comparison: Comparison) -> None:
    """Measures, excess over the first run, settings that differ; standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    names = [run.name for run in comparison.runs]
    measures = _table("On the test bars", "", names)
    for label, cells in measure_rows(comparison):
        measures.add_row(label, *cells)
    console.print(measures)
    columns = ["common days", "excess a year", "its Sharpe ratio", "interval", "finding"]
    leads = _table(f"In excess of {names[0]}", "run", columns)
    for lead in comparison.leads:
        leads.add_row(lead.name, *lead_cells(lead))
    console.print(leads)
    if comparison.settings:
        settings = _table("Settings that differ", "", names)
        for name, values in comparison.settings.items():
            settings.add_row(name, *(setting_text(value) for value in values))
        console.print(settings)
    if not comparison.same_bars:
        console.print(Text("These runs did not read the same bars.", "bold red"))
    console.print(Text(f"{headline(comparison)}.", "bold"), soft_wrap=True)


def _table(title: str, first: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=rich.box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table

"""What policies did on bars held out as a table in the terminal."""

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.policy_page.page import SHOWN, headline, measured_rows
from agv2.app.policy_report import PolicyReport
from agv2.backtest.report.words import METRIC_GROUPS

__all__ = ["print_policies"]

_WIDTH = 240  # where no terminal says how wide it is: one line a row


def print_policies(report: PolicyReport) -> None:
    """A row for all seeds as one, for each seed and for each baseline; standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    labels = {metric.key: metric.label for _, group in METRIC_GROUPS for metric in group}
    table = Table(
        title="On bars held out", title_justify="left", title_style="bold", box=rich.box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("account", no_wrap=True)
    for key in SHOWN:
        table.add_column(labels[key], justify="right", no_wrap=True)
    for row in measured_rows(report):
        table.add_row(row.name, *row.cells, style="bold" if row.is_ensemble else "")
    console.print(table)
    console.print(Text(f"{headline(report)}.", "bold"), soft_wrap=True)

"""Champion and challenger on bars held out as tables in the terminal."""

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.challenger_page.page import measure_rows
from agv2.app.challenger_report import ChallengerReport
from agv2.app.policy_page.page import SHOWN
from agv2.backtest.report.words import METRIC_GROUPS

__all__ = ["print_challenger"]

_WIDTH = 240  # where no terminal says how wide it is: one line a row


def print_challenger(report: ChallengerReport) -> None:
    """A row for each account, then what is shown; standard output."""
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
    for name, cells in measure_rows(report):
        table.add_row(name, *cells)
    console.print(table)
    console.print(Text(f"{report.contest.words}.", "bold"), soft_wrap=True)

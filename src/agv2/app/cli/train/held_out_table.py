"""Accounts on bars held out as a table in the terminal."""

from collections.abc import Iterable, Sequence

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.policy_page.page import SHOWN
from agv2.backtest.report.words import METRIC_GROUPS

__all__ = ["print_held_out"]

_WIDTH = 240  # where no terminal says how wide it is: one line a row


def print_held_out(rows: Iterable[tuple[str, Sequence[str], str]], conclusion: str) -> None:
    """A row for each account, then what is to be said of them; standard output.

    Args:
        rows: name, a cell for each of `SHOWN`, and the row's style.
        conclusion: a sentence without its full stop.
    """
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
    for name, cells, style in rows:
        table.add_row(name, *cells, style=style)
    console.print(table)
    console.print(Text(f"{conclusion}.", "bold"), soft_wrap=True)

"""A truth study in the terminal: how far it is, and what it found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from agv2.app.truth.page import headline, truth_rows
from agv2.app.truth.study import TruthStudy

__all__ = ["print_study", "study_progress"]

_WIDTH = 160  # where no terminal says how wide it is: one line a row
_EVERY = 50  # markets between two lines where nobody watches a bar


@contextmanager
def study_progress() -> Iterator[Callable[[int, int, str], None]]:
    """Told markets done, markets in all and the kind that is next; a bar in a terminal, else a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:

        def line(done: int, total: int, name: str) -> None:
            if done % _EVERY == 0 or done == total:
                console.print(f"{done:,} of {total:,} markets", highlight=False)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} of {task.total:,}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("markets", total=1)

        def move(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name or "markets")

        yield move


def print_study(study: TruthStudy) -> None:
    """A row a kind of market; standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    table = Table(
        title="How often the verdict sees an edge", title_justify="left", title_style="bold",
        box=rich.box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    table.add_column("market", no_wrap=True)
    for name in ("markets", "at least weak", "95 % interval", "strong", "median Sharpe"):
        table.add_column(name, justify="right", no_wrap=True)
    styles = {"worse": "bold red"}
    for has_edge in (False, True):
        for row in truth_rows(study, has_edge=has_edge):
            cells = (row.markets, row.weak, row.interval, row.strong, row.sharpe)
            table.add_row(row.meaning, *cells, style=styles.get(row.finding, ""))
    console.print(table)
    console.print(Text(f"{headline(study)}.", "bold"), soft_wrap=True)

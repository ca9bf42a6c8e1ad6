"""`agv2 report`: the page of a finished run, written again."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    open_report: Annotated[bool, typer.Option("--open", help="Show it in a browser.")] = False,
) -> None:
    """Write the report of a finished run again from its files, as this version draws it; nothing is trained or traded.

    Example: agv2 report runs/gold --open
    """
    from agv2.backtest.report.page import write_report

    path = write_report(run)
    typer.echo(f"report: {path}")
    if open_report:
        webbrowser.open(path.resolve().as_uri())

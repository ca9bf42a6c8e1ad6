"""`agv2 report`: the page of a finished run, written again."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.options import MlflowOption

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    mlflow: MlflowOption = False,
    open_report: Annotated[bool, typer.Option("--open", help="Show it in a browser.")] = False,
) -> None:
    """Write the report of a finished run again from its files, as this version draws it; nothing is trained or traded.

    With --mlflow the run is told to MLflow, whether it was when it ran or not.

    Example: agv2 report runs/gold --open
    """
    from agv2.backtest.report.page import write_report

    if mlflow:
        _tell(run)
    path = write_report(run)
    typer.echo(f"report: {path}")
    if open_report:
        webbrowser.open(path.resolve().as_uri())


def _tell(run: Path) -> None:
    from agv2.app.tracking.server import RUN_EXPERIMENT, open_tracker
    from agv2.app.tracking.told_run import tell_finished_run
    from agv2.backtest.report.reading import read_run
    from agv2.core.errors import ConfigError
    from agv2.utils.clock import SystemClock
    from agv2.utils.environment import load_environment

    read_run(run)  # refuses what is no finished run before a server hears of it
    tracker = open_tracker(load_environment(), SystemClock(), RUN_EXPERIMENT, wanted=True)
    assert tracker is not None, "it is wanted"
    notes: list[str] = []
    if tell_finished_run(tracker, run, notes.append) is None:
        raise ConfigError("; ".join(notes))

"""`agv2 robustness`: a finished run under stress, other settings and without its parts."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["robustness"]


class Check(StrEnum):
    """What may follow `--only`."""

    STRESS = "stress"
    ABLATION = "ablation"
    SENSITIVITY = "sensitivity"
    SEEDS = "seeds"


def robustness(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    only: Annotated[
        list[Check] | None,
        typer.Option("--only", help="One check; repeat it for several. All without it."),
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(
            "--history", metavar="FILE", help="Bars of the run's symbols that cover a crisis; may be repeated."
        ),
    ] = None,
    bars: Annotated[
        list[Path] | None,
        typer.Option(
            "--bars", metavar="FILE", help="The run's own bars, where they have moved; one a symbol, in order."
        ),
    ] = None,
    retrain: Annotated[
        bool,
        typer.Option("--retrain", help="Also train the last fold anew without parts and with other settings: hours."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of tables.")] = False,
) -> None:
    """Trade a finished run's test bars again: through crises, under other costs and limits, without features or heads.

    What is found is kept in RUN/robustness and drawn into the report.

    Example: agv2 robustness runs/gold --only stress
    """
    from agv2.app.robustness.command import check_run

    found = check_run(
        run, [each.value for each in only or ()], history or (), bars or (), retrain=retrain, quiet=as_json
    )
    if as_json:
        import json

        typer.echo(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False))
        return
    from agv2.app.cli.robustness_tables import print_checks

    print_checks(found)
    typer.echo(f"report: {run / 'report.html'}")

"""`agv2 run`: the main job, from a user's bars to an honest report."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from agv2.app.cli.options import ConfigOption, MlflowOption, SetOption, SymbolsOption, WorkersOption, parse_overrides

__all__ = ["run"]


def run(
    bars: Annotated[
        list[Path], typer.Option("--bars", metavar="FILE...", help="Parquet bars; several files are one portfolio.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New or empty directory for the results.")],
    symbol: SymbolsOption = None,
    profile: Annotated[
        Literal["quick", "standard", "thorough"],
        typer.Option("--profile", help="Minutes, an hour, or overnight on two cores."),
    ] = "quick",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same results.")] = 7,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a run that was stopped, from its last finished stage.")
    ] = False,
    accept_defects: Annotated[
        bool, typer.Option("--accept-defects", help="Run on bars with errors; every result says so.")
    ] = False,
    workers: WorkersOption = None,
    mlflow: MlflowOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json to standard output when done.")] = False,
) -> None:
    """Walk forward over your bars: learn on the past, trade the rest, and report what held up.

    Example: agv2 run --bars bars/XAUUSD_1h.parquet --out runs/gold
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.run import run as start
    from agv2.app.run_plan import RunRequest
    from agv2.app.workers.opening import parse_workers

    outcome = start(
        RunRequest(
            bars=tuple(bars),
            symbols=tuple(symbol or ()),
            out=out,
            profile=profile,
            seed=seed,
            resume=resume,
            accept_defects=accept_defects,
            workers=parse_workers(workers),
            mlflow=mlflow,
            config_dir=config,
            overrides=settings,
            command=("agv2", *sys.argv[1:]),
        )
    )
    if as_json:
        typer.echo((outcome.out / "summary.json").read_text(encoding="utf-8"), nl=False)
    else:
        typer.echo(outcome.verdict_text)
        typer.echo(f"trials counted on these bars: {outcome.n_trials:,}")
        typer.echo(f"report: {outcome.report}")

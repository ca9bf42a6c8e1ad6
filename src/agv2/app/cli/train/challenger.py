"""`agv2 train challenger`: go on training a model in use with newer bars, and hold it against itself."""

import json
from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.options import (
    ConfigOption,
    MlflowOption,
    SetOption,
    SymbolsOption,
    TrainDefectsOption,
    TrainProfileOption,
    TrainResumeOption,
    parse_overrides,
)

__all__ = ["challenger"]


def challenger(
    bundle: Annotated[Path, typer.Option("--bundle", metavar="DIR", help="The champion: RUN/bundle of a run.")],
    bars: Annotated[
        list[Path],
        typer.Option("--bars", metavar="FILE...", help="Parquet bars of its symbols, newer ones than it knows too."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New or empty directory for the challenger.")],
    symbol: SymbolsOption = None,
    profile: TrainProfileOption = "quick",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same challenger.")] = 7,
    holdout: Annotated[
        float, typer.Option("--holdout", metavar="SHARE", help="The last part of the newer bars, which only compares.")
    ] = 0.4,
    resume: TrainResumeOption = False,
    accept_defects: TrainDefectsOption = False,
    mlflow: MlflowOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print challenger.json to standard output when done.")
    ] = False,
) -> None:
    """Train a model's policy on with bars that it does not know, and compare both on the newest of them.

    With --mlflow it is registered under the alias challenger.

    Example: agv2 train challenger --bundle runs/gold/bundle --bars bars/XAUUSD_1h.parquet --out runs/gold-challenger
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.challenger.plan import ChallengerRequest
    from agv2.app.challenger.training import train_challenger
    from agv2.app.challenger_page.page import measure_rows
    from agv2.app.cli.train.held_out_table import print_held_out

    outcome = train_challenger(
        ChallengerRequest(
            bundle=bundle,
            bars=tuple(bars),
            out=out,
            symbols=tuple(symbol or ()),
            profile=profile,
            seed=seed,
            holdout_frac=holdout,
            resume=resume,
            mlflow=mlflow,
            accept_defects=accept_defects,
            config_dir=config,
            overrides=settings,
        )
    )
    if as_json:
        typer.echo(json.dumps(outcome.report.document(), indent=1, allow_nan=False))
        return
    rows = ((name, cells, "") for name, cells in measure_rows(outcome.report))
    print_held_out(rows, outcome.report.contest.words)
    typer.echo(f"page: {outcome.out / 'challenger.html'}")
    typer.echo(f"bundle: {outcome.out / 'bundle'}")
    if outcome.registered:
        typer.echo(f"registered: {outcome.registered}, alias challenger")

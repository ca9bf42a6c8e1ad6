"""`agv2 train challenger`: go on training a model in use with newer bars, and hold it against itself."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from agv2.app.cli.options import ConfigOption, MlflowOption, SetOption, SymbolsOption, parse_overrides

__all__ = ["challenger"]


def challenger(
    bundle: Annotated[Path, typer.Option("--bundle", metavar="DIR", help="The champion: RUN/bundle of a run.")],
    bars: Annotated[
        list[Path],
        typer.Option("--bars", metavar="FILE...", help="Parquet bars of its symbols, newer ones than it knows too."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New or empty directory for the challenger.")],
    symbol: SymbolsOption = None,
    profile: Annotated[
        Literal["quick", "standard", "thorough"], typer.Option("--profile", help="How long to train.")
    ] = "quick",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same challenger.")] = 7,
    holdout: Annotated[
        float, typer.Option("--holdout", metavar="SHARE", help="The last part of the newer bars, which only compares.")
    ] = 0.4,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same command was stopped in the same directory.")
    ] = False,
    accept_defects: Annotated[
        bool, typer.Option("--accept-defects", help="Train on bars with errors; every result says so.")
    ] = False,
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
    from agv2.app.cli.train.challenger_table import print_challenger

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
    print_challenger(outcome.report)
    typer.echo(f"page: {outcome.out / 'challenger.html'}")
    typer.echo(f"bundle: {outcome.out / 'bundle'}")
    if outcome.registered:
        typer.echo(f"registered: {outcome.registered}, alias challenger")

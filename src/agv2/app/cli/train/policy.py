"""`agv2 train policy`: train policies of several seeds, and test them on bars held out."""

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

__all__ = ["policy"]


def policy(
    bars: Annotated[
        list[Path], typer.Option("--bars", metavar="FILE...", help="Parquet bars; several files train one policy.")
    ],
    symbol: SymbolsOption = None,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder", metavar="NAME|DIR", help="An encoder that `agv2 train encoder` kept; else one is trained."
        ),
    ] = "",
    profile: TrainProfileOption = "quick",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first policy; the others count up.")] = 7,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", min=1, max=25, help="Policies to train; else three.")
    ] = None,
    holdout: Annotated[
        float, typer.Option("--holdout", metavar="SHARE", help="The last part of the bars, which only tests.")
    ] = 0.25,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="New or empty directory; else one in the project home."),
    ] = None,
    resume: TrainResumeOption = False,
    accept_defects: TrainDefectsOption = False,
    mlflow: MlflowOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print policies.json to standard output when done.")] = False,
) -> None:
    """Train policies on the first part of your bars, and test them, alone and as one, on the rest.

    Example: agv2 train policy --bars bars/XAUUSD_1h.parquet
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.cli.train.held_out_table import print_held_out
    from agv2.app.policy_page.page import headline, measured_rows
    from agv2.app.policy_training.plan import PolicyRequest
    from agv2.app.policy_training.training import train_policies

    outcome = train_policies(
        PolicyRequest(
            bars=tuple(bars),
            symbols=tuple(symbol or ()),
            encoder=encoder,
            profile=profile,
            seed=seed,
            n_seeds=seeds,
            holdout_frac=holdout,
            out=out,
            resume=resume,
            mlflow=mlflow,
            accept_defects=accept_defects,
            config_dir=config,
            overrides=settings,
        )
    )
    if as_json:
        typer.echo(json.dumps(outcome.report.document(), indent=1, allow_nan=False))
    else:
        rows = ((row.name, row.cells, "bold" if row.is_ensemble else "") for row in measured_rows(outcome.report))
        print_held_out(rows, headline(outcome.report))
        typer.echo(f"policies: {outcome.out / 'policies.html'}")

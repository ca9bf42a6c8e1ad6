"""`agv2 train encoder`: train the encoder, and measure what each of its heads is worth."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from agv2.app.cli.options import (
    ConfigOption,
    MlflowOption,
    SetOption,
    SymbolsOption,
    TrainDefectsOption,
    TrainResumeOption,
    parse_overrides,
)

__all__ = ["encoder"]


def encoder(
    bars: Annotated[
        list[Path] | None,
        typer.Option("--bars", metavar="FILE...", help="Parquet bars; several files train one encoder."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="Instead: windows, as `agv2 features export` writes them."),
    ] = None,
    symbol: SymbolsOption = None,
    profile: Annotated[
        Literal["quick", "standard", "thorough"],
        typer.Option("--profile", help="How long to train; from standard on also GARCH and boosted trees to beat."),
    ] = "quick",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first encoder; the others count up.")] = 7,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", min=1, max=25, help="Encoders to train; else three.")
    ] = None,
    holdout: Annotated[
        float, typer.Option("--holdout", metavar="SHARE", help="The last part of the bars, which only scores.")
    ] = 0.25,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="New or empty directory; else one in the project home."),
    ] = None,
    resume: TrainResumeOption = False,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also train without each head in turn: six times the training.")
    ] = False,
    accept_defects: TrainDefectsOption = False,
    mlflow: MlflowOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print evidence.json to standard output when done.")] = False,
) -> None:
    """Train the encoder on the first part of your bars, and hold each head against its baselines on the rest.

    Example: agv2 train encoder --bars bars/XAUUSD_1h.parquet
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.cli.train.evidence_table import print_evidence
    from agv2.app.encoder_training.plan import EncoderRequest
    from agv2.app.encoder_training.training import train_encoders

    outcome = train_encoders(
        EncoderRequest(
            bars=tuple(bars or ()),
            windows=data,
            symbols=tuple(symbol or ()),
            profile=profile,
            seed=seed,
            n_seeds=seeds,
            holdout_frac=holdout,
            out=out,
            resume=resume,
            mlflow=mlflow,
            ablate=ablate,
            accept_defects=accept_defects,
            config_dir=config,
            overrides=settings,
        )
    )
    if as_json:
        typer.echo(json.dumps(outcome.report.document(), indent=1, allow_nan=False))
    else:
        print_evidence(outcome.report)
        typer.echo(f"evidence: {outcome.out / 'evidence.html'}")

"""`agv2 tune`: search settings on the bars before the first test bar."""

import json
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from agv2.app.cli.options import ConfigOption, SetOption, SymbolsOption, WorkersOption, parse_overrides

__all__ = ["seconds_of", "tune"]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def tune(
    bars: Annotated[
        list[Path], typer.Option("--bars", metavar="FILE...", help="Bars of the run that the settings are for.")
    ],
    symbol: SymbolsOption = None,
    trials: Annotated[
        int, typer.Option("--trials", metavar="N", min=1, help="Of the study in all; a larger N adds to it.")
    ] = 20,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="Stop after 90s, 30m or 2h; the same command goes on.")
    ] = "",
    profile: Annotated[
        Literal["quick", "standard", "thorough"], typer.Option("--profile", help="How long each trial trains.")
    ] = "quick",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same study.")] = 7,
    study: Annotated[
        str, typer.Option("--study", metavar="NAME", help="Of the study; else one that says what is tuned.")
    ] = "",
    storage: Annotated[
        str,
        typer.Option(
            "--storage", metavar="URL", help="sqlite, or postgresql://...; else DATABASE_URL where it is set."
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="For the results; else in the project home.")
    ] = None,
    accept_defects: Annotated[
        bool, typer.Option("--accept-defects", help="Tune on bars with errors, as agv2 run would take them.")
    ] = False,
    workers: WorkersOption = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print tuning.json to standard output when done.")] = False,
) -> None:
    """Search settings, seeing only bars before the first test bar of the run; config/tuning.yaml says which.

    Stopped or killed, the same command goes on. Every trial counts against the run: the ledger knows.

    Example: agv2 tune --bars bars/XAUUSD_1h.parquet --trials 20 --out tuning/gold
    """
    settings = parse_overrides(config, overrides)
    timeout_s = seconds_of(timeout)
    from agv2.app.cli.tune_table import print_study, study_progress
    from agv2.app.tuning.plan import TuneRequest
    from agv2.app.tuning.tune import tune as start
    from agv2.app.workers.opening import parse_workers

    request = TuneRequest(
        bars=tuple(bars),
        symbols=tuple(symbol or ()),
        profile=profile,
        seed=seed,
        n_trials=trials,
        timeout_s=timeout_s,
        study=study,
        storage=storage,
        out=out,
        accept_defects=accept_defects,
        workers=parse_workers(workers),
        config_dir=config,
        overrides=settings,
    )
    with study_progress() as watcher:
        outcome = start(request, watcher)
    if as_json:
        typer.echo(json.dumps(outcome.report.document(), indent=1, allow_nan=False))
        return
    print_study(outcome.report)
    typer.echo(f"page: {outcome.out / 'tuning.html'}")
    if outcome.tuned is not None:
        typer.echo(f"settings: agv2 run --config {outcome.tuned}")


def seconds_of(text: str) -> float | None:
    """Seconds of a time as a person writes it; None for nothing.

    >>> seconds_of("1.5h")
    5400.0

    Raises:
        typer.BadParameter: it is no time.
    """
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text} is no time; write 90s, 30m or 2h", param_hint="--timeout")
    return float(found[1]) * _UNITS[found[2]]

"""`agv2 truth`: how often the verdict is right where the truth is known."""

from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, WorkersOption, parse_overrides

__all__ = ["truth"]


def truth(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Of the study; one that is there is gone on with.")],
    markets: Annotated[int, typer.Option("--markets", min=1, help="Of each kind.")] = 200,
    bars: Annotated[
        int, typer.Option("--bars", min=3000, help="Hourly bars of each; the second half is tested.")
    ] = 12_000,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="NAME", help="Only this kind of market; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first market; the others count on.")] = 7,
    workers: WorkersOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rates as JSON.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Try the verdict on synthetic markets with and without an edge: false alarms, power, and how sure both are.

    There are sixteen kinds, and a market takes about a second. What is done is kept: stop it, and go on with more.
    Three kinds more, such as "noise, whole", are tried where they are named: all of `agv2 run --profile quick`
    trades them, which takes minutes a market.

    Example: agv2 truth --markets 20 --out runs/truth
    """
    layers = parse_overrides(config, overrides)
    from agv2.app.cli.truth_table import print_study, study_progress
    from agv2.app.settings import load_settings
    from agv2.app.truth.page import truth_page
    from agv2.app.truth.study import cells_named, run_study
    from agv2.app.workers.opening import parse_workers
    from agv2.backtest.atomic_files import write_atomically

    cells = cells_named(kind or [])
    settings = load_settings(config, layers)
    with study_progress() as report:
        study = run_study(out, cells, markets, bars, seed, settings, report, parse_workers(workers))
    import json

    text = json.dumps(study.as_json(), indent=1, allow_nan=False)
    write_atomically(out / "truth.json", text + "\n")
    write_atomically(out / "truth.html", truth_page(study))
    if as_json:
        typer.echo(text)
    else:
        print_study(study)
        typer.echo(f"page: {out / 'truth.html'}")

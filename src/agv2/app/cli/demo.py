"""`agv2 demo`: the whole pipeline on markets we make ourselves."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the two runs go.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same results.")] = 7,
    open_report: Annotated[
        bool, typer.Option("--open/--no-open", help="Show the reports in a browser when done.")
    ] = True,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Run the whole pipeline offline on two synthetic markets: one has an edge, the other has none."""
    settings = parse_overrides(config, overrides)
    from agv2.app.demo import demo as start

    start(
        out=out,
        seed=seed,
        open_report=open_report,
        config_dir=config,
        overrides=settings,
        command=("agv2", *sys.argv[1:]),
    )

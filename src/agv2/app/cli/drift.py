"""`agv2 drift`: whether bars still look like those that a model was trained on."""

import json
from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

__all__ = ["drift"]


def drift(
    source: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="A finished run, or a bundle.")],
    bars: Annotated[Path, typer.Option("--bars", metavar="FILE", help="Parquet file of bars to look at.")],
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="NAME", help="Whose training bars to compare with.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Trading days at the end of the file to look at.")] = 30,
    top: Annotated[int, typer.Option("--top", min=1, help="Features to show, the furthest strayed first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print every feature as JSON, for programs.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page by Evidently (an extra package).")
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Hold the last days of a file against the training bars, as the live guard does. Exit code 1 where it would trip.

    Example: agv2 drift runs/gold --bars bars/XAUUSD_1h.parquet --html drift.html
    """
    settings = parse_overrides(config, overrides)
    from agv2.core.errors import DataError
    from agv2.data.config import MarketsConfig
    from agv2.deploy.guards_config import GuardsConfig
    from agv2.utils.config import load_config

    if html is not None:
        from agv2.app.evidently_page import require_evidently

        if html.is_dir():
            raise DataError(f"--html {html}: this is a directory; name a file")
        require_evidently()
    from agv2.app.drift_report import drift_report

    markets = load_config(MarketsConfig, "markets", config, settings)
    guards = load_config(GuardsConfig, "guards", config, settings)
    report = drift_report(source, bars, symbol, days, markets, guards)
    if html is not None:
        from agv2.app.evidently_page import write_evidently_page

        write_evidently_page(report, html, top)
    if as_json:
        typer.echo(json.dumps(report.as_document(), indent=1, allow_nan=False))
    else:
        from agv2.app.cli.drift_table import print_drift

        print_drift(report, top)
        if html is not None:
            typer.echo(f"page: {html}")
    if report.trips:
        raise typer.Exit(1)

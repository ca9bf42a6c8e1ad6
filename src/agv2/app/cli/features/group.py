"""The commands of `agv2 features`, gathered."""

import typer

from agv2.app.cli.features import export, inspect, plot
from agv2.app.cli.features import list as listing

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _root() -> None:
    """What is computed from bars: list it, draw it, write it for other tools, look into it."""


app.command(name="list")(listing.list_features)
app.command(name="plot")(plot.plot)
app.command(name="export")(export.export)
app.command(name="inspect")(inspect.inspect)

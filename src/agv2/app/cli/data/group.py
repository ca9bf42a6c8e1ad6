"""The commands of `agv2 data`, gathered."""

import typer

from agv2.app.cli.data import synth

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Get bars, keep them, check them, make them."""


app.command(name="synth")(synth.synth)

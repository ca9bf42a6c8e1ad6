"""The commands of `agv2 features`, gathered."""

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _root() -> None:
    """What is computed from bars: write it for other tools, look into it."""

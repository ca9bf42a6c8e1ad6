"""The commands of `agv2 train`, gathered."""

import typer

from agv2.app.cli.train import challenger, encoder, policy

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _root() -> None:
    """The stages of a run that learn, one by one."""


app.command(name="encoder")(encoder.encoder)
app.command(name="policy")(policy.policy)
app.command(name="challenger")(challenger.challenger)

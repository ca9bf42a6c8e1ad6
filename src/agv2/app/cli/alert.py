"""`agv2 alert`: whether people can be reached."""

from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

__all__ = ["app"]

app = typer.Typer(help="Messages to people: Telegram and webhook.", no_args_is_help=True)

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing.")]


@app.callback()
def _group() -> None:
    """A group although there is one command: others will follow it."""


@app.command("test")
def try_out(dry_run: DryRunOption = False, config: ConfigOption = None, overrides: SetOption = None) -> None:
    """Send a test message to everybody that the environment names; exit code 1 if anybody was not reached.

    Example: agv2 alert test --dry-run
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.alert_trial import alert_trial

    reached = alert_trial(config, settings, typer.echo, dry_run=dry_run)
    if not reached:
        raise typer.Exit(1)

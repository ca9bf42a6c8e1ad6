"""`agv2 watchdog`: what acts when a trader falls silent."""

from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

__all__ = ["watchdog"]


def watchdog(
    heartbeat: Annotated[Path, typer.Option("--heartbeat", metavar="FILE", help="The file that the trader rewrites.")],
    action: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND...", help="What to do on silence, such as: agv2 flatten.")
    ] = None,
    silent_s: Annotated[
        float | None, typer.Option("--silent", metavar="S", help="Silence that is too long; else guards.yaml's.")
    ] = None,
    rearm: Annotated[
        str | None, typer.Option("--rearm", metavar="NAME", help="Your name: let it listen again after it has acted.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Why it is re-armed, for the record.")] = "",
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Listen to a trader and act when it falls silent; exit code 1 once it has acted. Run it beside every live trader.

    Example: agv2 watchdog --heartbeat live/heartbeat.json -- agv2 flatten
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.watchdog import SteadyClock, Watchdog
    from agv2.app.watchdog_alerts import watchdog_alerts
    from agv2.core.errors import ConfigError
    from agv2.deploy.guards_config import GuardsConfig
    from agv2.utils.clock import SystemClock
    from agv2.utils.config import load_config

    if silent_s is not None and not silent_s > 0.0:
        raise ConfigError(f"--silent {silent_s:g}: seconds, more than 0")
    if rearm is None and not action:
        raise ConfigError("nothing to do on silence; name it after --, such as `-- agv2 flatten`")
    limit = silent_s or load_config(GuardsConfig, "guards", config, settings).heartbeat.silent_s
    with watchdog_alerts(heartbeat, config, settings) as alert:
        dog = Watchdog(heartbeat, limit, action or (), SteadyClock(), SystemClock(), typer.echo, alert)
        if rearm is not None:
            dog.rearm(rearm, note)
            typer.echo(f"{dog.latch}: re-armed by {rearm.strip()}")
            return
        typer.echo(f"listening to {heartbeat}; silent for {limit:g} s means: {' '.join(action or ())}")
        dog.watch()
    raise typer.Exit(1)

"""`agv2 serve`: the decision service."""

from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

__all__ = ["serve"]


def serve(
    bundle: Annotated[Path, typer.Option("--bundle", metavar="DIR", help="Made by `agv2 run`: RUN/bundle.")],
    account: Annotated[
        str, typer.Option("--account", metavar="ID", help="Whose state, limits and audit log; one service each.")
    ] = "default",
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", metavar="NAME", help="Repeat for several; else all of the bundle's.")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Instead of deploy.host.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Instead of deploy.port.")] = None,
    runtime: Annotated[
        str | None, typer.Option("--runtime", metavar="onnx|pt2|torchscript", help="Instead of deploy.runtime.")
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Listen beyond this machine without TLS: something else protects the way."),
    ] = False,
    json_log: Annotated[bool, typer.Option("--json-log", help="One JSON object a line.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Serve decisions over HTTP, to holders of a token.

    Example: agv2 serve --bundle runs/gold/bundle --account DEMO-1
    """
    given = [("host", host), ("port", port), ("runtime", runtime)]
    settings = [*(overrides or []), *(f"deploy.{name}={value}" for name, value in given if value is not None)]
    from agv2.app.serving import ServeRequest
    from agv2.app.serving import serve as start

    start(
        ServeRequest(
            bundle=bundle,
            account=account,
            symbols=tuple(symbol or ()),
            config_dir=config,
            overrides=parse_overrides(config, settings),
            insecure=insecure,
            json_log=json_log,
        )
    )

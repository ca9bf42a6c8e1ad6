"""`agv2 replay`: a recorded day once more, and every difference."""

import json
from pathlib import Path
from typing import Annotated

import typer

from agv2.app.cli.trading_options import JournalOption

__all__ = ["replay"]


def replay(
    day: Annotated[str, typer.Argument(metavar="DAY", help="As 2026-03-31, UTC; or `all`.")],
    journal: JournalOption = None,
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="S", help="The journal's, if it has but one.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="DIR", help="Where the model is now, if it was moved.")
    ] = None,
    most: Annotated[int, typer.Option("--show", metavar="N", min=1, help="Show no more than so many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="All differences, as JSON.")] = False,
) -> None:
    """Feed a recorded day back through the decision path: exit code 1 if anything comes out otherwise.

    Example: agv2 replay 2026-03-31 --journal paper.sqlite
    """
    from agv2.app.trading.replaying import replay_json, replay_recorded, show_replay

    found = replay_recorded(day, journal, symbol, bundle)
    if as_json:
        typer.echo(json.dumps(replay_json(found)))
    else:
        show_replay(found, day, most)
    if found.differences:
        raise typer.Exit(1)

"""`agv2 init`: a folder to work in."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["init"]


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made if need be; the working directory.")] = Path(),
) -> None:
    """Write a project home: every settings file with its comments, .env.example, folders for bars and runs, a README.

    Files that are there already are kept as they are, and named.

    Example: agv2 init trading
    """
    from agv2.app.scaffold import NEXT_COMMANDS, scaffold

    made = scaffold(directory)
    for title, paths in (("made", made.written), ("kept", made.kept)):
        for path in paths:
            typer.echo(f"{title}  {path}")
    go = [] if directory.resolve() == Path.cwd() else [f"cd {directory}"]
    typer.echo("\nnext:\n" + "\n".join(f"  {line}" for line in [*go, *NEXT_COMMANDS]))

"""`agv2 compare`: finished runs side by side."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["compare"]


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories of finished runs.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the same as an HTML page.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    """Put runs side by side: measures, settings that differ, and whether any beats the first.

    Example: agv2 compare runs/gold runs/gold-standard --out comparison.html
    """
    from agv2.app.run_comparison import compare_runs

    comparison = compare_runs(runs, seed)
    if out is not None:
        from agv2.app.comparison_page.page import comparison_page
        from agv2.backtest.atomic_files import write_atomically
        from agv2.core.errors import ConfigError

        try:
            write_atomically(out, comparison_page(comparison))
        except OSError as error:
            raise ConfigError(f"--out {out}: cannot be written ({error.strerror}); name another file") from error
    if as_json:
        import json

        typer.echo(json.dumps(comparison.as_json(), indent=1, allow_nan=False))
        return
    from agv2.app.cli.comparison_table import print_comparison

    print_comparison(comparison)
    if out is not None:
        typer.echo(f"page: {out}")

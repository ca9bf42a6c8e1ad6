"""`agv2 features export`: windows of features with their labels, as one Parquet file for other tools."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, SymbolsOption, parse_overrides

if TYPE_CHECKING:
    from rich.console import Console

    from agv2.app.window_export import ExportPlan

__all__ = ["export"]

_OUT = Path("data/encoder_windows.parquet")


def export(
    bars: Annotated[list[Path], typer.Option("--bars", metavar="FILE...", help="Parquet bars of one timeframe.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The Parquet file to write.")] = _OUT,
    symbol: SymbolsOption = None,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride", metavar="N", min=1, help="A window every N bars; else so that all of them fit into 1 GB."
        ),
    ] = None,
    window: Annotated[
        int | None, typer.Option("--window", metavar="L", min=1, help="Bars in each window; else the encoder's, 512.")
    ] = None,
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="What happened next, for training.")] = True,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="DATE",
            help="Make labels, and the scaling, from bars closed by then alone; later windows have no labels. Without "
            "it the whole file is used, and a validation elsewhere must leave out the windows around its splits.",
        ),
    ] = None,
    normalised: Annotated[
        bool,
        typer.Option("--normalised/--raw", help="Features scaled by statistics of the bars exported, or as computed."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    accept_defects: Annotated[
        bool, typer.Option("--accept-defects", help="Take bars with errors as they are.")
    ] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Write every window of features, with its labels, to a file that other tools can learn from.

    Example: agv2 features export --bars bars/XAUUSD_1h.parquet
    """
    layers = parse_overrides(config, overrides)
    from rich.console import Console

    from agv2.app.cli.data.moments import parse_moment
    from agv2.app.settings import load_settings, require_known_symbols
    from agv2.app.window_export import ExportRequest, plan_export
    from agv2.core.errors import DataError
    from agv2.data.bars_file import symbol_of

    if out.suffix != ".parquet":
        raise DataError(f"{out}: windows are written as Parquet; end the name with .parquet")
    if out.exists() and any(path.exists() and out.samefile(path) for path in bars):
        raise DataError(f"{out}: these are the bars to read; write elsewhere")
    if out.exists() and not force:
        raise DataError(f"{out}: exists already; write elsewhere, or replace it with --force")
    require_known_symbols(layers, symbol or [symbol_of(path) for path in bars])
    request = ExportRequest(
        paths=tuple(bars),
        symbols=tuple(symbol or ()),
        out=out,
        window=window,
        stride=stride,
        labels=labels,
        until_ns=None if until is None else parse_moment("--until", until),
        normalised=normalised,
        force=force,
        accept_defects=accept_defects,
    )
    console = Console(stderr=True)
    with _status(console):
        plan = plan_export(request, load_settings(config, layers))
    for note in plan.notes:
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    typer.echo(_announcement(plan, chosen=stride is not None))
    with _progress(console, plan.n_windows) as report:
        plan.write(report)
    typer.echo(f"{out}: written, {_size(out.stat().st_size)}")


def _announcement(plan: "ExportPlan", *, chosen: bool) -> str:
    header, sizes = plan.header, plan.sizes
    spacing = "one a bar" if header.stride == 1 else f"one every {header.stride} bars"
    text = (
        f"{plan.n_windows:,} windows of {header.window:,} bars × {len(header.features)} features, {spacing}: "
        f"{_size(sizes.unpacked)} in memory, about {_size(sizes.packed)} on disk"
    )
    return text if chosen or header.stride == 1 else f"{text} (--stride 1 writes one a bar)"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{max(n_bytes / 1e6, 0.1):.1f} MB"


@contextmanager
def _status(console: "Console") -> Iterator[None]:
    if not console.is_terminal:
        yield
        return
    with console.status("reading bars, checking them, computing features and labels"):
        yield


@contextmanager
def _progress(console: "Console", total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere: the size said before is all a log needs."""
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("writing windows", total=total)
        yield lambda done: bar.update(task, completed=done)

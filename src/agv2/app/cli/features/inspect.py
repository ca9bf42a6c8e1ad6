"""`agv2 features inspect`: what is in a file of windows, and whether every row can be used."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agv2.app.window_summary import WindowSummary
    from agv2.data.price_action_dataset import WindowDataset

__all__ = ["inspect"]


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Parquet, as AGV2 or any other tool wrote it.")],
    window: Annotated[
        int | None, typer.Option("--window", metavar="L", min=1, help="Bars in each window, where the file is silent.")
    ] = None,
    features: Annotated[
        int | None, typer.Option("--features", metavar="F", min=1, help="Features of each bar, likewise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")] = False,
) -> None:
    """Say what a file of windows holds; every row is read and checked. Exit code 1 when one cannot be used.

    Example: agv2 features inspect data/encoder_windows.parquet
    """
    from rich.console import Console
    from rich.progress import Progress

    from agv2.app.window_summary import summarise_windows
    from agv2.core.errors import DataError
    from agv2.data.price_action_dataset import read_windows

    try:
        dataset = read_windows(file, window, features)
    except DataError as error:
        silent = "state the window or the number of features"
        raise DataError(str(error).replace(silent, "say --window or --features")) from error
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading windows", total=dataset.n)
        summary = summarise_windows(dataset, lambda done: bar.update(task, completed=done))
    document = _document(dataset, summary)
    if as_json:
        typer.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        _print(dataset, document)


def _document(dataset: "WindowDataset", summary: "WindowSummary") -> dict[str, Any]:
    from agv2.app.cli.data.moments import moment_text

    header = dataset.header
    names = {} if header is None else header.classes
    horizons = () if header is None else header.horizons
    return {
        "file": str(dataset.path),
        "bytes": dataset.path.stat().st_size,
        "windows": dataset.n,
        "window": dataset.window,
        "features": dataset.n_features,
        "feature_names": None if header is None else list(dataset.feature_names),
        "columns": list(dataset.column_names),
        "timeframe": None if header is None else header.timeframe,
        "stride": None if header is None else header.stride,
        "normalised": None if header is None else header.scaling is not None,
        "known_until": None if header is None else header.known_until,
        "symbols": summary.symbols,
        "first": None if summary.first_ns is None else moment_text(summary.first_ns),
        "last": None if summary.last_ns is None else moment_text(summary.last_ns),
        "labels": {
            column: _shares(counts, names.get(column, ())) for column, counts in sorted(summary.classes.items())
        },
        "future_returns": [
            {
                "horizon": horizons[j] if j < len(horizons) else None,
                "known": n_known,
                "standard_deviation": None if math.isnan(spread) else spread,
            }
            for j, (n_known, spread) in enumerate(summary.returns)
        ],
    }


def _shares(counts: dict[int, int], names: tuple[str, ...]) -> dict[str, Any]:
    """Share of each class among those known, and how often it is not."""
    n_known = sum(count for number, count in counts.items() if number >= 0)
    shares = {
        names[number] if number < len(names) else str(number): count / n_known
        for number, count in counts.items()
        if number >= 0
    }
    return {"shares": shares, "known": n_known, "unknown": counts.get(-1, 0)}


def _print(dataset: "WindowDataset", document: dict[str, Any]) -> None:
    unpacked = 4 * dataset.n * dataset.window * dataset.n_features
    lines = [
        f"{document['file']}: {dataset.n:,} windows of {dataset.window:,} bars × {dataset.n_features:,} features, "
        f"{unpacked / 1e6:,.1f} MB in memory, {document['bytes'] / 1e6:,.1f} MB on disk"
    ]
    if document["timeframe"] is None:
        lines.append("written by another tool: nothing is said about features, classes and horizons")
    else:
        scaled = "normalised" if document["normalised"] else "as computed"
        lines.append(f"{document['timeframe']} bars, a window every {document['stride']}, features {scaled}")
    if document["first"]:
        lines.append(f"last bars open from {document['first']} to {document['last']}")
    if document["known_until"]:
        lines.append(f"labels and scaling from bars closed by {document['known_until']}")
    if document["symbols"]:
        lines.append("symbols: " + ", ".join(f"{name} {count:,}" for name, count in document["symbols"].items()))
    for column, each in document["labels"].items():
        shares = ", ".join(f"{name} {share:.1%}" for name, share in each["shares"].items())
        lines.append(f"{column}: {shares or 'none known'}; {each['unknown']:,} unknown")
    for each in document["future_returns"]:
        ahead = "" if each["horizon"] is None else f" over {each['horizon']} bars"
        spread = "" if each["standard_deviation"] is None else f", standard deviation {each['standard_deviation']:.3f}"
        lines.append(f"future_returns{ahead}: {each['known']:,} known{spread}")
    typer.echo("\n".join(lines))

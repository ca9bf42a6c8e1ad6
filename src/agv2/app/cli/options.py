"""Options that several commands take, and the reading of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:  # pydantic is not needed to print a help text
    from agv2.utils.config import Override

__all__ = [
    "ConfigOption",
    "MlflowOption",
    "SetOption",
    "SymbolsOption",
    "TrainDefectsOption",
    "TrainProfileOption",
    "TrainResumeOption",
    "WorkersOption",
    "parse_overrides",
    "spread_values",
]

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="Your settings, or one file of them; what is missing is as shipped."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FILE.KEY=VALUE", help="One setting, e.g. costs.default.half_spread_frac=0.0001."),
]
MlflowOption = Annotated[
    bool, typer.Option("--mlflow", help="Tell MLflow: MLFLOW_TRACKING_URI, else a database under AGV2_HOME.")
]
SymbolsOption = Annotated[
    list[str] | None,
    typer.Option("--symbol", metavar="NAME...", help="One a file, in order; else the file name up to the first _."),
]
WorkersOption = Annotated[
    str | None,
    typer.Option(
        "--workers", metavar="WHERE", help="local[:N] processes, or ray://HOST:PORT; same results. Default: this one."
    ),
]
TrainProfileOption = Annotated[
    Literal["quick", "standard", "thorough"], typer.Option("--profile", help="How long to train.")
]
TrainResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on where the same command was stopped in the same directory.")
]
TrainDefectsOption = Annotated[
    bool, typer.Option("--accept-defects", help="Train on bars with errors; every result says so.")
]


def parse_overrides(config: Path | None, texts: Sequence[str] | None) -> "tuple[Override, ...]":
    """The `--set` options read, and the names in the `--config` directory checked, before any work starts.

    Raises:
        ConfigError: a file name or the form of an override is wrong.
    """
    from agv2.utils.config import parse_override, require_known_files

    if config is not None:
        require_known_files(config)
    return tuple(parse_override(text) for text in texts or ())


def spread_values(words: list[str], *options: str) -> list[str]:
    """Let one option take several values: `--bars A B` becomes `--bars A --bars B`.

    Typer reads one value an option. Only for commands without positional arguments: there a word after a value can
    only be another value.

    >>> spread_values(["run", "--bars", "A", "B", "--out", "X"], "--bars")
    ['run', '--bars', 'A', '--bars', 'B', '--out', 'X']
    """
    spread: list[str] = []
    option: str | None = None
    awaited = False
    for word in words:
        name, equals, _ = word.partition("=")
        if word.startswith("-") and word != "-":
            option, awaited = (name, not equals) if name in options else (None, False)
        elif option is not None:
            if not awaited:
                spread.append(option)
            awaited = False
        spread.append(word)
    return spread

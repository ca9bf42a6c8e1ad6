"""A project home: settings, an example of `.env`, folders, and a page that says what is where."""

import os
from pathlib import Path
from typing import NamedTuple

from agv2.core.errors import ConfigError
from agv2.utils.config import shipped_config_dir

__all__ = ["NEXT_COMMANDS", "Scaffold", "scaffold"]

NEXT_COMMANDS = (
    "agv2 doctor --config config",
    "agv2 data synth --kind trend --bars 12000 --seed 7 --out bars/TREND_1h.parquet",
    "agv2 run --bars bars/TREND_1h.parquet --out runs/trend --config config --profile quick --seed 7",
)
"""What to do in a fresh home, in order."""

_FOLDERS = ("bars", "config", "runs")
_README = """\
# An AGV2 home

| | |
|---|---|
| `config/` | every setting, explained where it is written, as shipped; for commands with `--config config` |
| `.env.example` | secrets and addresses: copy it to `.env`, fill in what you use, and let nobody else read it |
| `bars/` | bars as Parquet files, named `SYMBOL_TIMEFRAME.parquet` |
| `runs/` | what runs leave: `report.html` first |

A line that you delete from a file in `config/`, or the whole file, is as shipped, also in later versions.

Next:

```console
{commands}
```

The first says whether the machine and the settings are fit, the second makes a market with a planted edge, the third
learns and judges it. `agv2 --help` names the other commands.
"""
_GITIGNORE = "# Secrets and what is large stay out of version control.\n/.env\n/bars/\n/runs/\n"


class Scaffold(NamedTuple):
    """What became of a home."""

    written: tuple[Path, ...]
    """Files and folders that were not there, in order."""
    kept: tuple[Path, ...]
    """Files that were, and were left as they are."""


def scaffold(home: Path) -> Scaffold:
    """Fill `home` with what is missing there.

    Args:
        home: made if need be.

    Raises:
        ConfigError: something in its place is no folder, or cannot be written; what was there is as it was.
    """
    for folder in (home, *(home / name for name in _FOLDERS)):
        if os.path.lexists(folder) and not folder.is_dir():
            raise ConfigError(f"{folder} is there and is no folder; move it away, or name another directory")
    written: list[Path] = []
    kept: list[Path] = []
    for folder in (home, *(home / name for name in _FOLDERS)):
        if not folder.is_dir():
            _make_folder(folder)
            written.append(folder)
    for name, content in _files().items():
        path = home / name
        (written if _write_new(path, content) else kept).append(path)
    return Scaffold(tuple(written), tuple(kept))


def _files() -> dict[str, bytes]:
    shipped = shipped_config_dir()
    settings = {f"config/{path.name}": path.read_bytes() for path in sorted(shipped.glob("*.yaml"))}
    installed = shipped / "env.example"
    example = installed if installed.is_file() else shipped.parent / ".env.example"
    commands = "\n".join(f"$ {command}" for command in NEXT_COMMANDS)
    return settings | {
        ".env.example": example.read_bytes(),
        ".gitignore": _GITIGNORE.encode(),
        "README.md": _README.format(commands=commands).encode(),
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made ({error.strerror}); name a directory that is yours") from error


def _write_new(path: Path, content: bytes) -> bool:
    """False where there is one already, also a link to nowhere; a file that could not be finished is taken away."""
    try:
        file = path.open("xb")
    except FileExistsError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with file:
            file.write(content)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    return True


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path} cannot be written ({error.strerror}); mend that and give the command again")

"""Whether the keys of the environment and of `.env` are ours, spelt right, and complete."""

import difflib
import os
import stat
from pathlib import Path

from agv2.app.doctor.finding import Finding, Status
from agv2.core.errors import ConfigError
from agv2.execution.venue_reach import VENUE_KEYS
from agv2.utils.environment import Environment, env_file_keys, load_environment

__all__ = ["check_env_file", "check_environment", "read_environment"]

_TYPO_SIMILARITY = 0.8
_OPTIONAL_VENUE_KEY = "tl_acc_num"


def read_environment(directory: Path) -> tuple[Environment | None, str]:
    """The environment, or None and the reason why it cannot be used.

    Args:
        directory: holds `.env`, if there is one.
    """
    try:
        return load_environment(directory), ""
    except ConfigError as error:
        return None, str(error)


def check_environment(environment: Environment | None, problem: str) -> Finding:
    """Whether every value can be used, and those of a login are there together.

    Args:
        environment: as read.
        problem: why it could not be.
    """
    if environment is None:
        return Finding(Status.FAILED, problem, "correct the key; .env.example explains each")
    keys = [key for key in Environment.model_fields if getattr(environment, key) is not None]
    venue = [key.lower() for key in VENUE_KEYS]
    missing = [key.upper() for key in venue if key not in keys]
    if missing and any(key in keys for key in (*venue, _OPTIONAL_VENUE_KEY)):
        detail = f"of the TradeLocker login there is no {', '.join(missing)}"
        return Finding(Status.FAILED, detail, f"set {', '.join(VENUE_KEYS)} together, or none of them")
    return Finding(Status.OK, f"set: {', '.join(key.upper() for key in keys)}" if keys else "nothing set: all defaults")


def check_env_file(directory: Path) -> Finding:
    """Whether `.env` holds only keys that are read, and is for its owner's eyes.

    Args:
        directory: of the file.
    """
    path = directory / ".env"
    try:
        keys = env_file_keys(path)
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Finding(Status.ABSENT, f"there is no {path}; `agv2 init` writes .env.example to copy")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
        return Finding(Status.FAILED, f"{path}: {problem}", "save it as UTF-8 text, readable by you")
    known = [name.upper() for name in Environment.model_fields]
    foreign = [key for key in keys if key.upper() not in known]
    for key in foreign:
        if nearest := difflib.get_close_matches(key.upper(), known, n=1, cutoff=_TYPO_SIMILARITY):
            return Finding(Status.FAILED, f"{path}: {key} is no key of AGV2", f"write {nearest[0]}")
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        return Finding(Status.WARNING, f"{path}: {', '.join(twice)} more than once", "keep one; the last one counts")
    if foreign:
        return Finding(Status.WARNING, f"{path}: AGV2 does not read {', '.join(foreign)}", "delete what nobody reads")
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding(Status.WARNING, f"{path}: others on this machine may read it", f"chmod 600 {path}")
    return Finding(Status.OK, f"{len(keys)} keys, none misspelt")

"""Whether every settings file can be used: those that ship, and each of `--config`."""

import typing
from pathlib import Path
from typing import Any

from agv2.app.doctor.finding import Finding, Status
from agv2.app.settings import Settings
from agv2.app.tuning.config import TuningConfig
from agv2.core.errors import ConfigError
from agv2.deploy.golive_config import GoLiveConfig
from agv2.deploy.settings import DeploySettings
from agv2.utils.config import load_config, require_known_files

__all__ = ["SETTINGS_MODELS", "check_settings_file", "check_shipped_settings"]

SETTINGS_MODELS: dict[str, type[Any]] = {
    **typing.get_type_hints(Settings),
    "tuning": TuningConfig,
    "deploy": DeploySettings,
    "golive": GoLiveConfig,
}
"""File name without `.yaml` → model, of every settings file there is."""


def check_shipped_settings() -> Finding:
    """Whether the files inside the installation are whole."""
    try:
        for name, model in SETTINGS_MODELS.items():
            load_config(model, name)
    except ConfigError as error:
        return Finding(Status.FAILED, str(error), "the installation was altered: install AGV2 again")
    return Finding(Status.OK, f"{len(SETTINGS_MODELS)} files")


def check_settings_file(path: Path) -> Finding:
    """Whether a file of `--config` has a known name, known keys and usable values.

    Args:
        path: the file.
    """
    try:
        require_known_files(path)
        model = SETTINGS_MODELS[path.stem]
        same = load_config(model, path.stem, path) == load_config(model, path.stem)
    except ConfigError as error:
        remedy = "correct the line, or delete it: what a file leaves out is as shipped"
        return Finding(Status.FAILED, str(error), remedy)
    return Finding(Status.OK, "as shipped" if same else "valid, differs from the shipped one")

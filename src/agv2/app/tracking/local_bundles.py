"""A registered model as a directory of this machine, for commands that take a bundle."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from agv2.app.tracking.registry import RegisteredModel, registered_models
from agv2.app.tracking.server import RUN_EXPERIMENT, Tracker, open_tracker, quietly, reason_of
from agv2.core.errors import AGV2Error, BundleError, ConfigError
from agv2.models.bundle import ModelBundle
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = ["fetch_bundle", "find_model", "open_registry"]

_REFERENCE = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[\w.-]+)|/(?P<version>\d+))")


def open_registry(environment: Environment, clock: Clock) -> Tracker:
    """The MLflow that has the models.

    Raises:
        ConfigError: mlflow is not installed, or the server does not answer.
    """
    tracker = open_tracker(environment, clock, RUN_EXPERIMENT, wanted=True)
    assert tracker is not None, "it is wanted"
    return tracker


def find_model(client: Any, reference: str) -> RegisteredModel:
    """The version that `models:/NAME@ALIAS` or `models:/NAME/VERSION` means.

    Raises:
        ConfigError: it is no such reference, or there is no such version.
    """
    if (asked := _REFERENCE.fullmatch(reference)) is None:
        raise ConfigError(f"{reference}: write models:/NAME@champion or models:/NAME/VERSION")
    try:
        with quietly():
            found = registered_models(client, asked["name"])
    except Exception as error:  # noqa: BLE001 - databases, HTTP and MLflow each have their own
        problem = reason_of(error)
    else:
        for each in found:
            if asked["alias"] in each.aliases if asked["alias"] else asked["version"] == each.version:
                return each
        known = f"{asked['name']} has no such version" if found else "there is no such model"
        raise ConfigError(f"{reference}: {known}; agv2 models list shows what there is")
    raise ConfigError(f"{reference}: the registry does not answer ({problem}); give the directory of a bundle instead")


def fetch_bundle(tracker: Tracker, model: RegisteredModel, environment: Environment) -> Path:
    """Directory of a version's bundle, with the settings that it was tested with beside it.

    What was fetched before is checked and used again. What differs by a byte from what was registered is not kept.

    Args:
        tracker: of the registry.
        model: the version.
        environment: names the home.

    Raises:
        BundleError: its files are not those that were registered.
        ConfigError: they cannot be had.
    """
    place = environment.home / "models" / "registry" / model.digest
    if place.is_dir():
        _require_digest(place / "bundle", model)
        return place / "bundle"
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=place.parent) as folder:
        _download(tracker.client, model, Path(folder))
        _require_digest(Path(folder) / "bundle", model)
        whole = Path(folder) / "whole"
        whole.mkdir()
        for part in ("bundle", "config"):
            if (Path(folder) / part).is_dir():
                shutil.move(Path(folder) / part, whole / part)
        whole.rename(place)
    return place / "bundle"


def _download(client: Any, model: RegisteredModel, to: Path) -> None:
    try:
        with quietly():
            run_id = client.get_model_version(model.name, model.version).run_id
            for part in ("bundle", "config"):
                if client.list_artifacts(run_id, part):
                    client.download_artifacts(run_id, part, str(to))
    except Exception as error:  # noqa: BLE001 - as in `find_model`
        problem = reason_of(error)
    else:
        return
    raise ConfigError(f"models:/{model.name}/{model.version}: its files cannot be had ({problem})")


def _require_digest(directory: Path, model: RegisteredModel) -> None:
    name = f"models:/{model.name}/{model.version}"
    try:
        found = ModelBundle.load(directory).digest
    except AGV2Error as error:
        raise BundleError(f"{name}: {error}") from error
    if found != model.digest:
        raise BundleError(
            f"{name}: {directory} is {found[:12]}, but {model.digest[:12]} was registered; do not trade it"
        )

"""Bundles in MLflow's model registry: versions of one model a market, found by their digest, known by their aliases.

A version is a bundle's directory as it is. Nothing is wrapped: what trades is loaded without pickle, and checked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agv2.models.bundle import ModelBundle

__all__ = ["CHALLENGER", "CHAMPION", "RegisteredModel", "model_name", "register_bundle", "registered_models"]

CHAMPION, CHALLENGER = "champion", "challenger"
_MOST_SYMBOLS = 4
_DIGEST = "bundle"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version of a registered model.

    Attributes:
        name: of the model: symbols and timeframe.
        version: its number, as MLflow writes it.
        digest: of the bundle.
        source: where its files are, as MLflow addresses them.
        aliases: such as `champion`.
        tags: all of them.
        made_ms: when it was registered, UTC milliseconds.
    """

    name: str
    version: str
    digest: str
    source: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    made_ms: int


def model_name(symbols: Sequence[str], timeframe: str) -> str:
    """Of all models of these symbols; of many, the first few and what tells the rest apart.

    >>> model_name(["XAUUSD"], "1h")
    'agv2-XAUUSD-1h'
    """
    plain = ["".join(each if each.isalnum() or each in "._" else "_" for each in symbol) for symbol in symbols]
    if len(symbols) > _MOST_SYMBOLS or plain != list(symbols):
        plain = [*plain[:_MOST_SYMBOLS], hashlib.sha256(repr(list(symbols)).encode()).hexdigest()[:8]]
    return "-".join(["agv2", *plain, timeframe])


def register_bundle(client: Any, run_id: str, folder: str, bundle: ModelBundle, tags: Mapping[str, str]) -> str:
    """Register the files that a run keeps under `folder`; a bundle that is registered already keeps its version.

    Args:
        client: of MLflow.
        run_id: of the run that keeps them.
        folder: in its files.
        bundle: what they are.
        tags: what more is known of it.

    Returns:
        The version.
    """
    known = bundle.manifest
    name = model_name(known.symbols, known.timeframe)
    _require_model(client, name)
    for each in _versions(client, name):
        if each.digest == bundle.digest:
            return each.version
    own = {
        _DIGEST: bundle.digest,
        "symbols": ", ".join(known.symbols),
        "timeframe": known.timeframe,
        "trained_on": known.trained_on,
        "code_version": known.code_version,
    }
    source = f"{client.get_run(run_id).info.artifact_uri}/{folder}"
    return str(client.create_model_version(name, source, run_id, tags={**own, **tags}).version)


def registered_models(client: Any, name: str = "") -> list[RegisteredModel]:
    """Versions that AGV2 registered, newest first within each model.

    Args:
        client: of MLflow.
        name: of one model; empty: all.
    """
    found: list[RegisteredModel] = []
    for each in sorted(_every(client.search_registered_models), key=lambda model: str(model.name)):
        if name in ("", each.name):
            found += [version for version in _versions(client, each.name) if version.digest]
    return found


def _versions(client: Any, name: str) -> list[RegisteredModel]:
    """Newest first. Aliases are asked of the model: a list of versions comes without them."""
    aliases: Mapping[str, Any] = client.get_registered_model(name).aliases
    found = [
        RegisteredModel(
            name,
            str(each.version),
            each.tags.get(_DIGEST, ""),
            each.source,
            tuple(sorted(alias for alias, version in aliases.items() if str(version) == str(each.version))),
            dict(each.tags),
            each.creation_timestamp,
        )
        for each in _every(client.search_model_versions, f"name='{name}'")
    ]
    return sorted(found, key=lambda each: int(each.version), reverse=True)


def _every(search: Any, *arguments: str) -> list[Any]:
    """All pages of a search."""
    found: list[Any] = []
    token: str | None = None
    while True:
        page = search(*arguments, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _require_model(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise

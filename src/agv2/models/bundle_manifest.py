"""What a bundle says about itself."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from agv2.core.errors import BundleError
from agv2.models.sealed_files import seal, unseal

__all__ = ["BundleManifest", "manifest_bytes", "parse_manifest", "plain_json"]

SCHEMA = 6


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What the models were made of, and what they expect.

    Attributes:
        symbols: trained on.
        asset_classes: of each symbol, its number in `ASSET_CLASSES`, which the encoder reads.
        bars_per_year: of each symbol, as counted from its training bars; the volatility target is scaled by it.
        timeframe: of the bars, such as `1h`.
        trained_on: which bars, in words a person understands.
        features: name and lookback (in bars) of each column, in order.
        warmup_bars: first bars without a complete row.
        layout: the observation's named slices, as JSON.
        action_nvec: sizes of the action's dimensions.
        config_digest: of all settings.
        code_version: of AGV2.
        kelly_fraction: share of the Kelly size that caps positions; 0: no cap.
        edge: the fields of the policy's `EdgeEstimate`, frozen when it was trained; None where the cap is off.
        encoder: settings of the encoder; `ModelBundle.save` fills it in.
        known_until_ns: open of the last bar that anything was fitted on or chosen by, of any symbol; 0: not known.
        parent: digest of the bundle that this one was trained on from; empty: of none.
    """

    symbols: tuple[str, ...]
    asset_classes: tuple[int, ...]
    bars_per_year: tuple[float, ...]
    timeframe: str
    trained_on: str
    features: tuple[tuple[str, int], ...]
    warmup_bars: int
    layout: Mapping[str, Any]
    action_nvec: tuple[int, ...]
    config_digest: str
    code_version: str
    kelly_fraction: float = 0.0
    edge: Mapping[str, Any] | None = None
    encoder: Mapping[str, Any] = field(default_factory=dict)
    known_until_ns: int = 0
    parent: str = ""


def plain_json(value: Any) -> Any:
    """`value` as JSON gives it back: tuples become lists, keys become text."""
    return json.loads(json.dumps(value, allow_nan=False))


def manifest_bytes(manifest: BundleManifest, files: Mapping[str, str]) -> bytes:
    """The one text of a manifest.

    Args:
        manifest: what the bundle says about itself.
        files: SHA-256 of every other file by name.
    """
    return seal({"schema": SCHEMA, **plain_json(asdict(manifest)), "files": dict(files)})


def parse_manifest(text: bytes, path: Path) -> tuple[BundleManifest, dict[str, str], str]:
    """The inverse of `manifest_bytes`.

    Args:
        text: content of the manifest file.
        path: its place, for messages.

    Returns:
        The manifest, the hashes of the files, and its own hash.

    Raises:
        BundleError: it is not what `manifest_bytes` writes, byte by byte, or of another schema.
    """
    content, digest = unseal(text, path, SCHEMA)
    files = content.pop("files")
    if set(content) != {one.name for one in fields(BundleManifest)}:
        raise BundleError(f"{path}: its entries are not those of schema {SCHEMA}")
    for name in ("symbols", "asset_classes", "bars_per_year", "action_nvec"):
        content[name] = tuple(content[name])
    content["features"] = tuple((str(name), int(lookback)) for name, lookback in content["features"])
    return BundleManifest(**content), dict(files), digest

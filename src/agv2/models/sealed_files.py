"""Directories whose manifest holds the hash of every file, and of itself: a changed byte anywhere is noticed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agv2.core.errors import BundleError

__all__ = ["seal", "unseal", "verified_bytes"]

_SEAL = "manifest_sha256"


def seal(content: Mapping[str, Any]) -> bytes:
    """The one text of a manifest: JSON with sorted keys that ends with a hash of itself.

    Args:
        content: JSON values, no number of which is NaN or infinite.
    """
    return _text({**content, _SEAL: hashlib.sha256(_text(content)).hexdigest()})


def unseal(text: bytes, path: Path, schema: int) -> tuple[dict[str, Any], str]:
    """The inverse of `seal`.

    Args:
        text: content of the manifest file.
        path: its place, for messages.
        schema: the only one that is read, the manifest's entry of this name.

    Returns:
        The content without its schema, and the hash of the whole.

    Raises:
        BundleError: it is not what `seal` writes, byte by byte, or of another schema.
    """
    try:
        content = json.loads(text)
        found, digest = content["schema"], content.pop(_SEAL)
        resealed = seal(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: not a manifest of AGV2") from error
    if found != schema:
        raise BundleError(f"{path}: schema {found}, but this version reads schema {schema}: train again")
    if text != resealed:
        raise BundleError(f"{path}: was altered; restore it or train again")
    del content["schema"]
    return content, str(digest)


def verified_bytes(directory: Path, name: str, hashes: Mapping[str, str]) -> bytes:
    """Content of a file, if it is what the manifest says.

    Args:
        directory: of the manifest.
        name: of the file.
        hashes: SHA-256 of each file, from the manifest.

    Raises:
        BundleError: it is missing, cannot be read, or was changed.
    """
    try:
        content = (directory / name).read_bytes()
    except OSError as error:
        raise BundleError(f"{directory / name}: cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != hashes[name]:
        raise BundleError(f"{directory / name}: differs from what the manifest says; restore it or train again")
    return content


def _text(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

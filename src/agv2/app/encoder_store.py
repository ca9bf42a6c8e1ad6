"""Trained encoders on disk: a directory each, verified byte by byte, without a pickle.

    NAME/  manifest.json  encoder.npz  normalizer.npz

Runs keep the encoders of their folds in their own directories; these are for use beyond one run.
"""

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from pydantic import ValidationError

from agv2.app.fold_training import FoldEncoder
from agv2.core.errors import BundleError, ShapeError
from agv2.models.array_bytes import arrays_from, npz_bytes
from agv2.models.bundle_manifest import plain_json
from agv2.models.config import EncoderConfig
from agv2.models.normalizer import Normalizer
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.sealed_files import seal, unseal, verified_bytes
from agv2.utils.config import config_digest

__all__ = ["EncoderOrigin", "StoredEncoder", "load_encoder", "save_encoder"]

SCHEMA = 1
MANIFEST, WEIGHTS, NORMALIZER = "manifest.json", "encoder.npz", "normalizer.npz"
_NAMED_SYMBOLS = 3


@dataclass(frozen=True, slots=True)
class EncoderOrigin:
    """What an encoder was made from; with its settings this is what its name stands for.

    Attributes:
        symbols: trained on, in order.
        asset_classes: of each symbol.
        timeframe: of the bars, such as `1h`.
        features: name and lookback in bars of each column, in order.
        data_digest: of the bars or windows.
        seed: of the training.
        steps: gradient steps asked for.
    """

    symbols: tuple[str, ...]
    asset_classes: tuple[str, ...]
    timeframe: str
    features: tuple[tuple[str, int], ...]
    data_digest: str
    seed: int
    steps: int


@dataclass(frozen=True, slots=True)
class StoredEncoder:
    """An encoder as it lies on disk."""

    directory: Path
    origin: EncoderOrigin
    encoder: FoldEncoder
    code_version: str
    """Of the AGV2 that trained it."""

    def require_matches(self, features: Sequence[tuple[str, int]], timeframe: str, config: EncoderConfig) -> None:
        """Refuse to be used by a program that computes other features or means another network.

        Args:
            features: name and lookback of each feature the program computes, in order.
            timeframe: of its bars.
            config: of the encoder it expects; how that is trained does not matter.

        Raises:
            BundleError: something differs; names what.
        """
        ours, theirs = dict(self.origin.features), dict(features)
        absent, unknown = (sorted(set(one) - set(other)) for one, other in ((ours, theirs), (theirs, ours)))
        moved = [name for name, lookback in ours.items() if theirs.get(name, lookback) != lookback]
        settings = [name for name in _NETWORK if getattr(self.encoder.pretrained.config, name) != getattr(config, name)]
        for differs, problem in (
            (timeframe != self.origin.timeframe, f"was trained on {self.origin.timeframe} bars, not {timeframe}"),
            (absent, f"reads features that are not computed: {_listed(absent)}"),
            (unknown, f"does not know the features {_listed(unknown)}"),
            (moved, f"was trained when these features had another lookback: {_listed(moved)}"),
            (self.origin.features != tuple(features), "reads the same features in another order"),
            (settings, f"was built with other settings: encoder.{_listed(settings)}"),
        ):
            if differs:
                raise BundleError(f"{self.directory}: this encoder {problem}; train again or use another")


_NETWORK = (
    "backbone", "window", "channels", "tcn", "transformer", "lstm", "embedding_dim", "head_channels", "horizons",
    "quantile_levels", "mask_span",
)  # fmt: skip
"""Settings that the weights stand or fall with; the others are about training."""


def save_encoder(root: Path, encoder: FoldEncoder, origin: EncoderOrigin) -> Path:
    """Write an encoder, whole or not at all.

    Args:
        root: where encoders are kept, such as `Environment.encoders`; made if need be.
        encoder: trained.
        origin: what from.

    Returns:
        Its directory, whose name says what was trained and follows from that alone: training the same again replaces
        it.

    Raises:
        BundleError: weights that are not finite, or an origin that does not fit them.
        OSError: the directory cannot be written; what was there is there still.
    """
    pretrained = encoder.pretrained
    directory = root / _name(origin, pretrained.config)
    weights = pretrained.arrays()
    _require_usable(directory, weights, origin, encoder.normalizer)
    contents = {WEIGHTS: npz_bytes(weights), NORMALIZER: npz_bytes(encoder.normalizer.arrays())}
    manifest = {
        "schema": SCHEMA,
        "origin": plain_json(asdict(origin)),
        "config": pretrained.config.model_dump(mode="json"),
        "training": plain_json(pretrained.record()),
        "code_version": version("agv2"),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        _replace_directory(directory, {**contents, MANIFEST: seal(manifest)})
    return directory


def load_encoder(directory: Path) -> StoredEncoder:
    """Open an encoder after checking every byte of it.

    Raises:
        BundleError: a file is missing, was altered or does not fit; names the file.
    """
    path = directory / MANIFEST
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}), so there is no encoder here") from error
    manifest, _ = unseal(text, path, SCHEMA)
    try:
        origin = _origin(manifest["origin"])
        config = EncoderConfig.model_validate(manifest["config"])
        weights, statistics = (
            arrays_from(verified_bytes(directory, name, manifest["files"])) for name in (WEIGHTS, NORMALIZER)
        )
        normalizer = Normalizer.from_arrays(statistics)
        _require_usable(directory, weights, origin, normalizer)
        pretrained = PretrainedEncoder.from_arrays(weights, config, manifest["training"])
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile, ValidationError, ShapeError) as error:
        problem = str(error).splitlines()[0]
        raise BundleError(f"{directory}: not what this version of AGV2 saves ({problem}); train again") from error
    return StoredEncoder(directory, origin, FoldEncoder(normalizer, pretrained), str(manifest["code_version"]))


def _replace_directory(directory: Path, contents: Mapping[str, bytes]) -> None:
    partial, before = (directory.with_name(f".{directory.name}.{what}") for what in ("partial", "before"))
    for leftover in (partial, before):  # of a process that was killed: the lock is ours
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    try:
        for name, content in contents.items():
            (partial / name).write_bytes(content)
        if directory.exists():  # and holds something, so that it cannot be replaced in one step
            os.replace(directory, before)
        os.replace(partial, directory)
    except BaseException:
        if before.exists():
            os.replace(before, directory)
        raise
    finally:
        for leftover in (partial, before):
            shutil.rmtree(leftover, ignore_errors=True)


def plain_name(symbol: str) -> str:
    """What of a symbol may stand in the name of a directory: a file of windows names its symbols as it likes."""
    return re.sub(r"[^A-Za-z0-9]", "", symbol)[:32]


def _name(origin: EncoderOrigin, config: EncoderConfig) -> str:
    """A prefix to read, and a digest of data, settings, seed and steps to be sure."""
    settings = config_digest({"encoder": config.in_effect})
    digest = hashlib.sha256(repr((plain_json(asdict(origin)), settings)).encode()).hexdigest()
    named = [plain_name(symbol) for symbol in origin.symbols[:_NAMED_SYMBOLS]]
    more = len(origin.symbols) - len(named)
    symbols = "-".join([*named, *([f"{more}more"] if more else [])])
    return f"{symbols}_{origin.timeframe}_{config.backbone}_{digest[:12]}"


def _origin(document: Mapping[str, Any]) -> EncoderOrigin:
    values = {one.name: document[one.name] for one in fields(EncoderOrigin)}
    for name in ("symbols", "asset_classes"):
        values[name] = tuple(values[name])
    values["features"] = tuple((str(name), int(lookback)) for name, lookback in values["features"])
    return EncoderOrigin(**values)


def _require_usable(directory: Path, weights: Mapping[str, Any], origin: EncoderOrigin, normalizer: Normalizer) -> None:
    counts = {
        "weights": len(weights["mask"]), "normaliser": len(normalizer.mean), "features": len(origin.features)
    }  # fmt: skip
    if len(set(counts.values())) != 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise BundleError(f"{directory}: the number of features differs: {told}; train again")
    for name, values in (*weights.items(), *normalizer.arrays().items()):
        if not np.isfinite(values).all():
            raise BundleError(f"{directory}: {name} holds numbers that are not finite; train again")


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")

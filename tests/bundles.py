"""A bundle that is whole in every way but that its networks are empty files, for tests of what reads the rest."""

import hashlib
from pathlib import Path

import numpy as np

from agv2.decision.actions import ACTION_NVEC
from agv2.features.feature_spec import FeatureColumn
from agv2.models.array_bytes import npz_bytes
from agv2.models.bundle import MANIFEST, PROGRAMS, REFERENCE, WEIGHTS, ModelBundle
from agv2.models.bundle_manifest import BundleManifest, manifest_bytes
from agv2.models.live_reference import LiveReference
from agv2.models.normalizer import Normalizer

__all__ = ["bundle_without_networks"]


def bundle_without_networks(
    directory: Path, columns: tuple[FeatureColumn, ...], reference: LiveReference, timeframe: str = "1h"
) -> ModelBundle:
    """Write it and load it back."""
    directory.mkdir(parents=True)
    symbols = tuple(reference.features) or ("XAUUSD",)
    manifest = BundleManifest(
        symbols=symbols,
        asset_classes=tuple(0 for _ in symbols),
        bars_per_year=tuple(6000.0 for _ in symbols),
        timeframe=timeframe,
        trained_on="nothing",
        features=tuple((column.name, column.lookback) for column in columns),
        warmup_bars=max(column.lookback for column in columns) - 1,
        layout={},
        action_nvec=ACTION_NVEC,
        config_digest="0" * 64,
        code_version="0.1.0",
    )
    normalizer = Normalizer(np.zeros(len(columns)), np.ones(len(columns)))
    files = dict.fromkeys((WEIGHTS["encoder"], WEIGHTS["policy"], *PROGRAMS), b"")
    files[WEIGHTS["normalizer"]] = npz_bytes(normalizer.arrays())
    files[REFERENCE] = npz_bytes(reference.arrays())
    for name, content in files.items():
        (directory / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (directory / MANIFEST).write_bytes(manifest_bytes(manifest, hashes))
    return ModelBundle.load(directory)

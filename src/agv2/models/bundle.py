"""All that a trader needs to run a model: one directory, verified byte by byte, without a pickle."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agv2.core.errors import BundleError
from agv2.models.array_bytes import arrays_from, npz_bytes
from agv2.models.bundle_manifest import BundleManifest, manifest_bytes, parse_manifest, plain_json
from agv2.models.config import EncoderConfig
from agv2.models.live_reference import LiveReference
from agv2.models.normalizer import Normalizer
from agv2.models.onnx_runner import OnnxRunner
from agv2.models.sealed_files import verified_bytes
from agv2.models.served_odds import Runner

if TYPE_CHECKING:
    from agv2.models.policy import PolicyNetwork
    from agv2.models.pretraining import PretrainedEncoder

__all__ = ["ModelBundle"]

MANIFEST = "manifest.json"
WEIGHTS = {"encoder": "encoder.npz", "policy": "policy.npz", "normalizer": "normalizer.npz"}
REFERENCE = "reference.npz"
PROGRAMS = tuple(f"{program}.{kind}" for program in ("encoder", "policy") for kind in ("pt2", "onnx", "ts"))


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A verified bundle directory.

    Attributes:
        directory: where it lies; every read is checked against the manifest again.
        manifest: what the models were made of and for.
        digest: SHA-256 of the manifest, hence of everything: the model's version.
        normalizer: of the features, fitted on the training bars.
    """

    directory: Path
    manifest: BundleManifest
    digest: str
    normalizer: Normalizer
    _hashes: Mapping[str, str]

    @classmethod
    def save(
        cls,
        directory: Path,
        manifest: BundleManifest,
        normalizer: Normalizer,
        pretrained: "PretrainedEncoder",
        policy: "PolicyNetwork",
        reference: LiveReference | None = None,
    ) -> "ModelBundle":
        """Write a bundle, whole or not at all, and load it back.

        Args:
            directory: does not exist yet, or is empty.
            manifest: what the models were made of and for.
            normalizer: of the features.
            pretrained: encoder with heads.
            policy: trained policy.
            reference: what the guards hold live trading against; None: nothing, and they will say so.

        Raises:
            BundleError: something is there already, or the parts do not fit each other.
        """
        from agv2.models.export import export_programs

        _require_fit(manifest, normalizer, pretrained.encoder.n_features)
        manifest = replace(manifest, encoder=pretrained.config.model_dump(mode="json"))
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise BundleError(f"{directory} is not empty: a bundle is never written over")
        partial = directory.with_name(f".{directory.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # left by a killed process
        partial.mkdir(parents=True)
        try:
            weights = {name: value.detach().numpy() for name, value in policy.state_dict().items()}
            arrays = {"encoder": pretrained.arrays(), "policy": weights, "normalizer": normalizer.arrays()}
            for part, content in arrays.items():
                (partial / WEIGHTS[part]).write_bytes(npz_bytes(content))
            (partial / REFERENCE).write_bytes(npz_bytes((reference or LiveReference()).arrays()))
            export_programs(pretrained, policy, partial)
            hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in partial.iterdir()}
            (partial / MANIFEST).write_bytes(manifest_bytes(manifest, hashes))
            if directory.exists():
                directory.rmdir()
            os.replace(partial, directory)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> "ModelBundle":
        """Open a bundle after checking every byte of it.

        Raises:
            BundleError: a file is missing, altered or not listed, or the bundle is of another schema; names the file.
        """
        if not (directory / MANIFEST).is_file():
            raise BundleError(
                f"{directory}: there is no bundle here (no {MANIFEST}); `agv2 run` leaves one in RUN/bundle"
            )
        manifest_path = directory / MANIFEST
        try:
            text = manifest_path.read_bytes()
        except OSError as error:
            raise BundleError(f"{manifest_path}: cannot be read ({error.strerror})") from error
        manifest, hashes, digest = parse_manifest(text, manifest_path)
        _require_files(directory, set(hashes))
        for name in hashes:
            verified_bytes(directory, name, hashes)
        normalizer = Normalizer.from_arrays(arrays_from(verified_bytes(directory, WEIGHTS["normalizer"], hashes)))
        _require_fit(manifest, normalizer, len(normalizer.mean))
        return cls(directory, manifest, digest, normalizer, hashes)

    def read(self, name: str) -> bytes:
        """Content of one of the bundle's files.

        Raises:
            BundleError: it is not part of the bundle, or changed since the bundle was opened.
        """
        if name not in self._hashes:
            raise BundleError(f"{self.directory / name}: not part of the bundle")
        return verified_bytes(self.directory, name, self._hashes)

    def runner(self, kind: Literal["onnx", "pt2", "ts"] = "onnx") -> Runner:
        """Encoder and policy as served: by ONNX Runtime, one thread, no torch; or by one of the twins, with torch."""
        encoder, policy = self.read(f"encoder.{kind}"), self.read(f"policy.{kind}")
        if kind == "onnx":
            return OnnxRunner(encoder, policy)
        from agv2.models.torch_runner import TorchRunner

        return TorchRunner(kind, encoder, policy)

    def reference(self) -> LiveReference:
        """What was usual while the models were made."""
        return LiveReference.from_arrays(arrays_from(self.read(REFERENCE)))

    def pretrained(self) -> "PretrainedEncoder":
        """Encoder and heads as torch modules, for research and attribution."""
        from agv2.models.pretraining import PretrainedEncoder

        config = EncoderConfig.model_validate(self.manifest.encoder)
        return PretrainedEncoder.from_arrays(arrays_from(self.read(WEIGHTS["encoder"])), config)

    def policy(self) -> "PolicyNetwork":
        """The policy as a torch module."""
        import torch

        from agv2.models.policy import PolicyNetwork

        arrays = arrays_from(self.read(WEIGHTS["policy"]))
        return PolicyNetwork.from_state({name: torch.from_numpy(value) for name, value in arrays.items()})

    def require_matches(
        self, features: tuple[tuple[str, int], ...], layout: Mapping[str, Any], action_nvec: tuple[int, ...]
    ) -> None:
        """Refuse to be used by a program whose features, observation or actions are others.

        Args:
            features: name and lookback of each feature the program computes, in order.
            layout: its observation layout, as it was given to `save`.
            action_nvec: its action's dimensions.

        Raises:
            BundleError: something differs; names what.
        """
        for what, ours, theirs in (
            ("features", self.manifest.features, features),
            ("observation layout", dict(self.manifest.layout), plain_json(layout)),
            ("actions", self.manifest.action_nvec, action_nvec),
        ):
            if ours != theirs:
                raise BundleError(
                    f"{self.directory}: the bundle was made for other {what}; "
                    f"use AGV2 {self.manifest.code_version}, which made it, or train again"
                )


def _require_files(directory: Path, listed: set[str]) -> None:
    expected = {*WEIGHTS.values(), REFERENCE, *PROGRAMS}
    found = {path.name for path in directory.iterdir()} - {MANIFEST}
    for names, problem in (
        (expected - listed, "is not in the manifest"),
        (listed - expected, "is in the manifest but in no bundle of this schema"),
        (expected - found, "is missing"),
        (found - expected, "does not belong to the bundle"),
    ):
        if names:
            raise BundleError(f"{directory / min(names)}: {problem}")


def _require_fit(manifest: BundleManifest, normalizer: Normalizer, encoder_features: int) -> None:
    counts = {len(manifest.features), len(normalizer.mean), encoder_features}
    if len(counts) != 1:
        raise BundleError(
            f"manifest, normaliser and encoder disagree on the number of features: "
            f"{len(manifest.features)}, {len(normalizer.mean)}, {encoder_features}"
        )

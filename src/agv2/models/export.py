"""The two programs of a bundle, written in three formats."""

import io
import json
import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

from agv2.core.errors import BundleError
from agv2.models.embedding import evaluating
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder

__all__ = ["EncoderProgram", "PolicyProgram", "export_programs", "load_program"]

ENCODER_INPUTS = ("window", "asset_class")
ENCODER_OUTPUTS = ("embedding", "quantiles", "regime_probs", "pattern_probs", "level_probs")
POLICY_INPUTS, POLICY_OUTPUTS = ("observation",), ("logits", "value")


class EncoderProgram(nn.Module):
    """What is known at the last bar of a window."""

    def __init__(self, pretrained: PretrainedEncoder) -> None:
        super().__init__()
        self.encoder, self.heads = pretrained.encoder, pretrained.heads

    def forward(self, window: Tensor, asset_class: Tensor) -> tuple[Tensor, ...]:
        """(B, window, F) normalised features and (B,) class of the market -> one tensor a field of `HeadOutputs`."""
        embedding = self.encoder(window, asset_class).squeeze(1)
        return embedding, *self.heads(embedding, window[:, -1]).probabilities()


class PolicyProgram(nn.Module):
    """Observation to logits and value; a plain tuple, because a serialised program cannot name ours."""

    def __init__(self, policy: PolicyNetwork) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n_observations) -> logits (B, n_logits), value (B,)."""
        outputs = self.policy(observation)
        return outputs.logits, outputs.value


class _Program(NamedTuple):
    name: str
    module: nn.Module
    examples: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def export_programs(pretrained: PretrainedEncoder, policy: PolicyNetwork, directory: Path) -> None:
    """Write `encoder` and `policy` as `.pt2` (canonical), `.onnx` (serves) and `.ts` into `directory`.

    The batch size stays free. Between the two programs the observation is built by the same kernel as everywhere.

    Args:
        pretrained: encoder with heads.
        policy: trained policy.
        directory: exists.
    """
    window = torch.zeros(2, pretrained.config.window, pretrained.encoder.n_features)
    encoder_examples = (window, torch.zeros(2, dtype=torch.int64))
    policy_examples = (torch.zeros(2, policy.n_observations),)
    programs = (
        _Program("encoder", EncoderProgram(pretrained), encoder_examples, ENCODER_INPUTS, ENCODER_OUTPUTS),
        _Program("policy", PolicyProgram(policy), policy_examples, POLICY_INPUTS, POLICY_OUTPUTS),
    )
    for one in programs:
        with evaluating(one.module), torch.no_grad(), _quiet_exporters():
            _write(one, directory)


def load_program(source: Path | io.BytesIO) -> nn.Module:
    """The module of a `.pt2` file or of its bytes, refusing one that could run code while it loads.

    Raises:
        BundleError: the file is no exported program, or holds a pickle.
    """
    name = source.name if isinstance(source, Path) else "the program"
    _require_no_pickle(source, name)
    if not isinstance(source, Path):
        source.seek(0)
    try:
        return torch.export.load(source).module()
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise BundleError(f"{name} is not an exported program: {str(error).splitlines()[0]}") from error


def _write(one: _Program, directory: Path) -> None:
    batch = Dim("batch", min=1, max=4096)
    free = tuple({0: batch} for _ in one.examples)
    exported = torch.export.export(one.module, one.examples, dynamic_shapes=free, strict=False)
    # The example is of no use to a reader, and its serialisation is the one place where torch would pickle.
    exported.example_inputs = None
    torch.export.save(exported, directory / f"{one.name}.pt2")
    torch.onnx.export(
        one.module,
        one.examples,
        directory / f"{one.name}.onnx",
        input_names=one.inputs,
        output_names=one.outputs,
        dynamic_shapes=free,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    traced = torch.jit.trace(one.module, one.examples)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.jit.save(traced, str(directory / f"{one.name}.ts"))


def _require_no_pickle(source: Path | io.BytesIO, shown: str) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                if name.endswith(("_weights_config.json", "_constants_config.json")):
                    _require_raw(shown, json.loads(archive.read(name)))
                elif "/sample_inputs/" in name and archive.getinfo(name).file_size > 0:
                    torch.load(archive.open(name), weights_only=True)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BundleError(f"{shown} cannot be read: {error}") from error


def _require_raw(shown: str, payload: Any) -> None:
    for name, meta in payload.get("config", payload).items():
        if meta.get("use_pickle", True):
            raise BundleError(f"{shown} holds {name} as a pickle, which AGV2 never loads")


@contextmanager
def _quiet_exporters() -> Iterator[None]:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # TorchScript is kept for those who ask for it, knowing that upstream deprecates it.
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=DeprecationWarning)
            # The ONNX exporter's own use of what torch has deprecated.
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning)
            # Both inputs of the encoder have the one free batch, which the exporter names after the first.
            warnings.filterwarnings("ignore", message="# The axis name: batch will not be used", category=UserWarning)
            # A trace fixes what follows from the window's length, as it should: only the batch is free.
            warnings.filterwarnings("ignore", message=r"Converting a tensor to a Python", category=Warning)
            # torch's LSTM keeps its weights in a list as well, under names that the exporter does not know.
            warnings.filterwarnings(
                "ignore", message=r"The tensor attributes self\..*_flat_weights", category=UserWarning
            )
            yield
    finally:
        logger.setLevel(level)

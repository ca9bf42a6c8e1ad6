"""The networks served by torch: the exported program, or its TorchScript twin, for those who ask for them."""

import io
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from agv2.core.arrays import Float32Array
from agv2.core.errors import BundleError
from agv2.models.export import load_program
from agv2.models.head_outputs import HeadOutputs
from agv2.models.onnx_runner import PolicyEvaluation

__all__ = ["TorchRunner"]


class TorchRunner:
    """Encoder and policy as two programs, on one thread; the same calls as `OnnxRunner`.

    Args:
        kind: `pt2` or `ts`, the ending of the files.
        encoder: bytes of the encoder's file.
        policy: bytes of the policy's file.

    Raises:
        BundleError: they are no such programs.
    """

    def __init__(self, kind: Literal["pt2", "ts"], encoder: bytes, policy: bytes) -> None:
        torch.set_num_threads(1)  # more spin against each other and gain nothing at one window a bar
        self._encoder, self._policy = (_loaded(kind, content) for content in (encoder, policy))

    def encode(self, windows: Float32Array, asset_class: int) -> HeadOutputs:
        """Embedding and predictions for the last bar of each window.

        Args:
            windows: (B, window, F) normalised features.
            asset_class: of the market they are from, its number in `ASSET_CLASSES`.
        """
        feed = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
        classes = torch.full((len(windows),), asset_class, dtype=torch.int64)
        with torch.inference_mode():
            return HeadOutputs(*(each.numpy() for each in self._encoder(feed, classes)))

    def evaluate(self, observations: Float32Array) -> PolicyEvaluation:
        """Logits and value of each observation, (B, n_observations)."""
        feed = torch.from_numpy(np.ascontiguousarray(observations, dtype=np.float32))
        with torch.inference_mode():
            return PolicyEvaluation(*(each.numpy() for each in self._policy(feed)))


def _loaded(kind: Literal["pt2", "ts"], content: bytes) -> Callable[..., Any]:
    if kind == "pt2":
        return load_program(io.BytesIO(content))
    try:
        with warnings.catch_warnings():
            # TorchScript is kept for those who ask for it, knowing that upstream deprecates it.
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=DeprecationWarning)
            program: Callable[..., Any] = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]  # torch leaves it untyped
            return program
    except RuntimeError as error:
        raise BundleError(f"not a TorchScript program: {str(error).splitlines()[0]}") from error

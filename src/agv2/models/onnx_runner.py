"""The networks served by ONNX Runtime: one thread, no torch in the process."""

from typing import Any, NamedTuple

import numpy as np

from agv2.core.arrays import Float32Array
from agv2.models.head_outputs import HeadOutputs

__all__ = ["OnnxRunner", "PolicyEvaluation"]


class PolicyEvaluation(NamedTuple):
    """What the policy says about each observation.

    Attributes:
        logits: (B, n_logits) float32, one block per action dimension.
        value: (B,) float32 expected discounted reward.
    """

    logits: Float32Array
    value: Float32Array


class OnnxRunner:
    """Encoder and policy as two sessions; between them the caller writes the observation.

    Args:
        encoder: bytes of `encoder.onnx`.
        policy: bytes of `policy.onnx`.
    """

    def __init__(self, encoder: bytes, policy: bytes) -> None:
        self._encoder, self._policy = _session(encoder), _session(policy)

    def encode(self, windows: Float32Array, asset_class: int) -> HeadOutputs:
        """Embedding and predictions for the last bar of each window.

        Args:
            windows: (B, window, F) normalised features.
            asset_class: of the market they are from, its number in `ASSET_CLASSES`.
        """
        feed = {
            "window": np.ascontiguousarray(windows, dtype=np.float32),
            "asset_class": np.full(len(windows), asset_class, dtype=np.int64),
        }
        return HeadOutputs(*self._encoder.run(None, feed))

    def evaluate(self, observations: Float32Array) -> PolicyEvaluation:
        """Logits and value of each observation, (B, n_observations)."""
        feed = {"observation": np.ascontiguousarray(observations, dtype=np.float32)}
        return PolicyEvaluation(*self._policy.run(None, feed))


def _session(model: bytes) -> Any:
    import onnxruntime  # a third of a second, and only a serving process needs it

    options = onnxruntime.SessionOptions()
    # More threads spin against each other on shared cores and gain nothing at one window a bar.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

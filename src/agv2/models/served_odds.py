"""How much a policy prefers a position to being flat, as the serving model has it."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray
from agv2.models.head_outputs import HeadOutputs
from agv2.models.onnx_runner import PolicyEvaluation

__all__ = ["served_odds"]

_FLAT, _POSITIONS = 0, 3


class Runner(Protocol):
    """Encoder and policy, whoever evaluates them; `OnnxRunner` is one."""

    def encode(self, windows: Float32Array, asset_class: int) -> HeadOutputs:
        """Embedding and predictions for the last bar of each window."""
        ...

    def evaluate(self, observations: Float32Array) -> PolicyEvaluation:
        """Logits and value of each observation."""
        ...


def served_odds(runner: Runner, position: int, asset_class: int) -> Callable[[Float32Array, Float32Array], FloatArray]:
    """Log-odds as the serving model has them: ONNX Runtime, no torch.

    Args:
        runner: of the bundle.
        position: index of the explained position in the action, not that of flat.
        asset_class: of the market, its number in `ASSET_CLASSES`.
    """

    def odds(windows: Float32Array, states: Float32Array) -> FloatArray:
        permitted = np.ones((len(windows), _POSITIONS), dtype=np.float32)
        observations = np.concatenate([runner.encode(windows, asset_class).rows(), states, permitted], axis=1)
        logits = runner.evaluate(observations).logits.astype(np.float64)
        found: FloatArray = logits[:, position] - logits[:, _FLAT]
        return found

    return odds

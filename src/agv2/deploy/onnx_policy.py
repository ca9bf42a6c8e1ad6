"""The exported network as the decision path's `Policy`, whoever evaluates it."""

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.decider import PolicyOutput
from agv2.models.served_odds import Runner

__all__ = ["OnnxPolicy"]

_CUTS = np.cumsum(ACTION_NVEC)[:-1]


class OnnxPolicy:
    """The likeliest choice of every head of an exported policy; what is not permitted is masked inside the network.

    Args:
        runner: of the bundle.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def act(self, observations: Float32Array) -> PolicyOutput:
        """Likeliest choice of each head for each row of `observations` (n, size)."""
        said = self._runner.evaluate(observations)
        heads = [_log_softmax(block) for block in np.split(said.logits.astype(np.float64), _CUTS, axis=1)]
        actions = np.stack([head.argmax(axis=1) for head in heads], axis=1)
        entropy = -np.sum([(np.exp(head) * head).sum(axis=1) for head in heads], axis=0)
        return PolicyOutput(actions, entropy, said.value.astype(np.float64))

    def probabilities(self, observation: Float32Array) -> tuple[FloatArray, ...]:
        """Of each choice of each head, at one observation (size,)."""
        logits = self._runner.evaluate(observation[np.newaxis]).logits[0].astype(np.float64)
        return tuple(np.exp(_log_softmax(block[np.newaxis])[0]) for block in np.split(logits, _CUTS))


def _log_softmax(logits: FloatArray) -> FloatArray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found

"""Trained networks as the decision path's `Policy`: the likeliest choice of every head."""

from collections.abc import Sequence

import numpy as np
import torch
from stable_baselines3 import PPO
from torch import Tensor

from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.errors import ShapeError
from agv2.decision.decider import PolicyOutput
from agv2.models.policy import PolicyNetwork
from agv2.rl.trading_policy import head_log_probs

__all__ = ["SeedEnsemble", "TorchPolicy", "policy_network"]


def policy_network(model: PPO) -> PolicyNetwork:
    """A copy of the weights of `model`, without Stable-Baselines3; further training does not change it."""
    state = {name: tensor.detach().clone() for name, tensor in model.policy.state_dict().items()}
    return PolicyNetwork.from_state(state)


class TorchPolicy:
    """One network, evaluated by torch."""

    def __init__(self, network: PolicyNetwork) -> None:
        """Take `network` as it is, in evaluation mode."""
        self.network = network.eval()

    def act(self, observations: Float32Array) -> PolicyOutput:
        """Likeliest choice of each head for each row of `observations` (n, size)."""
        log_probs, values = _answer(self.network, observations)
        # The likeliest choice is where the probability is largest: no need to normalise a single network's twice.
        return _output(np.exp(log_probs), values)


class SeedEnsemble:
    """Networks of several seeds that vote: their probabilities and values are averaged head by head."""

    def __init__(self, networks: Sequence[PolicyNetwork]) -> None:
        """Take `networks` as they are.

        Raises:
            ShapeError: there is none, or they read observations of different sizes.
        """
        if not networks or len({network.n_observations for network in networks}) != 1:
            raise ShapeError("an ensemble needs networks that read the same observation")
        self.networks = tuple(network.eval() for network in networks)

    def act(self, observations: Float32Array) -> PolicyOutput:
        """Likeliest choice of each head under the mean probabilities."""
        answers = [_answer(network, observations) for network in self.networks]
        probabilities: FloatArray = np.mean([np.exp(log_probs) for log_probs, _ in answers], axis=0)
        values: FloatArray = np.mean([values for _, values in answers], axis=0)
        return _output(probabilities, values)


def _answer(network: PolicyNetwork, observations: Float32Array) -> tuple[FloatArray, FloatArray]:
    """Log-probabilities (n, 4, 4) and values (n,)."""
    with torch.inference_mode():
        outputs = network(torch.from_numpy(observations))
        log_probs: Tensor = head_log_probs(outputs.logits)
        return log_probs.double().numpy(), outputs.value.double().numpy()


def _output(probabilities: FloatArray, values: FloatArray) -> PolicyOutput:
    actions = probabilities.argmax(axis=2)
    log = np.log(np.maximum(probabilities, 1e-300))  # p log p is 0 where p is
    return PolicyOutput(actions, -(probabilities * log).sum(axis=(1, 2)), values)

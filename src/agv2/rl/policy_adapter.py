"""Trained networks as the decision path's `Policy`: the likeliest choice of every head."""

from collections.abc import Mapping, Sequence

import torch
from stable_baselines3 import PPO, SAC
from torch import Tensor

from agv2.core.arrays import Float32Array
from agv2.core.errors import ShapeError
from agv2.decision.decider import PolicyOutput
from agv2.models.policy import PolicyNetwork
from agv2.models.threads import torch_threads
from agv2.rl.input_scaling import FixedScaling, with_scaling_inside
from agv2.rl.sac_learner import choices_state
from agv2.rl.trading_policy import head_log_probs

__all__ = ["TorchPolicy", "ensemble_network", "policy_network"]


def policy_network(model: PPO | SAC) -> PolicyNetwork:
    """A copy of the policy of `model`, without Stable-Baselines3; further training does not change it."""
    state = {name: tensor.detach().clone() for name, tensor in model.policy.state_dict().items()}
    network = PolicyNetwork.from_state(choices_state(state) if isinstance(model, SAC) else state)
    scaling = model.actor.features_extractor if isinstance(model, SAC) else model.policy.features_extractor
    return with_scaling_inside(network, scaling.mean, scaling.factor) if isinstance(scaling, FixedScaling) else network


class TorchPolicy:
    """One network, evaluated by torch."""

    def __init__(self, network: PolicyNetwork) -> None:
        """Take `network` as it is, in evaluation mode."""
        self.network = network.eval()

    def act(self, observations: Float32Array) -> PolicyOutput:
        """Likeliest choice of each head for each row of `observations` (n, size)."""
        with torch_threads(1), torch.inference_mode():
            outputs = self.network(torch.from_numpy(observations))
            log_probs = head_log_probs(outputs.logits)
            entropy = -(log_probs.exp() * log_probs).sum(dim=(1, 2))
        return PolicyOutput(log_probs.argmax(dim=2).numpy(), entropy.double().numpy(), outputs.value.double().numpy())


def ensemble_network(networks: Sequence[PolicyNetwork]) -> PolicyNetwork:
    """Networks of several seeds as one: its logits and value are the means of theirs.

    The hidden layers stand side by side and do not mix, so the vote is itself a `PolicyNetwork` and ships like one.

    Raises:
        ShapeError: there is none, or they differ in shape.
    """
    states = [network.state_dict() for network in networks]
    if not states or any(_shapes(state) != _shapes(states[0]) for state in states):
        raise ShapeError("an ensemble needs networks of one and the same shape")
    merged: dict[str, Tensor] = {}
    for name in states[0]:
        parts = [state[name] for state in states]
        if name.startswith(("action_net", "value_net")):
            merged[name] = torch.cat(parts, dim=1) / len(parts) if parts[0].ndim == 2 else torch.stack(parts).mean(0)
        elif parts[0].ndim == 1 or ".0." in name:  # biases, and the first layers, which all read the observation
            merged[name] = torch.cat(parts)
        else:
            merged[name] = torch.block_diag(*parts)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return PolicyNetwork.from_state(merged)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}

"""The policy network as it ships: Stable-Baselines3's weights without Stable-Baselines3."""

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from agv2.core.errors import ShapeError

__all__ = ["PolicyNetwork", "PolicyOutputs", "only_permitted", "read_part"]

_POSITIONS = 3
_REFUSED = -1e9


class PolicyOutputs(NamedTuple):
    """What the policy says about each observation.

    Attributes:
        logits: (B, n_logits), one block per action dimension.
        value: (B,) expected discounted reward.
    """

    logits: Tensor
    value: Tensor


class _Extractor(nn.Module):
    """The two hidden stacks, named as in Stable-Baselines3's `MlpExtractor`."""

    def __init__(self, n_observations: int, policy: tuple[int, ...], value: tuple[int, ...]) -> None:
        super().__init__()
        self.policy_net = _stack(n_observations, policy)
        self.value_net = _stack(n_observations, value)


class PolicyNetwork(nn.Module):
    """Twin of PPO's `MlpPolicy` with separate policy and value stacks and Tanh.

    Parameter names are Stable-Baselines3's, so its `state_dict` loads as it is.

    Args:
        n_observations: width of the observation, the permissions at its end included.
        n_logits: sum of the action's dimensions.
        policy: hidden widths before the logits.
        value: hidden widths before the value.
    """

    def __init__(
        self, n_observations: int, n_logits: int, policy: tuple[int, ...] = (64, 64), value: tuple[int, ...] = (64, 64)
    ) -> None:
        super().__init__()
        self.n_observations = n_observations
        self.mlp_extractor = _Extractor(n_observations - _POSITIONS, policy, value)
        self.action_net = nn.Linear(policy[-1], n_logits)
        self.value_net = nn.Linear(value[-1], 1)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "PolicyNetwork":
        """The network whose widths and weights are those of a `MlpPolicy.state_dict()`.

        Raises:
            ShapeError: the state is of another kind of policy.
        """
        # With a shared (flattening) extractor, these are further names for what has no weights.
        unused = ("features_extractor", "pi_features_extractor", "vf_features_extractor")
        own = {name: value for name, value in state.items() if not name.startswith(unused)}
        try:
            policy, value = (_hidden_widths(own, f"mlp_extractor.{stack}") for stack in ("policy_net", "value_net"))
            network = cls(
                n_observations=own["mlp_extractor.policy_net.0.weight"].shape[1] + _POSITIONS,
                n_logits=own["action_net.weight"].shape[0],
                policy=policy,
                value=value,
            )
            network.load_state_dict(dict(own))
        except (KeyError, IndexError, RuntimeError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise ShapeError(
                f"expected the weights of an MlpPolicy with separate stacks and discrete actions: {reason}"
            ) from error
        return network.eval()

    def forward(self, observation: Tensor) -> PolicyOutputs:
        """Action logits and value of each observation, (B, n_observations); what is not permitted cannot be chosen."""
        seen = read_part(observation)
        logits = self.action_net(self.mlp_extractor.policy_net(seen))
        value = self.value_net(self.mlp_extractor.value_net(seen))
        return PolicyOutputs(only_permitted(cast(Tensor, logits), observation), cast(Tensor, value).squeeze(-1))


def read_part(observation: Tensor) -> Tensor:
    """(B, n - 3) what a network reads of observations (B, n): everything but the permissions at the end."""
    return observation[:, :-_POSITIONS]


def only_permitted(logits: Tensor, observation: Tensor) -> Tensor:
    """The logits with those of positions that the limits refuse so low that nothing chooses them.

    Args:
        logits: (B, n_logits), the positions first.
        observation: (B, n), of each position at the end whether it is permitted: 1 or 0.
    """
    position = logits[:, :_POSITIONS].masked_fill(observation[:, -_POSITIONS:] <= 0.0, _REFUSED)
    return torch.cat([position, logits[:, _POSITIONS:]], dim=1)


def _stack(inputs: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.Tanh()]
        inputs = width
    return nn.Sequential(*layers)


def _hidden_widths(state: Mapping[str, Tensor], stack: str) -> tuple[int, ...]:
    # Every other layer is a Tanh, which has no weights.
    names = [f"{stack}.{2 * i}.weight" for i in range(len(state)) if f"{stack}.{2 * i}.weight" in state]
    return tuple(int(state[name].shape[0]) for name in names)

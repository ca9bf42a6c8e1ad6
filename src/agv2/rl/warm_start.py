"""A training that begins with a policy that trades already."""

import hashlib

import numpy as np
from stable_baselines3 import PPO

from agv2.core.errors import ShapeError
from agv2.models.policy import PolicyNetwork
from agv2.rl.input_scaling import InputScaling, with_scaling_outside

__all__ = ["load_start", "start_numbers"]


def load_start(model: PPO, start: PolicyNetwork, scaling: InputScaling) -> None:
    """Give a new learner the weights of a policy, and those of its value where it has such a value.

    What SAC left values nothing: the learner's own value stays as it is then.

    Args:
        model: newly made, with hidden layers as wide.
        start: reads observations as they come.
        scaling: of what `model` reads.

    Raises:
        ShapeError: the widths differ.
    """
    own = model.policy.state_dict()
    given = with_scaling_outside(start, scaling).state_dict()
    fits = {name for name, value in given.items() if name in own and own[name].shape == value.shape}
    if any("value_net" not in name for name in given.keys() - fits):
        raise ShapeError("the policy to begin with has hidden layers of other widths than those to be trained")
    if len(fits) < len(given):
        fits = {name for name in fits if "value_net" not in name}
    model.policy.load_state_dict({**own, **{name: given[name] for name in fits}})


def start_numbers(start: PolicyNetwork | None) -> tuple[float, ...]:
    """What tells a training that begins with these weights from others; nothing for a new policy."""
    if start is None:
        return ()
    digest = hashlib.sha256()
    for name, value in sorted(start.state_dict().items()):
        digest.update(name.encode() + np.ascontiguousarray(value.detach().numpy()).tobytes())
    return (float(int.from_bytes(digest.digest()[:6])),)

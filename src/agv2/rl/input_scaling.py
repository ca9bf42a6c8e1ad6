"""Observations on one scale: what is learnt from a number must not depend on the unit it happens to have."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array
from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.observation import BOOK_FIELDS
from agv2.models.policy import PolicyNetwork, read_part
from agv2.rl.episodes import Span

__all__ = ["FixedScaling", "InputScaling", "input_scaling", "with_scaling_inside", "with_scaling_outside"]

_LEAST_SPREAD = 1e-4
"""A column that hardly moves says nothing; blown up, its rounding would speak."""


class InputScaling(NamedTuple):
    """What to do to the part of an observation that a network reads: everything but the permissions."""

    mean: Float32Array
    """(size - 3,) to subtract."""
    factor: Float32Array
    """(size - 3,) to multiply the rest by."""


def input_scaling(tapes: Sequence[MarketTape], spans: Sequence[Span], unread: int = 0) -> InputScaling:
    """The scaling that training bars ask for.

    Market rows are brought to mean 0 and standard deviation 1 over the spans; book fields are of order one already.
    Predicted medians move by hundredths where an embedding moves by ones: unscaled, no gradient step finds them.

    Args:
        tapes: the markets.
        spans: training bars, and no others.
        unread: how many of the first columns the policy is not to see; their factor is 0.

    Known at: the end of the spans, and frozen from then on.
    """
    rows = np.concatenate([tapes[span.tape].market_rows[span.first : span.last + 1] for span in spans])
    mean, spread = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    own = np.zeros(len(BOOK_FIELDS) - len(PERMISSION_FIELDS))
    factor = np.where(spread > _LEAST_SPREAD, 1.0 / np.maximum(spread, _LEAST_SPREAD), 0.0)
    factor[:unread] = 0.0
    return InputScaling(
        np.concatenate([mean, own]).astype(np.float32), np.concatenate([factor, own + 1.0]).astype(np.float32)
    )


class FixedScaling(BaseFeaturesExtractor):
    """The scaling as the first layer of a Stable-Baselines3 policy; never trained, saved with the weights."""

    def __init__(self, observation_space: spaces.Box, mean: Float32Array, factor: Float32Array) -> None:
        """Keep what `input_scaling` found."""
        super().__init__(observation_space, features_dim=mean.size)
        self.mean: Tensor
        self.factor: Tensor
        self.register_buffer("mean", torch.from_numpy(mean.copy()))
        self.register_buffer("factor", torch.from_numpy(factor.copy()))

    def forward(self, observations: Tensor) -> Tensor:
        """(n, size - 3) what is read of `observations` (n, size), scaled."""
        scaled: Tensor = (read_part(observations) - self.mean) * self.factor
        return scaled


def with_scaling_inside(network: PolicyNetwork, mean: Tensor, factor: Tensor) -> PolicyNetwork:
    """The same policy for observations as they come: its first layers scale by themselves.

    Args:
        network: reads scaled observations.
        mean: (size - 3,) as `FixedScaling` keeps it.
        factor: (size - 3,).
    """
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for stack in ("policy_net", "value_net"):
        weight, bias = f"mlp_extractor.{stack}.0.weight", f"mlp_extractor.{stack}.0.bias"
        folded = state[weight].double() * factor.double()
        state[bias] = (state[bias].double() - folded @ mean.double()).float()
        state[weight] = folded.float()
    return PolicyNetwork.from_state(state)


def with_scaling_outside(network: PolicyNetwork, scaling: InputScaling) -> PolicyNetwork:
    """The inverse: the same policy for observations that are scaled before it reads them.

    Of a column whose factor is 0, which hardly moves, it knows the mean alone.

    Args:
        network: reads observations as they come.
        scaling: of `input_scaling`.
    """
    mean, factor = (torch.from_numpy(each.astype(np.float64)) for each in scaling)
    back = torch.where(factor > 0.0, 1.0 / factor.clamp_min(torch.finfo(torch.float32).tiny), 0.0)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for stack in ("policy_net", "value_net"):
        weight, bias = f"mlp_extractor.{stack}.0.weight", f"mlp_extractor.{stack}.0.bias"
        own = state[weight].double()
        state[bias] = (state[bias].double() + own @ mean).float()
        state[weight] = (own * back).float()
    return PolicyNetwork.from_state(state)

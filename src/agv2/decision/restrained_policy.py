"""Policies that wish for less than the one behind them: what a halt or a doubt leaves of its wishes."""

from enum import StrEnum

import numpy as np

from agv2.core.arrays import Float32Array
from agv2.decision.decider import Policy, PolicyOutput
from agv2.decision.observation import BOOK_FIELDS

__all__ = ["FlatPolicy", "HeldBack", "ReducingPolicy", "restrained"]


_SIDE = BOOK_FIELDS.index("side") - len(BOOK_FIELDS)
_FLAT = 0


class HeldBack(StrEnum):
    """What a halt or a doubt leaves of a policy's wishes."""

    NOT = ""
    REDUCING = "reducing"
    """To keep or to reduce what is held."""
    FLAT = "flat"


def restrained(policy: Policy, held_back: HeldBack) -> Policy:
    """The policy with what is left of its wishes."""
    if held_back is HeldBack.REDUCING:
        return ReducingPolicy(policy)
    return FlatPolicy(policy) if held_back is HeldBack.FLAT else policy


class ReducingPolicy:
    """Opens and turns nothing: a wish for the side that is held stands, any other becomes flat.

    Args:
        policy: whose wishes.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def act(self, observations: Float32Array) -> PolicyOutput:
        """The wishes for `observations` (n, size), as far as they reduce or keep."""
        said = self._policy.act(observations)
        actions = said.actions.copy()
        held = np.where(observations[:, _SIDE] < 0.0, 2, observations[:, _SIDE]).astype(np.int64)  # 1 long, 2 short
        actions[:, 0] = np.where(actions[:, 0] == held, held, _FLAT)
        return PolicyOutput(actions, said.entropy, said.values)


class FlatPolicy:
    """Wishes to be flat, whatever the one behind it would do; what that one thinks is still told.

    Args:
        policy: whose entropy and values.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def act(self, observations: Float32Array) -> PolicyOutput:
        """Flat for each of `observations` (n, size)."""
        said = self._policy.act(observations)
        actions = said.actions.copy()
        actions[:, 0] = _FLAT
        return PolicyOutput(actions, said.entropy, said.values)

"""Actions as learners write them, and the choices that the simulator reads."""

from typing import Any, Literal

import numpy as np
from gymnasium import spaces

from agv2.core.arrays import IntArray
from agv2.decision.actions import ACTION_NVEC, snap_actions

__all__ = ["ActionKind", "action_space", "choices_of"]

ActionKind = Literal["discrete", "continuous"]
"""`MultiDiscrete(ACTION_NVEC)`, or its twin: four numbers within -1..1 that `snap_actions` reads."""


def action_space(kind: ActionKind) -> spaces.Space[Any]:
    """Space of one account's action."""
    if kind == "discrete":
        return spaces.MultiDiscrete(list(ACTION_NVEC))
    return spaces.Box(-1.0, 1.0, (len(ACTION_NVEC),), np.float32)


def choices_of(actions: Any, kind: ActionKind) -> IntArray:
    """(n, 4) indices below `ACTION_NVEC` of (n, 4) actions of either kind."""
    if kind == "discrete":
        return np.asarray(actions, dtype=np.int64)
    return snap_actions(np.asarray(actions, dtype=np.float64))

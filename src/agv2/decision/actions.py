"""What the policy may choose, and what it means."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.jit import kernel

__all__ = [
    "ACTION_NVEC",
    "CONTINUOUS_ORDER",
    "SIZE_FRACS",
    "Action",
    "decode_action",
    "decode_continuous",
    "snap_actions",
]

ACTION_NVEC: tuple[int, int, int, int] = (3, 4, 4, 4)
"""Choices of position, size, stop and target: `MultiDiscrete(ACTION_NVEC)`."""

SIZE_FRACS: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
"""Shares of the volatility-targeted position that may be chosen, rising."""

CONTINUOUS_ORDER: tuple[tuple[int, ...], ...] = ((2, 0, 1), (0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3))
"""Of each choice its indices from -1 to +1 of the continuous twin: short, flat, long; small to large."""

_SIDES = (0, 1, -1)
_STOPS = (1.5, 2.5, 5.0, 10.0)
_TARGETS = (1.5, 2.0, 3.0, 4.0)
_POSITION_ORDER = CONTINUOUS_ORDER[0]


class Action(NamedTuple):
    """A desired position; size, stop and target are read when it opens or turns."""

    side: int
    """`Side`: -1 short, 0 flat, +1 long."""
    size_frac: float
    """Share of the volatility-targeted position, (0, 1]."""
    stop_units: float
    """Distance of the stop in volatility units."""
    target_units: float
    """Distance of the target in volatility units."""


@kernel
def decode_action(position: int, size: int, stop: int, target: int) -> Action:
    """Meaning of the four choices, each an index below its entry of `ACTION_NVEC`.

    Position 0 is flat, 1 long, 2 short; the target is a multiple of the stop's distance.
    """
    return Action(_SIDES[position], SIZE_FRACS[size], _STOPS[stop], _STOPS[stop] * _TARGETS[target])


@kernel
def decode_continuous(position: float, size: float, stop: float, target: float) -> Action:
    """Meaning of an action of the continuous twin: that of the choices it snaps to, see `snap_actions`."""
    choices = _snap(position, size, stop, target)
    return decode_action(choices[0], choices[1], choices[2], choices[3])


@kernel
def snap_actions(actions: FloatArray) -> IntArray:
    """The choices that actions of the continuous twin stand for.

    Args:
        actions: (n, 4) position, size, stop and target within -1..1; what lies beyond counts as the end. Each range is
            cut into equal parts, one a choice: a position below -1/3 is short, above 1/3 long.

    Returns:
        (n, 4) indices below `ACTION_NVEC`.
    """
    choices = np.empty(actions.shape, dtype=np.int64)
    for i in range(actions.shape[0]):
        snapped = _snap(actions[i, 0], actions[i, 1], actions[i, 2], actions[i, 3])
        for k in range(len(snapped)):
            choices[i, k] = snapped[k]
    return choices


@kernel
def _snap(position: float, size: float, stop: float, target: float) -> tuple[int, int, int, int]:
    return (
        _POSITION_ORDER[_part(position, len(_SIDES))],
        _part(size, len(SIZE_FRACS)),
        _part(stop, len(_STOPS)),
        _part(target, len(_TARGETS)),
    )


@kernel
def _part(value: float, n: int) -> int:
    """Which of `n` equal parts of -1..1 holds `value`."""
    return min(max(int((value + 1.0) / 2.0 * n), 0), n - 1)

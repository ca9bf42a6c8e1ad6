"""What the policy may choose, and what it means."""

from typing import NamedTuple

from agv2.core.jit import kernel

__all__ = ["ACTION_NVEC", "Action", "decode_action"]

ACTION_NVEC: tuple[int, int, int, int] = (3, 4, 4, 4)
"""Choices of position, size, stop and target: `MultiDiscrete(ACTION_NVEC)`."""

_SIDES = (0, 1, -1)
_SIZES = (0.25, 0.5, 0.75, 1.0)
_STOPS = (1.5, 2.5, 5.0, 10.0)
_TARGETS = (1.5, 2.0, 3.0, 4.0)


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
    return Action(_SIDES[position], _SIZES[size], _STOPS[stop], _STOPS[stop] * _TARGETS[target])

"""How a training went: what its heads lost, look by look."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["Progress", "TrainingLook"]


class TrainingLook(NamedTuple):
    """One look at the selection rows.

    Attributes:
        step: gradient steps before it; 0 for the start, at which only the heads' linear parts are fitted.
        train: mean loss of each head over the batches since the look before, with dropout and hidden bars; a head none
            of whose targets was in them is left out.
        selection: loss of each head on the selection rows, as it would be used: without dropout, in float32, and where
            the embedding does not help that of the start.
        learning_rate: that the schedule has reached; 0 at step 0.
    """

    step: int
    train: Mapping[str, float]
    selection: Mapping[str, float]
    learning_rate: float


Progress = Callable[[int, int, Mapping[str, float], TrainingLook], None]
"""Told after each training step: the step (from 1), the number of steps, each head's loss on its batch (0 where the
batch has no target for it), and the latest look, that of the step included."""

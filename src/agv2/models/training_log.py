"""How a training went: what its heads lost, look by look."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

__all__ = ["Progress", "TrainingLook"]


class TrainingLook(NamedTuple):
    """One look at the selection rows.

    Attributes:
        step: gradient steps before it; 0 for the start, at which only the heads' linear parts are fitted.
        train: mean loss of each head over the batches since the look before, with dropout and hidden bars; a head none
            of whose targets was in them is left out.
        selection: loss of each head on the selection rows, as it will be used: without dropout, in float32.
        learning_rate: of the step before.
    """

    step: int
    train: Mapping[str, float]
    selection: Mapping[str, float]
    learning_rate: float


class Progress(Protocol):
    """Whoever shows how training goes."""

    def __call__(self, step: int, steps: int, losses: Mapping[str, float], look: TrainingLook) -> None:
        """Called after every step, and after the look where there is one.

        Args:
            step: from 1.
            steps: of the whole training, if it does not end early.
            losses: of each head on the step's batch; 0 where the batch has no target for it.
            look: the latest one.
        """
        ...

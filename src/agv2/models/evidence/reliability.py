"""Whether probabilities come true as often as they say."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray
from agv2.core.errors import ShapeError

__all__ = ["ReliabilityPoint", "reliability_points"]


class ReliabilityPoint(NamedTuple):
    """Predictions of about one size, and how often they came true."""

    predicted: float
    """Their mean."""
    happened: float
    """Share of them in which the event came."""
    n: int


def reliability_points(probs: FloatArray, happened: BoolArray, n_groups: int = 10) -> tuple[ReliabilityPoint, ...]:
    """Predictions in order of their size, in groups of equally many.

    Args:
        probs: (n,) of an event.
        happened: (n,) whether it came.
        n_groups: at most; equal predictions share a group, so that constants make one.

    Returns:
        Rising; none for no predictions.

    Raises:
        ShapeError: the arrays differ in length.

    Source: DeGroot and Fienberg (1983), The Statistician 32(1-2), 12-22.
    """
    if len(probs) != len(happened):
        raise ShapeError(f"expected one length, found {len(probs)} predictions and {len(happened)} outcomes")
    if not len(probs):
        return ()
    edges = np.unique(np.quantile(probs, np.arange(1, n_groups) / n_groups))
    group = np.searchsorted(edges, probs, side="left")
    return tuple(
        ReliabilityPoint(float(probs[own].mean()), float(happened[own].mean()), int(own.sum()))
        for own in (group == each for each in np.unique(group))
    )

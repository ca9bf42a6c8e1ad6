"""What a prediction lost on each row, lower is better: for means, and for intervals over time."""

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import ShapeError

__all__ = ["balanced_accuracy", "log_loss_rows", "pinball_rows"]

SMALLEST_PROB = 1e-6


def pinball_rows(quantiles: FloatArray, future: FloatArray, levels: FloatArray) -> FloatArray:
    """Pinball loss of each row and horizon, the mean over the levels.

    Args:
        quantiles: (n_rows, n_horizons, n_levels) predicted.
        future: (n_rows, n_horizons) what came, in the same unit; NaN where unknown.
        levels: (n_levels,) of the quantiles, between 0 and 1.

    Returns:
        (n_rows, n_horizons) losses in the unit of `future`; NaN where it is.

    Raises:
        ShapeError: the arrays do not fit together.
    """
    if quantiles.shape != (*future.shape, len(levels)):
        raise ShapeError(f"quantiles {quantiles.shape} do not fit {future.shape} returns and {len(levels)} levels")
    error = future[..., None] - quantiles
    losses: FloatArray = np.maximum(levels * error, (levels - 1.0) * error).mean(axis=-1)
    return losses


def log_loss_rows(probs: FloatArray, labels: IntArray) -> FloatArray:
    """Log loss of each row, in nats.

    Args:
        probs: (n_rows, n_classes) predicted; below 1e-6 counts as that.
        labels: (n_rows,) class numbers, -1 where unknown.

    Returns:
        (n_rows,) losses; NaN where the label is unknown.

    Raises:
        ShapeError: the arrays do not fit together.
    """
    _require_rows(probs, labels)
    losses = np.full(len(labels), np.nan)
    known = np.flatnonzero(labels >= 0)
    losses[known] = -np.log(np.maximum(probs[known, labels[known]], SMALLEST_PROB))
    return losses


def balanced_accuracy(probs: FloatArray, labels: IntArray, shares: FloatArray) -> float:
    """Mean over the classes of the share of their rows that are recognised; one over their number is chance.

    The class is the one whose probability is highest against its training share. The plain highest would name the
    common class wherever a rare one is likely but not likelier, and an honest probability would look blind.

    Args:
        probs: (n_rows, n_classes) predicted.
        labels: (n_rows,) class numbers, -1 where unknown.
        shares: (n_classes,) of the classes among the training labels.

    Returns:
        Over the classes that occur among `labels`; NaN if none does.

    Raises:
        ShapeError: the arrays do not fit together.
    """
    _require_rows(probs, labels)
    chosen = np.argmax(probs / np.maximum(shares, SMALLEST_PROB), axis=1)
    present = np.unique(labels[labels >= 0])
    return float(np.mean([np.mean(chosen[labels == one] == one) for one in present])) if present.size else float("nan")


def _require_rows(probs: FloatArray, labels: IntArray) -> None:
    if len(probs) != len(labels):
        raise ShapeError(f"expected one length, found {len(probs)} predictions and {len(labels)} labels")

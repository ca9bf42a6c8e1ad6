"""What a prediction lost on each row, lower is better: for means, and for intervals over time."""

import numpy as np

from agv2.core.arrays import FloatArray, Int8Array, IntArray
from agv2.core.errors import ShapeError

__all__ = ["brier_rows", "huber_rows", "log_loss_rows", "pinball_rows"]

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
    if len(probs) != len(labels):
        raise ShapeError(f"expected one length, found {len(probs)} predictions and {len(labels)} labels")
    losses = np.full(len(labels), np.nan)
    known = np.flatnonzero(labels >= 0)
    losses[known] = -np.log(np.maximum(probs[known, labels[known]], SMALLEST_PROB))
    return losses


def brier_rows(probs: FloatArray, reacted: Int8Array) -> FloatArray:
    """Squared error of each row's probabilities, the mean over its known bands.

    Args:
        probs: (n_rows, n_bands) of the outcome 1.
        reacted: (n_rows, n_bands) outcomes 0 or 1, -1 where unknown.

    Returns:
        (n_rows,) losses; NaN where no band is known.

    Raises:
        ShapeError: the arrays do not fit together.

    Source: Brier (1950), Monthly Weather Review 78(1), 1-3.
    """
    if probs.shape != reacted.shape:
        raise ShapeError(f"probabilities {probs.shape} do not fit outcomes {reacted.shape}")
    known = reacted >= 0
    total = np.where(known, np.square(probs - reacted), 0.0).sum(axis=1)
    count = known.sum(axis=1)
    losses: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return losses


def huber_rows(guess: FloatArray, features: FloatArray) -> FloatArray:
    """Huber loss of each row, the mean over its features: squared up to an error of 1, straight beyond.

    Args:
        guess: (n_rows, n_features).
        features: (n_rows, n_features) as they were.

    Returns:
        (n_rows,) losses.

    Raises:
        ShapeError: the arrays do not fit together.

    Source: Huber (1964), Annals of Mathematical Statistics 35(1), 73-101.
    """
    if guess.shape != features.shape:
        raise ShapeError(f"guesses {guess.shape} do not fit features {features.shape}")
    size = np.abs(guess - features)
    losses: FloatArray = np.where(size < 1.0, 0.5 * np.square(size), size - 0.5).mean(axis=1)
    return losses

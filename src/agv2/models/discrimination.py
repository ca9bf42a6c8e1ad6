"""How well probabilities tell outcomes apart, whatever their level."""

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, Int8Array, IntArray
from agv2.core.errors import ShapeError

__all__ = ["balanced_accuracy", "within_band_auc"]


def balanced_accuracy(probs: FloatArray, labels: IntArray, shares: FloatArray) -> float:
    """Mean over the classes of the share of their rows that are recognised; one over their number is chance.

    The class is the one whose probability is highest against its training share. The plain highest would name the
    common class wherever a rare one is likely but not likelier, and an honest probability would look blind. A class
    that training has never seen is never named.

    Args:
        probs: (n_rows, n_classes) predicted.
        labels: (n_rows,) class numbers, -1 where unknown.
        shares: (n_classes,) of the classes among the training labels.

    Returns:
        Over the classes that occur among `labels`; NaN if none does.

    Raises:
        ShapeError: the arrays do not fit together.
    """
    if len(probs) != len(labels):
        raise ShapeError(f"expected one length, found {len(probs)} predictions and {len(labels)} labels")
    chosen = np.argmax(np.where(shares > 0.0, probs / np.where(shares > 0.0, shares, 1.0), -1.0), axis=1)
    present = np.unique(labels[labels >= 0])
    return float(np.mean([np.mean(chosen[labels == one] == one) for one in present])) if present.size else float("nan")


def within_band_auc(probs: FloatArray, reacted: Int8Array) -> float:
    """How often the larger of two rows' probabilities belongs to the row in which price turned, of those with one each.

    The mean over the bands of each band's own area under the ROC curve. Over all bands together the distance from the
    close alone would look like skill: price turns more often at near bands than at far ones.

    Args:
        probs: (n_rows, n_bands) that price turns.
        reacted: (n_rows, n_bands) 1 where it did, 0 where it did not, -1 where unknown.

    Returns:
        Between 0 and 1, a half for constants; over the bands with both outcomes, NaN if there is none.

    Raises:
        ShapeError: the arrays do not fit together.

    Source: Hanley and McNeil (1982), Radiology 143(1), 29-36.
    """
    if probs.shape != reacted.shape:
        raise ShapeError(f"probabilities {probs.shape} do not fit outcomes {reacted.shape}")
    areas = [_auc(own[turned >= 0], turned[turned >= 0] > 0) for own, turned in zip(probs.T, reacted.T, strict=True)]
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")


def _auc(values: FloatArray, positive: BoolArray) -> float:
    n_positive = int(positive.sum())
    pairs = n_positive * (len(positive) - n_positive)
    if not pairs:
        return float("nan")
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - 0.5 * (counts - 1.0))[place]  # of equals, the mean of theirs
    return float((ranks[positive].sum() - 0.5 * n_positive * (n_positive + 1)) / pairs)

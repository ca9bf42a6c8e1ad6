"""How long a class lasts."""

import numpy as np

from agv2.core.arrays import IntArray

__all__ = ["mean_stretch"]


def mean_stretch(labels: IntArray) -> int:
    """Mean number of rows of one class in a row, among those of (n_rows,) that are known; 1 where none is."""
    known = labels[labels >= 0]
    return round(known.size / (1 + np.count_nonzero(np.diff(known)))) if known.size else 1

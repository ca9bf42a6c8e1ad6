"""Labelled rows in two parts by time: those that teach, and a later tail that says how much to learn from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import BoolArray, IntArray

__all__ = ["pooled", "rows_with_target", "tail_split"]

TAIL_SHARE = 0.2


def rows_with_target(known: BoolArray, rows: range) -> IntArray:
    """Places of the rows whose target is known, from (n_bars,) of the whole series."""
    found: IntArray = rows.start + np.flatnonzero(known[rows.start : rows.stop])
    return found


def tail_split(
    stamps: Sequence[IntArray], rows: Sequence[IntArray], purge_bars: int
) -> tuple[list[IntArray], list[IntArray]]:
    """The last fifth of the rows of all symbols, from one moment on in all of them, and those that come before it.

    Args:
        stamps: of each symbol, (n_bars,) open times, rising.
        rows: of each, places of the rows to divide.
        purge_bars: left out before the tail in each symbol; at least as far as a target looks ahead.

    Returns:
        Of each symbol, rows that teach and rows of the tail.
    """
    clock = np.sort(np.concatenate([own[each] for own, each in zip(stamps, rows, strict=True)]))
    if not clock.size:
        return list(rows), list(rows)
    moment = clock[int(len(clock) * (1.0 - TAIL_SHARE))]
    firsts = [int(np.searchsorted(own, moment)) for own in stamps]
    teach = [each[each < first - purge_bars] for each, first in zip(rows, firsts, strict=True)]
    return teach, [each[each >= first] for each, first in zip(rows, firsts, strict=True)]


def pooled(columns: Sequence[NDArray[Any]], rows: Sequence[IntArray], most: int) -> NDArray[Any]:
    """Values of the rows of all symbols, one symbol after the other, every k-th row if there are more than `most`."""
    step = max(1, -(-sum(len(each) for each in rows) // most))
    return np.concatenate([column[each[::step]] for column, each in zip(columns, rows, strict=True)])

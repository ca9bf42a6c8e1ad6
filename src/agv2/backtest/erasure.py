"""What a decision would have been without some of what it was made from; no gradient, so any engine will do."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, Float32Array, FloatArray

__all__ = ["GroupedErasure", "Odds", "erase", "grouped_erasure", "stretch_names"]

Odds = Callable[[Float32Array, Float32Array], FloatArray]
"""Windows (B, L, F) and states of the book (B, S) -> (B,) log-odds of the position that is explained against flat."""

_BATCH = 16


class GroupedErasure(NamedTuple):
    """By how much the log-odds of a decision fall when a part of its inputs is set to the training mean."""

    log_odds: float
    """Of the decision, against flat."""
    by_family: dict[str, float]
    """Each kind of feature at all bars of the window; positive: it spoke for the decision."""
    by_stretch: dict[str, float]
    """All features of some bars, the newest first: `1`, `2-4`, ... bars back from the decision, counted from 1."""
    state: float
    """The state of the book."""


def erase(odds: Odds, window: Float32Array, state: Float32Array, masks: Sequence[BoolArray]) -> FloatArray:
    """By how much the log-odds fall when the masked numbers of a window are set to the training mean.

    Args:
        odds: of the explained position.
        window: (L, F) normalised features, so that the training mean is 0.
        state: (S,) of the book.
        masks: (L, F) or anything that broadcasts to it, True where a number is erased.

    Returns:
        (n_masks,) log-odds with everything, minus those without what is masked.
    """
    whole = float(odds(window[np.newaxis], state[np.newaxis])[0])
    left = [
        odds(
            np.stack([np.where(mask, np.float32(0.0), window) for mask in masks[first : first + _BATCH]]),
            np.repeat(state[np.newaxis], len(masks[first : first + _BATCH]), axis=0),
        )
        for first in range(0, len(masks), _BATCH)
    ]
    return whole - np.concatenate([np.empty(0), *left])


def grouped_erasure(
    odds: Odds, window: Float32Array, state: Float32Array, families: Mapping[str, BoolArray]
) -> GroupedErasure:
    """What kinds of features, stretches of bars and the book were worth to a decision; cheap enough for each live one.

    Args:
        odds: of the explained position, `served_odds` in service.
        window: (L, F) normalised features that end with the decision's bar.
        state: (S,) of the book, the observation's book fields without the permissions.
        families: name to (F,) columns, as `family_masks` gives them.
    """
    n_bars = len(window)
    stretches = _stretches(n_bars)
    back = np.arange(n_bars, 0, -1)[:, np.newaxis]
    masks = [*families.values(), *((back >= first) & (back <= last) for first, last in stretches)]
    falls = erase(odds, window, state, masks).tolist()
    whole, stateless = (float(odds(window[np.newaxis], each[np.newaxis])[0]) for each in (state, np.zeros_like(state)))
    return GroupedErasure(
        log_odds=whole,
        by_family=dict(zip(families, falls, strict=False)),
        by_stretch=dict(zip(stretch_names(n_bars), falls[len(families) :], strict=True)),
        state=whole - stateless,
    )


def stretch_names(n_bars: int) -> list[str]:
    """Keys of `GroupedErasure.by_stretch` for a window of so many bars."""
    return [f"{first}-{last}" if last > first else str(first) for first, last in _stretches(n_bars)]


def _stretches(n_bars: int) -> list[tuple[int, int]]:
    """First and last bar back, each stretch about three times as far as the one before: 1, 2-4, 5-13, 14-40, ..."""
    found, first, last = [], 1, 1
    while first <= n_bars:
        found.append((first, min(last, n_bars)))
        first, last = last + 1, 3 * last + 1
    return found

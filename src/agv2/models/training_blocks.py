"""Training bars cut into blocks, so that each can be predicted by an encoder that was fitted on the others."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import IntArray

__all__ = ["TrainingBlock", "bars_outside", "training_blocks"]


class TrainingBlock(NamedTuple):
    """A stretch of time whose bars an encoder is to predict without having been fitted on them."""

    first_ns: int
    """Open of its first bar."""
    stop_ns: int
    """Open of the first bar after it."""
    resume_ns: int
    """Open of the first bar that no target of the block reads."""


def training_blocks(stamps: Sequence[IntArray], n_blocks: int, reach: int) -> tuple[TrainingBlock, ...]:
    """Blocks of about equally many stamps of the merged clock, which together hold every bar.

    Args:
        stamps: per symbol (n_bars,) open times of its training bars, rising.
        n_blocks: >= 1, and no more than there are different stamps.
        reach: bars that the furthest-looking target reads ahead.

    Returns:
        The blocks in order. Their moments are common to all symbols, because gold's tomorrow is a hint about silver's:
        where one market is often closed, so that its targets read far into time, the others resume no earlier.
    """
    clock = np.unique(np.concatenate(stamps))
    cuts = [int(clock[clock.size * number // n_blocks]) for number in range(n_blocks)] + [int(clock[-1]) + 1]
    return tuple(
        TrainingBlock(first, stop, max(_resume_ns(one, stop, reach) for one in stamps))
        for first, stop in itertools.pairwise(cuts)
    )


def bars_outside(block: TrainingBlock, ts_ns: IntArray, bars: range) -> tuple[range, ...]:
    """The bars before and after a block, each of which is a history of its own to whoever is fitted on them.

    Neither a window nor a target may read past the ends of its part. Then no input or target of a fit is a bar of the
    block, or one that a target of the block reads. What stays is what a feature itself remembers: its lookback reaches
    over a gap of any usable length, as it does from test bars into training bars.

    Args:
        block: what is left out.
        ts_ns: (n_bars,) open times of one symbol, rising.
        bars: those of its training.

    Returns:
        Up to two ranges, in order, none of them empty.
    """
    stop, resume = (int(index) for index in np.searchsorted(ts_ns, [block.first_ns, block.resume_ns]))
    parts = (range(bars.start, min(stop, bars.stop)), range(max(resume, bars.start), bars.stop))
    return tuple(part for part in parts if len(part) > 0)


def _resume_ns(ts_ns: IntArray, stop_ns: int, reach: int) -> int:
    after = int(np.searchsorted(ts_ns, stop_ns)) + reach
    return int(ts_ns[after]) if after < ts_ns.size else int(ts_ns[-1]) + 1

"""Resamples put together from blocks that are summed up beforehand, not walked through.

What a block adds to a sum is the difference of two running totals. A fall from a peak that is deeper than any so far
needs a day that ends above the peak, or far enough below it: the highest and the lowest level of each stretch of days
tell which blocks may have one, and only these are walked.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import BoolArray, FloatArray
from agv2.core.jit import kernel

__all__ = ["ResampleSums", "resample_sums"]

_STRETCH_BITS = 5
"""A stretch has two to this power of days."""
_CELLS = 4096
_RAREST = -25.0
"""Log of the chance that a block is longer than the longest told apart: what a double leaves over for the length, once
the first day is drawn with it, has thirty-six bits for a hundred thousand days."""
_DRAWN_AT_ONCE = 16_384
"""Blocks; their draws stay in the processor's cache."""


class ResampleSums(NamedTuple):
    """Sums over each resample, (n_resamples,) each."""

    centred: FloatArray
    """Of returns less their mean in the sample."""
    square: FloatArray
    """Of the squares of these."""
    loss: FloatArray
    """Of the squared returns below zero."""
    log_growth: FloatArray
    """-inf with a day of ruin."""
    deepest_fall: FloatArray
    """Of summed log growth from its highest so far, that before the first day included; inf with a day of ruin."""


class _Sample(NamedTuple):
    """What is known of the n days that are drawn from, and of the same n days after them: no block need wrap round."""

    totals: FloatArray
    """(2n + 1, 4): of all earlier days the sums of `ResampleSums` but the last; ruin adds nothing to log growth."""
    ends: FloatArray
    """(n_stretches, 2): lowest and highest log growth at the end of a day of the stretch; lowest -inf with a ruin."""
    ruined: BoolArray
    """(2n,) days of ruin."""


class _Lengths(NamedTuple):
    """The lengths that a block may have."""

    reached: FloatArray
    """Chance of a block of so many days or fewer; of the longest, inf."""
    shortest: NDArray[np.uint64]
    """(_CELLS,): the first length that is not reached where this cell of the chances begins."""


class _State(NamedTuple):
    """A resample that is being put together: its number, the days it lacks, and its sums so far."""

    number: int
    lacking: int
    centred: float
    square: float
    loss: float
    level: float
    peak: float
    deepest: float


def resample_sums(
    returns: FloatArray, block_length: float, n_resamples: int, rng: np.random.Generator, *, stationary: bool
) -> ResampleSums:
    """Sums over resamples of `returns` made of blocks that wrap round its end.

    They equal those of walking through the same days to within the rounding of sums over the whole sample.

    Args:
        returns: (n,) simple returns per period; -1 or below is ruin.
        block_length: mean length of geometric blocks, or the whole length of every block; >= 1.
        n_resamples: resamples drawn, each of n returns.
        rng: chance; how much of it is used is not told.
        stationary: geometric lengths.
    """
    sample = _sample(returns)
    lengths = _geometric(block_length, returns.size) if stationary and block_length > 1.0 else _fixed(int(block_length))
    found = np.empty((n_resamples, len(ResampleSums._fields)))
    state = _State(0, returns.size, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    while state.number < n_resamples:
        days = (n_resamples - state.number) * returns.size
        chances = rng.random(min(_DRAWN_AT_ONCE, 16 + int(1.1 * days / block_length)))
        state = _State(*_compose(sample, lengths, chances, state, found))
    return ResampleSums(*found.T)


def _sample(returns: FloatArray) -> _Sample:
    twice = np.concatenate([returns, returns])
    ruined = twice <= -1.0
    centred = twice - returns.mean()
    growth = np.log1p(np.where(ruined, 0.0, twice))
    totals = np.zeros((twice.size + 1, 4))
    for number, column in enumerate((centred, np.square(centred), np.square(np.minimum(twice, 0.0)), growth)):
        np.cumsum(column, out=totals[1:, number])
    starts = np.arange(0, twice.size, 2**_STRETCH_BITS)
    lowest = np.minimum.reduceat(np.where(ruined, -np.inf, totals[1:, 3]), starts)
    ends = np.column_stack([lowest, np.maximum.reduceat(totals[1:, 3], starts)])
    return _Sample(totals, ends, ruined)


def _geometric(mean_length: float, longest: int) -> _Lengths:
    log_stay = math.log1p(-1.0 / mean_length)
    reached = -np.expm1(np.arange(min(longest, 1 + int(_RAREST / log_stay)) + 1) * log_stay)
    reached[-1] = np.inf
    cells = np.arange(_CELLS) / _CELLS
    return _Lengths(reached, np.searchsorted(reached, cells, side="right").astype(np.uint64))


def _fixed(length: int) -> _Lengths:
    return _Lengths(np.full(length + 1, np.inf), np.full(_CELLS, length, dtype=np.uint64))


@kernel
def _compose(
    sample: _Sample, lengths: _Lengths, chances: FloatArray, state: _State, found: FloatArray
) -> tuple[int, int, float, float, float, float, float, float]:
    """Go on with resamples until they or the blocks run out; those that are finished are written to `found`.

    Days are counted without a sign: the compiler then need not ask whether an index counts from the end.
    """
    totals, ends = sample.totals, sample.ends
    reached, shortest = lengths.reached, lengths.shortest
    n, one, bits = sample.ruined.size // 2, np.uint64(1), np.uint64(_STRETCH_BITS)
    number, _, centred, square, loss, level, peak, deepest = state
    lacking = np.uint64(state.lacking)
    for drawn in chances:
        whole = np.int64(drawn * n)
        chance = drawn * n - whole  # what the first day leaves over is as even as it, and independent of it
        length = shortest[np.uint64(np.int64(chance * _CELLS))]
        while chance >= reached[length]:
            length += one
        if length > lacking:
            length = lacking
        first = np.uint64(whole)
        end = first + length
        above = level - totals[first, 3]  # how far the resample is above the sample, all through the block
        here, last = first >> bits, (end - one) >> bits
        lowest, highest = min(ends[here, 0], ends[last, 0]), max(ends[here, 1], ends[last, 1])
        for between in range(np.int64(here) + 1, np.int64(last)):
            lowest, highest = min(lowest, ends[between, 0]), max(highest, ends[between, 1])
        if highest + above > peak or peak - (lowest + above) > deepest:
            for day in range(whole, np.int64(end)):
                reaches = totals[day + 1, 3] + above
                peak = max(peak, reaches)
                deepest = max(deepest, peak - reaches)
            if lowest == -math.inf and sample.ruined[first:end].any():
                deepest = math.inf
        centred += totals[end, 0] - totals[first, 0]
        square += totals[end, 1] - totals[first, 1]
        loss += totals[end, 2] - totals[first, 2]
        level += totals[end, 3] - totals[first, 3]
        lacking -= length
        if lacking == 0:
            found[number, 0], found[number, 1], found[number, 2] = centred, square, loss
            found[number, 3], found[number, 4] = -math.inf if deepest == math.inf else level, deepest
            centred = square = loss = level = peak = deepest = 0.0
            lacking = np.uint64(n)
            number += 1
            if number == found.shape[0]:
                break
    return number, int(lacking), centred, square, loss, level, peak, deepest

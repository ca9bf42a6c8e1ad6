"""How far a mean difference of losses could have strayed by chance."""

import math
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.block_length import optimal_block_length
from agv2.core.errors import DataError, ShapeError

__all__ = ["LossDifference", "loss_difference"]

CIRCULAR = 1.5 ** (1.0 / 3.0)  # Politis and White: blocks of fixed length may be this much longer than geometric ones
FEWEST_BLOCKS = 8
MOST_BLOCKS = 4000  # longer blocks would do no harm where there are more, and shorter ones only take time
BATCH_GATHERS = 4_000_000  # block starts drawn at a time, about 100 MB


@dataclass(frozen=True, slots=True)
class LossDifference:
    """Mean loss of a prediction minus that of a baseline on the same rows; below zero the prediction is better.

    Attributes:
        mean: over all rows that know both losses, in their unit.
        low: end of the interval; NaN where there are too few moments for one.
        high: the other end.
        n_rows: rows that know both losses.
        block_length: moments in a block.
    """

    mean: float
    low: float
    high: float
    n_rows: int
    block_length: int

    @property
    def is_better(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0.0


def loss_difference(
    losses: FloatArray,
    baseline_losses: FloatArray,
    ts_ns: IntArray,
    rng: np.random.Generator,
    *,
    horizon: int = 1,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> LossDifference:
    """Mean difference of two predictions' losses with a circular block bootstrap interval over time.

    Rows of one moment, as of several symbols, stay together: their losses are no independent evidence. The moments
    in order are drawn in blocks of one length, wrapping round the end. The length is the automatic one of the
    differences, and at least the horizon, whose targets overlap, and a 4,000th of the moments. So that few blocks do
    not look like many, the deviations from the mean are widened by a t quantile with (blocks − 1) degrees of freedom
    over the normal one, and by the √(n / (n − length)) that resampling round the sample's own mean takes away. Where
    losses depend on each other for long and blocks are few, the interval is still somewhat short: 0.90 instead of
    0.95 for 400 losses that keep nine tenths of the last one.

    Args:
        losses: (n_rows,) of the prediction, NaN where the target is unknown.
        baseline_losses: (n_rows,) of what it is compared with, on the same rows.
        ts_ns: (n_rows,) time of each row, in any order; rows of several symbols may share one.
        rng: chance.
        horizon: bars that a target looks ahead, >= 1.
        n_resamples: resamples drawn.
        level: probability between the two ends.

    Returns:
        NaN ends where the moments make fewer than 8 blocks.

    Raises:
        ShapeError: the arrays differ in length.
        DataError: no row knows both losses.

    Source: Politis and Romano (1992), in Exploring the Limits of Bootstrap, 263-270; Politis and White (2004),
        Econometric Reviews 23(1), 53-70.
    """
    if not len(losses) == len(baseline_losses) == len(ts_ns):
        raise ShapeError(f"expected one length, found {len(losses)}, {len(baseline_losses)} and {len(ts_ns)}")
    difference = losses - baseline_losses
    known = np.isfinite(difference)
    if not known.any():
        raise DataError("no row knows both losses, so they cannot be compared")
    _, moment = np.unique(ts_ns[known], return_inverse=True)
    rows = np.bincount(moment).astype(np.float64)
    total = np.bincount(moment, weights=difference[known])
    mean = float(total.sum() / rows.sum())
    # How far each moment moves the mean, so that moments with more symbols weigh more.
    pull = (total - mean * rows) / rows.mean()
    n = pull.size
    length = max(round(CIRCULAR * optimal_block_length(pull)), horizon, math.ceil(n / MOST_BLOCKS))
    low = high = math.nan
    if n // length >= FEWEST_BLOCKS:
        means = _resampled_means(pull, length, n_resamples, rng)
        ends = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
        low, high = (mean + _widening(n, length, level) * ends).tolist()
    return LossDifference(mean, low, high, int(known.sum()), length)


def _resampled_means(pull: FloatArray, length: int, n_resamples: int, rng: np.random.Generator) -> FloatArray:
    """(n_resamples,) means of n values each, drawn in blocks; the last block is cut to fit."""
    n = pull.size
    prefix = np.concatenate([[0.0], np.cumsum(np.concatenate([pull, pull[:length]]))])
    whole, rest = divmod(n, length)
    means = np.empty(n_resamples)
    batch = max(1, BATCH_GATHERS // (whole + 1))
    for first in range(0, n_resamples, batch):
        starts = rng.integers(0, n, size=(min(batch, n_resamples - first), whole + 1))
        sums = (prefix[starts[:, :whole] + length] - prefix[starts[:, :whole]]).sum(axis=1)
        means[first : first + len(starts)] = (sums + prefix[starts[:, whole] + rest] - prefix[starts[:, whole]]) / n
    return means


def _widening(n: int, length: int, level: float) -> float:
    from scipy.stats import norm, t  # here: it is slow to import

    tail = (1.0 + level) / 2.0
    return float(t.ppf(tail, n / length - 1.0) / norm.ppf(tail)) * math.sqrt(n / (n - length))

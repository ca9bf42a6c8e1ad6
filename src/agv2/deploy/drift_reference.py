"""The reference of the drift monitor, made of the training bars when a bundle is written."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray, Int8Array, IntArray
from agv2.core.errors import DataError, ShapeError
from agv2.deploy.monitoring import divergences, stepped
from agv2.models.feature_reference import FeatureReference, share_of_each_bin

__all__ = ["feature_reference"]

_STEPS_PER_DAY = 24
_PARTS = 10
_RARELY = 0.99
_LEAST_SCALE = 0.01
"""Of a feature that never moved: a hundredth of a nat is nothing in any of them."""
_SAMPLE_ROWS = 1000
_LIFE = 1.27
"""Of a monitor that is begun anew, in memories: no whole number of weeks, so it begins on every day in turn."""


def feature_reference(
    values: FloatArray | Float32Array,
    days: IntArray,
    columns: tuple[str, ...],
    memory_days: float,
) -> FeatureReference:
    """Bins of the training bars, and how far recent bars stray from the rest of them when nothing is wrong.

    The training bars are cut into ten parts. In each the monitor runs as it would live, against the shares of the
    other nine: a stretch that helped to make its own reference would stray too little.

    Args:
        values: (n_bars, n_features) raw features of the training bars, oldest first, no warm-up.
        days: (n_bars,) trading day of each, rising.
        columns: names of the features.
        memory_days: trading days after which a bar weighs 1/e of the newest.

    Raises:
        ShapeError: the three differ in length.
        DataError: fewer than twenty bars, or a feature without a value.
    """
    if len(values) != len(days) or values.shape[1] != len(columns):
        raise ShapeError(f"{len(values)} rows of {values.shape[1]} features, {len(days)} days, {len(columns)} names")
    if len(values) < 2 * _PARTS:
        raise DataError(f"{len(values)} training bars are too few to say what is usual; give at least {2 * _PARTS}")
    bars_per_day = float(np.median(np.unique(days, return_counts=True)[1]))
    edges = FeatureReference.quantile_edges(values, columns)
    bare = FeatureReference(
        columns=columns,
        edges=edges,
        shares=np.empty(0),
        step_bars=max(1, round(bars_per_day / _STEPS_PER_DAY)),
        memory_bars=max(1.0, memory_days * bars_per_day),
        scales=np.empty(0),
        daily_worst=np.empty(0),
        sample=np.asarray(values[_spread(len(values))], dtype=np.float32),
    )
    bins = bare.bins(values)
    parts = _parts(bins)
    strays, stray_days = _strays(bins, days, parts, bare)
    scales = np.maximum(np.quantile(strays, _RARELY, axis=0), _LEAST_SCALE)
    worst = (strays / scales).max(axis=(1, 2))
    starts = np.flatnonzero(np.diff(stray_days, prepend=stray_days[0] - 1))
    return replace(
        bare,
        shares=np.sum([part.counts for part in parts], axis=0) / len(bins),
        scales=scales,
        daily_worst=np.maximum.reduceat(worst, starts).astype(np.float64),
    )


class _Part(NamedTuple):
    low: int
    high: int
    counts: FloatArray


def _parts(bins: Int8Array) -> list[_Part]:
    bounds = np.linspace(0, len(bins), _PARTS + 1).astype(np.int64).tolist()
    return [_Part(low, high, share_of_each_bin(bins[low:high]) * (high - low)) for low, high in pairwise(bounds)]


def _spread(n_bars: int) -> IntArray:
    found: IntArray = np.unique(np.linspace(0, n_bars - 1, min(n_bars, _SAMPLE_ROWS)).astype(np.int64))
    return found


def _strays(
    bins: Int8Array, days: IntArray, parts: Sequence[_Part], reference: FeatureReference
) -> tuple[Float32Array, IntArray]:
    """(n_steps, 2, n_features) divergences at each step of the training bars, and the trading day of each step.

    Of two monitors, one that has long been running and one that is begun anew every so often, whichever strays more:
    a new one goes all the way into the first Monday, where an old one remembers the weekend.
    """
    step, memory = reference.step_bars, reference.memory_bars
    total = np.sum([part.counts for part in parts], axis=0)
    found, found_days = [], []
    for part in parts:
        others = (total - part.counts) / (len(bins) - (part.high - part.low))
        old = new = others
        begun = part.low
        for first in range(max(0, part.low - int(2 * memory)), part.high - step + 1, step):
            shares = share_of_each_bin(bins[first : first + step])
            old = stepped(old, shares, reference)
            if first < part.low:
                continue
            if first - begun >= _LIFE * memory:
                begun, new = first, others
            new = stepped(new, shares, reference)
            furthest = np.maximum(divergences(old, others), divergences(new, others))
            found.append(furthest.astype(np.float32))
            found_days.append(days[first + step - 1])
    return np.stack(found), np.array(found_days, dtype=np.int64)

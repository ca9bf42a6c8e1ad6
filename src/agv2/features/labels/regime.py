"""What kind of market each bar was part of, seen afterwards: trend, consolidation or volatile."""

import itertools
import math
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import ruptures

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.errors import ShapeError
from agv2.features.rolling import windowed_mean

__all__ = ["Regime", "labels_between", "regime_labels"]

_SMOOTHING_BARS = 24  # a day of hours: shorter means follow the hours of the day instead of the market's mood
_USUAL_BARS = 500
_CHUNK_BARS = 1200  # the search takes time and memory by the square of it
_MIN_SEGMENT_BARS = 24
_PENALTIES = (20.0, 40.0, 80.0, 160.0)  # segments of about 60 to 250 bars on every market we looked at
_FEWEST_SEGMENTS = 12  # longer stretches are cut: one that held most bars would leave a class empty
_VOLATILE_SHARE = 0.2
_TREND_SHARE_OF_REST = 0.44  # 35 % of all
_TINY_RETURN = 1e-6


class Regime(IntEnum):
    """Kind of market; from 0 on, the values are the class numbers of the regime head."""

    UNKNOWN = -1
    TREND = 0
    CONSOLIDATION = 1
    VOLATILE = 2


def regime_labels(close: FloatArray, sigma: FloatArray) -> IntArray:
    """Regime of each bar, from change points of volatility and drift and the statistics between them.

    Change points are those of `ruptures.KernelCPD` (linear kernel: shifts of the mean) on the standardised log
    volatility and signed trend efficiency, chunk by chunk, at four penalties: from fine to coarse, since most spells
    of a market have no edge that could be seen. `labels_between` makes the labels.

    Args:
        close: (n_bars,) closes, all > 0; training bars only, since each label depends on all of them.
        sigma: (n_bars,) volatility of one bar's log return; NaN where unknown, and labels begin where it does.

    Returns:
        (n_bars,) `Regime` values; UNKNOWN before the first known `sigma`, and everywhere when that leaves fewer
        than 288 bars.

    Raises:
        ShapeError: `close` and `sigma` differ in length.

    Known at: the last of the bars given. A label: nothing on the decision path may read it.
    Source: Celisse, Marot, Pierre-Jean, Rigaill (2018), Computational Statistics & Data Analysis 128, 200-220.
    """
    if close.shape != sigma.shape:
        raise ShapeError(f"close has {close.size} values, sigma {sigma.size}")
    labels = np.full(close.size, int(Regime.UNKNOWN), dtype=np.int64)
    known = np.isfinite(sigma)
    first = int(np.argmax(known)) if known.any() else close.size
    if close.size - first < _FEWEST_SEGMENTS * _MIN_SEGMENT_BARS:
        return labels
    returns = np.diff(np.log(close[first:]), prepend=math.log(close[max(first - 1, 0)]))
    labels[first:] = labels_between(returns, _segmentations(_signals(returns)))
    return labels


def labels_between(returns: FloatArray, segmentations: Sequence[IntArray]) -> IntArray:
    """Regime of each bar by the statistics of the segments that hold it.

    A segment's volatility is the standard deviation of its returns over what is usual around its bars, and its
    efficiency its net move over that of a random walk with the same volatility and length; a bar has the mean of its
    segments, one of each segmentation. A fifth of all bars, those of the highest volatility, are volatile; then 44 %
    of the rest, those of the highest efficiency, are trend; what remains is consolidation. "Highest" is relative to
    the bars given: every market has all three, and none is declared a trend in an absolute sense.

    Args:
        returns: (n_bars,) log returns.
        segmentations: at least one; each the bounds of segments in order, 0 and n_bars included.

    Returns:
        (n_bars,) `Regime` values, none UNKNOWN.

    Known at: the last of the bars given. A label: nothing on the decision path may read it.
    """
    usual = np.log(np.sqrt(_centred_mean(returns * returns, _USUAL_BARS)) + _TINY_RETURN)
    pieces = np.unique(np.concatenate(segmentations))
    volatility, efficiency = np.zeros(pieces.size - 1), np.zeros(pieces.size - 1)
    for bounds in segmentations:
        n_bars = np.diff(bounds)
        square = np.add.reduceat(returns * returns, bounds[:-1])
        net = np.add.reduceat(returns, bounds[:-1])
        spread = np.sqrt(np.maximum(square / n_bars - (net / n_bars) ** 2, 0.0))  # a steep trend is not volatile
        own = np.log(spread + _TINY_RETURN) - np.add.reduceat(usual, bounds[:-1]) / n_bars
        holder = np.searchsorted(bounds, pieces[:-1], side="right") - 1
        volatility += own[holder]
        efficiency += (np.abs(net) / np.sqrt(square + _TINY_RETURN**2))[holder]
    lengths = np.diff(pieces)
    classes = np.full(lengths.size, int(Regime.CONSOLIDATION), dtype=np.int64)
    volatile = _highest(volatility, lengths, _VOLATILE_SHARE)
    classes[volatile] = Regime.VOLATILE
    rest = np.flatnonzero(~volatile)
    classes[rest[_highest(efficiency[rest], lengths[rest], _TREND_SHARE_OF_REST)]] = Regime.TREND
    return np.repeat(classes, lengths)


def _signals(returns: FloatArray) -> FloatArray:
    """(n, 2) standardised log volatility and signed efficiency of the bars around each bar."""
    spread = np.sqrt(_centred_mean(returns * returns, _SMOOTHING_BARS)) + _TINY_RETURN
    # Mean size rather than root mean square: one burst of news makes no spell.
    size = _centred_mean(np.abs(returns), _SMOOTHING_BARS) + _TINY_RETURN
    signals = np.column_stack([np.log(size), _centred_mean(returns, _SMOOTHING_BARS) / spread])
    centred = signals - signals.mean(axis=0)
    standardised: FloatArray = centred / np.maximum(centred.std(axis=0), 1e-12)
    return standardised


def _centred_mean(values: FloatArray, n_bars: int) -> FloatArray:
    """(n,) mean of the `n_bars` bars around each, the series mirrored at its ends; n >= n_bars / 2."""
    padded = np.pad(values, (n_bars - n_bars // 2 - 1, n_bars // 2), mode="symmetric")
    return windowed_mean(padded, n_bars)[n_bars - 1 :]


def _segmentations(signals: FloatArray) -> list[IntArray]:
    """Segment bounds at each penalty, 0 and the number of bars included; every chunk begins a segment."""
    n_bars = len(signals)
    starts = list(range(0, n_bars, _CHUNK_BARS))
    if n_bars - starts[-1] < 2 * _MIN_SEGMENT_BARS and len(starts) > 1:
        starts.pop()  # too short to be split: let the chunk before have it
    found: list[list[int]] = [[0] for _ in _PENALTIES]
    for start, stop in zip(starts, [*starts[1:], n_bars], strict=True):
        search = ruptures.KernelCPD(kernel="linear", min_size=_MIN_SEGMENT_BARS).fit(signals[start:stop])
        for bounds, penalty in zip(found, _PENALTIES, strict=True):
            bounds += [start + point for point in search.predict(pen=penalty)]
    return [_without_long_ones(bounds) for bounds in found]


def _without_long_ones(bounds: list[int]) -> IntArray:
    longest = bounds[-1] // _FEWEST_SEGMENTS
    cuts = list(bounds)
    for start, stop in itertools.pairwise(bounds):
        n_parts = -(-(stop - start) // longest)
        cuts += [start + (stop - start) * part // n_parts for part in range(1, n_parts)]
    return np.array(sorted(cuts), dtype=np.int64)


def _highest(statistic: FloatArray, n_bars: IntArray, share: float) -> BoolArray:
    """Pieces with the highest statistic that together hold about `share` of the bars, one at least."""
    order = np.argsort(-statistic, kind="stable")
    before = np.cumsum(n_bars[order]) - n_bars[order]
    chosen = np.zeros(statistic.size, dtype=np.bool_)
    chosen[order[before < share * n_bars.sum()]] = True
    return chosen

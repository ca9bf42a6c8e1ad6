"""What kind of market each bar was part of, seen afterwards: trend, consolidation or volatile."""

import itertools
import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import ruptures

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.errors import ShapeError
from agv2.features.rolling import windowed_mean

__all__ = ["Regime", "regime_labels"]

_SMOOTHING_BARS = 12
_CHUNK_BARS = 1200  # the search takes time and memory by the square of it
_MIN_SEGMENT_BARS = 24
_PENALTY = 45.0  # segments of about a hundred bars on every market we looked at
_FEWEST_SEGMENTS = 12  # longer stretches are cut: one that held most bars would leave a class empty
_TREND_SHARE = 0.35
_VOLATILE_SHARE_OF_REST = 0.4
_TINY_RETURN = 1e-6


class Regime(IntEnum):
    """Kind of market; from 0 on, the values are the class numbers of the regime head."""

    UNKNOWN = -1
    TREND = 0
    CONSOLIDATION = 1
    VOLATILE = 2


class _Segments(NamedTuple):
    """Stretches between change points, one element each."""

    n_bars: IntArray
    efficiency: FloatArray
    """Net move over that of a random walk with the same volatility and length, >= 0."""
    volatility: FloatArray
    """Root mean square of one bar's log return."""


def regime_labels(close: FloatArray, sigma: FloatArray) -> IntArray:
    """Regime of each bar, from change points of volatility and drift and the statistics between them.

    Change points are those of `ruptures.KernelCPD` (linear kernel: shifts of the mean) on the standardised log
    volatility and signed trend efficiency, chunk by chunk. Then a third of all bars, those in segments that went
    furthest for their volatility, are trend; of the rest two fifths, those in segments of the highest volatility,
    are volatile; what remains is consolidation. "Furthest" and "highest" are relative to the bars given: every
    market has all three, and none is declared a trend in an absolute sense.

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
    bounds = _change_points(_signals(returns, sigma[first:]))
    segments = _statistics(returns, bounds)
    labels[first:] = np.repeat(_classes(segments), segments.n_bars)
    return labels


def _signals(returns: FloatArray, sigma: FloatArray) -> FloatArray:
    """(n, 2) standardised log volatility and signed efficiency of the bars around each bar."""
    padded = np.pad(returns, (_SMOOTHING_BARS - _SMOOTHING_BARS // 2 - 1, _SMOOTHING_BARS // 2), mode="edge")
    mean_square = windowed_mean(padded * padded, _SMOOTHING_BARS)[_SMOOTHING_BARS - 1 :]
    drift = windowed_mean(padded, _SMOOTHING_BARS)[_SMOOTHING_BARS - 1 :]
    spread = np.sqrt(mean_square) + _TINY_RETURN
    signals = np.column_stack([np.log(spread), drift / spread])
    centred = signals - signals.mean(axis=0)
    standardised: FloatArray = centred / np.maximum(centred.std(axis=0), 1e-12)
    return standardised


def _change_points(signals: FloatArray) -> IntArray:
    """Segment bounds, 0 and the number of bars included; every chunk begins a segment."""
    n_bars = len(signals)
    starts = list(range(0, n_bars, _CHUNK_BARS))
    if n_bars - starts[-1] < 2 * _MIN_SEGMENT_BARS and len(starts) > 1:
        starts.pop()  # too short to be split: let the chunk before have it
    bounds = [0]
    for start, stop in zip(starts, [*starts[1:], n_bars], strict=True):
        search = ruptures.KernelCPD(kernel="linear", min_size=_MIN_SEGMENT_BARS).fit(signals[start:stop])
        bounds += [start + point for point in search.predict(pen=_PENALTY)]
    longest = n_bars // _FEWEST_SEGMENTS
    for start, stop in itertools.pairwise(bounds.copy()):
        n_parts = -(-(stop - start) // longest)
        bounds += [start + (stop - start) * part // n_parts for part in range(1, n_parts)]
    return np.array(sorted(bounds), dtype=np.int64)


def _statistics(returns: FloatArray, bounds: IntArray) -> _Segments:
    n_bars = np.diff(bounds)
    square = np.add.reduceat(returns * returns, bounds[:-1])
    net = np.add.reduceat(returns, bounds[:-1])
    return _Segments(n_bars, np.abs(net) / np.sqrt(square + _TINY_RETURN**2), np.sqrt(square / n_bars))


def _classes(segments: _Segments) -> IntArray:
    classes = np.full(segments.n_bars.size, int(Regime.CONSOLIDATION), dtype=np.int64)
    trend = _highest(segments.efficiency, segments.n_bars, _TREND_SHARE)
    classes[trend] = Regime.TREND
    rest = np.flatnonzero(~trend)
    volatile = _highest(segments.volatility[rest], segments.n_bars[rest], _VOLATILE_SHARE_OF_REST)
    classes[rest[volatile]] = Regime.VOLATILE
    return classes


def _highest(statistic: FloatArray, n_bars: IntArray, share: float) -> BoolArray:
    """Segments with the highest statistic that together hold about `share` of the bars, one at least."""
    order = np.argsort(-statistic, kind="stable")
    before = np.cumsum(n_bars[order]) - n_bars[order]
    chosen = np.zeros(statistic.size, dtype=np.bool_)
    chosen[order[before < share * n_bars.sum()]] = True
    return chosen

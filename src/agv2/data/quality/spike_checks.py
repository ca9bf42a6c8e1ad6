"""Prices that are there for one bar alone."""

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.data.quality.config import QualityConfig
from agv2.data.quality.findings import Finding, Severity, finding, places_at

__all__ = ["check_spikes", "typical_ranges"]


def check_spikes(bars: Bars, rows: IntArray, settings: QualityConfig) -> list[Finding]:
    """Bars that reach far beyond both neighbours: there and back within a bar.

    A true crash goes on or comes back slowly; a false price has gone by the next bar.

    Args:
        bars: strictly rising stamps.
        rows: (n_bars,) their rows in the file.
        settings: `spikes`.
    """
    if len(bars) < 3:
        return []
    high, low = np.log(bars.high), np.log(bars.low)
    up, down = np.zeros(len(bars)), np.zeros(len(bars))
    up[1:-1] = high[1:-1] - np.maximum(high[:-2], high[2:])
    down[1:-1] = np.minimum(low[:-2], low[2:]) - low[1:-1]
    reach = np.maximum(up, down)
    reaches = reach / typical_ranges(bars, settings.spikes.window_bars)
    found = np.flatnonzero(reaches > settings.spikes.ranges)
    if found.size == 0:
        return []
    texts = [
        f"{'high' if up[i] >= down[i] else 'low'} {(bars.high if up[i] >= down[i] else bars.low)[i]:g} is "
        f"{reaches[i]:.0f} usual ranges beyond its neighbours"
        for i in found
    ]
    places = places_at(rows[found], bars.ts_ns[found], texts, reaches[found])
    return [finding("spikes", Severity.WARNING, found.size, len(bars), places)]


def typical_ranges(bars: Bars, window: int) -> FloatArray:
    """Log range of a lively bar near each bar: nine in ten of the bars around it have a smaller one.

    Robust against as many as one false bar in ten; the livelier of neighbouring blocks counts, so that a block
    border does not make a spike.

    Returns:
        (n_bars,) above zero, never below the file's own median.
    """
    ranges = np.log(bars.high) - np.log(bars.low)
    moving = ranges[ranges > 0.0]
    floor = float(np.median(moving)) if moving.size else 1e-6
    n_whole = ranges.size // window
    rank = int(0.9 * (window - 1))
    lively = np.partition(ranges[: n_whole * window].reshape(n_whole, window), rank, axis=1)[:, rank]
    if (rest := ranges[n_whole * window :]).size:
        lively = np.append(lively, np.quantile(rest, 0.9))
    wide = np.concatenate([lively[:1], lively, lively[-1:]])
    nearby = np.maximum(np.maximum(wide[:-2], wide[2:]), lively)
    typical: FloatArray = np.maximum(np.repeat(nearby, window)[: ranges.size], floor)
    return typical

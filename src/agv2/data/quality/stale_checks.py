"""Bars in which nothing moves, and feeds that stand still."""

import numpy as np

from agv2.core.arrays import BoolArray, IntArray
from agv2.core.bars import Bars
from agv2.data.quality.config import QualityConfig
from agv2.data.quality.findings import Finding, Place, Severity, finding, places_at

__all__ = ["check_stale", "stale_bars"]

_SHORTEST_MINUTES = 60  # of a stale stretch: quiet minutes follow each other in a thin market
_SLOW_MINUTES = 15  # from here on a bar without a tick's movement is a fault; a quiet minute is not


def check_stale(bars: Bars, rows: IntArray, settings: QualityConfig) -> list[Finding]:
    """Flat bars, stale stretches, and whether both together are too much of the file.

    Args:
        bars: strictly rising stamps.
        rows: (n_bars,) their rows in the file.
        settings: `stale`.
    """
    flat: BoolArray = bars.high == bars.low
    frozen = _frozen(bars, settings)
    stale, runs = stale_bars(bars, settings)
    found = []
    either = frozen | stale
    texts = [f"{length} bars at {bars.close[first]:g}" for first, length in runs]
    longest = sorted(range(len(runs)), key=lambda i: -runs[i][1])[:5]
    places = [Place(int(bars.ts_ns[runs[i][0]]), texts[i], int(rows[runs[i][0]])) for i in longest]
    flat_rows = np.flatnonzero(flat)
    flat_places = places or places_at(rows[flat_rows[:5]], bars.ts_ns[flat_rows[:5]])
    if either.mean() > settings.stale.error_share:
        found.append(finding("stale_feed", Severity.ERROR, int(either.sum()), len(bars), flat_places))
    if stale.any():
        found.append(finding("stale_runs", Severity.WARNING, int(stale.sum()), len(bars), places))
    if either.any():
        only_frozen = int((frozen & ~flat).sum())
        also = f"; {only_frozen} more have a range of less than {1e4 * settings.stale.frozen_range_frac:g} bp"
        evidence = f"{flat_rows.size} bars have high = low{also if only_frozen else ''}"
        frozen_rows = np.flatnonzero(frozen)
        shown = frozen_rows[:5]
        values = [f"at {bars.close[i]:g}" for i in shown]
        found.append(
            finding(
                "flat_bars", Severity.WARNING, frozen_rows.size, len(bars),
                places_at(rows[shown], bars.ts_ns[shown], values), evidence,
            )
        )  # fmt: skip
    return found


def stale_bars(bars: Bars, settings: QualityConfig) -> tuple[BoolArray, list[tuple[int, int]]]:
    """Bars in stretches in which the feed stood still, and (first bar, length) of each stretch.

    A stretch is `run_bars` or more, and an hour or more, of frozen bars in a row, all at one level.
    """
    frozen = _frozen(bars, settings)
    stale = np.zeros(len(bars), dtype=np.bool_)
    runs = []
    shortest = max(settings.stale.run_bars, -(-_SHORTEST_MINUTES // bars.timeframe.minutes))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frozen, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        start = first
        high = low = bars.close[first]
        for i in range(first, last + 1):
            if i < last:
                high, low = max(high, bars.high[i]), min(low, bars.low[i])
                if high - low <= 2.0 * settings.stale.frozen_range_frac * bars.close[i]:
                    continue
            if i - start >= shortest:
                stale[start:i] = True
                runs.append((start, i - start))
            if i < last:
                start, high, low = i, bars.high[i], bars.low[i]
    return stale, runs


def _frozen(bars: Bars, settings: QualityConfig) -> BoolArray:
    slow = bars.timeframe.minutes >= _SLOW_MINUTES
    widest = settings.stale.frozen_range_frac * bars.close if slow else 0.0
    frozen: BoolArray = bars.high - bars.low <= widest
    return frozen

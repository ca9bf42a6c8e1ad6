"""The habits by which one feed is told from another, bar by bar and block by block."""

from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars

__all__ = ["FOLLOWED", "FOLLOWING", "Trait", "block_bars_of", "block_levels", "feed_traits"]

FOLLOWING = "opens"
"""Family of a habit that follows from others: denser ticks and a coarser grid join more opens to the last close."""
FOLLOWED = ("volume", "grid")
"""The families that it follows from."""

_NS_PER_DAY = 86_400_000_000_000
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Trait:
    """One habit of a feed."""

    name: str
    """As a person would call it."""
    values: FloatArray
    """(n_bars,) per bar; NaN where the bar says nothing."""
    least_change: float
    """Change of the level from which on it may be another feed."""
    family: str
    """Habits of one family are one piece of evidence."""
    is_log: bool = False
    """The values are logarithms, and a block's level is their median; else it is the mean."""

    def describe(self, old: float, new: float) -> str:
        """The change in words."""
        if self.is_log:
            old, new = float(np.exp(old)), float(np.exp(new))
        return f"{self.name} {old:.3g} to {new:.3g}"


def feed_traits(bars: Bars, volume_ratio: float, spread_ratio: float) -> list[Trait]:
    """Habits that a source keeps and another source has otherwise.

    Args:
        bars: strictly rising stamps.
        volume_ratio: least change of the volume level that counts.
        spread_ratio: the same for the spread.
    """
    joined = np.full(len(bars), np.nan)
    joined[1:] = bars.open[1:] == bars.close[:-1]
    joined[bars.high == bars.low] = np.nan  # where nothing moves, nothing is told
    pace = np.full(len(bars), np.nan)
    steps = np.diff(bars.ts_ns) / bars.timeframe.nanoseconds
    pace[1:] = np.minimum(steps, 2.0 * _NS_PER_DAY / bars.timeframe.nanoseconds)
    known_volume, known_spread = (~np.isnan(values) for values in (bars.volume, bars.spread))
    return [
        Trait("volume level", _log_positive(bars.volume), float(np.log(volume_ratio)), "volume", is_log=True),
        Trait("share of known volumes", known_volume.astype(np.float64), 0.8, "volume"),
        Trait("spread level", _log_positive(bars.spread), float(np.log(spread_ratio)), "spread", is_log=True),
        Trait("share of known spreads", known_spread.astype(np.float64), 0.8, "spread"),
        Trait("decimals of prices", _digits(bars.close), 0.6, "grid"),
        Trait("share of opens at the last close", joined, 0.35, FOLLOWING),
        Trait("bars from open to open", pace, 0.2, "hours"),
    ]


def block_bars_of(bars: Bars) -> int:
    """Bars of a block that averages over the day (bars below an hour), the week, or four weeks (daily bars)."""
    per_day = np.unique(bars.ts_ns // _NS_PER_DAY, return_counts=True)[1]
    typical = int(np.median(per_day)) if per_day.size else 1
    minutes = bars.timeframe.minutes
    return max(20, typical * (1 if minutes < 60 else 5))


def block_levels(trait: Trait, size: int) -> FloatArray:
    """(n_blocks,) level of each whole block of `size` bars; NaN where under half of its bars say anything."""
    n_blocks = trait.values.size // size
    table = trait.values[: n_blocks * size].reshape(n_blocks, size)
    known = ~np.isnan(table)
    level = np.full(n_blocks, np.nan)
    enough = known.sum(axis=1) * 2 >= size
    if enough.any():
        level[enough] = (np.nanmedian if trait.is_log else np.nanmean)(table[enough], axis=1)
    return level


def _log_positive(values: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        logs: FloatArray = np.where(values > 0.0, np.log(values), np.nan)
    return logs


def _digits(prices: FloatArray) -> FloatArray:
    """Decimals that each price needs, at most six."""
    digits: IntArray = np.full(prices.size, _MOST_DIGITS, dtype=np.int64)
    for count in range(_MOST_DIGITS - 1, -1, -1):
        scaled = prices * 10.0**count
        digits[np.abs(scaled - np.round(scaled)) < 1e-4] = count
    return digits.astype(np.float64)

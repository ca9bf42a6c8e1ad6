"""Features of long histories, kept on disk from one run to the next."""

import contextlib
import hashlib
import importlib.resources
import zoneinfo
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agv2.app.array_cache import ArrayCache, ArrayShape
from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.bars import Bars
from agv2.core.jit import PLAIN_KERNELS, kernel_digest
from agv2.core.timeframes import SessionCalendar
from agv2.features.pipeline import FeatureMatrix, compute_features, feature_columns
from agv2.features.session_features import SESSIONS

__all__ = ["CachedFeatures", "cached_features"]

LEAST_BARS = 20_000
"""Shorter histories are computed in a fraction of a second, whether or not they were before."""

_LAYOUT = 2


class CachedFeatures(NamedTuple):
    """Features, wherever they come from."""

    features: FeatureMatrix
    problems: tuple[str, ...]
    """What could not be read or kept, a sentence each."""


def cached_features(bars: Bars, calendar: SessionCalendar, directory: Path, limit_bytes: int) -> CachedFeatures:
    """`compute_features`, or the same bits from disk if they were computed before.

    Args:
        bars: history of one symbol.
        calendar: of its market.
        directory: where entries are; made when there is something to keep.
        limit_bytes: what they may take; the least recently used ones go. 0: nothing is read or kept.

    Returns:
        The features. Whatever is wrong with the disk is a problem to tell, never an error.

    Raises:
        DataError: as `compute_features`.
    """
    if len(bars) < LEAST_BARS:
        return CachedFeatures(compute_features(bars, calendar), ())
    columns, n_bars = feature_columns(bars.timeframe), len(bars)
    shapes = (ArrayShape(np.float64, (n_bars,)), ArrayShape(np.float32, (n_bars, len(columns))))

    def compute() -> tuple[FloatArray, Float32Array]:
        computed = compute_features(bars, calendar)
        return computed.sigma, computed.values

    cache = ArrayCache(directory, limit_bytes, ".features")
    found = cache.arrays(_key(bars, calendar), shapes, f"{bars.symbol}: its features", compute)
    sigma, values = found.arrays
    return CachedFeatures(FeatureMatrix(columns, values, sigma), found.problems)


def _key(bars: Bars, calendar: SessionCalendar) -> str:
    """Name of an entry: what `compute_features` reads, and what could make it compute other bits of that."""
    parts = [_LAYOUT, kernel_digest(), PLAIN_KERNELS, np.__version__, bars.timeframe.minutes, calendar.roll_hour]
    parts += [(column.name, column.lookback) for column in feature_columns(bars.timeframe)]
    digest = hashlib.sha256(repr(parts).encode())
    for zone in (calendar.roll_zone, *(zone for zone, _, _ in SESSIONS.values())):
        digest.update(hashlib.sha256(_zone_rules(zone)).digest())
    for series in (bars.ts_ns, bars.open, bars.high, bars.low, bars.close):
        digest.update(np.ascontiguousarray(series).data)
    return digest.hexdigest()[:32]


def _zone_rules(zone: str) -> bytes:
    """When the clocks of a zone change, as this machine has it: from the system, else from the package `tzdata`."""
    for root in zoneinfo.TZPATH:
        with contextlib.suppress(OSError):
            return Path(root, zone).read_bytes()
    return importlib.resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()

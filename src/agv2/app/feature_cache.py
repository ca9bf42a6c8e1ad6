"""Features of long histories, kept on disk from one run to the next.

An entry is named by everything that decides its bits, so it is never out of date, only unused. It is read back through
a memory map and compared with its checksum: reading costs a small part of computing, and a damaged entry is noticed.
"""

import contextlib
import hashlib
import importlib.resources
import os
import zlib
import zoneinfo
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from agv2.core.bars import Bars
from agv2.core.jit import PLAIN_KERNELS, kernel_digest
from agv2.core.timeframes import SessionCalendar
from agv2.data.store.durable_files import remove_leftovers
from agv2.features.pipeline import FeatureMatrix, compute_features, feature_columns
from agv2.features.session_features import SESSIONS

__all__ = ["CachedFeatures", "cached_features"]

LEAST_BARS = 20_000
"""Shorter histories are computed in a fraction of a second, whether or not they were before."""

_LAYOUT = 2
_SUFFIX = ".features"
_CHECKSUM_BYTES = 4
_LOCK_SECONDS = 10.0


class CachedFeatures(NamedTuple):
    """Features, wherever they come from."""

    features: FeatureMatrix
    problems: tuple[str, ...]
    """What could not be read or kept, a sentence each."""


class _DamagedError(Exception):
    """An entry is not what was written."""


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
    if len(bars) < LEAST_BARS or limit_bytes == 0:
        return CachedFeatures(compute_features(bars, calendar), ())
    path = directory / f"{_key(bars, calendar)}{_SUFFIX}"
    problems = []
    try:
        found = _read(path, bars)
    except _DamagedError:
        found = None
        problems.append(f"{bars.symbol}: its features in the cache were damaged; they were computed again")
    except OSError as error:
        found = None
        if not isinstance(error, FileNotFoundError):
            problems.append(f"{bars.symbol}: its features in the cache cannot be read ({error.strerror})")
    if found is None:
        found = compute_features(bars, calendar)
        try:
            _keep(found, path, limit_bytes)
        except OSError as error:
            reason = "other processes are writing" if isinstance(error, Timeout) else error.strerror
            problems.append(f"{bars.symbol}: its features cannot be kept for the next run ({reason})")
    return CachedFeatures(found, tuple(problems))


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


def _read(path: Path, bars: Bars) -> FeatureMatrix:
    """An entry: the volatilities, the values, the checksum of both.

    Raises:
        _DamagedError: it is not what was written.
        OSError: there is none, or it cannot be read.
    """
    columns, n_bars = feature_columns(bars.timeframe), len(bars)
    values_at = n_bars * np.dtype(np.float64).itemsize
    end = values_at + n_bars * len(columns) * np.dtype(np.float32).itemsize
    if path.stat().st_size != end + _CHECKSUM_BYTES:
        raise _DamagedError
    # Copied on write, as if computed: whoever changes a value changes neither the file nor another reader's.
    stored = np.memmap(path, dtype=np.uint8, mode="c").view(np.ndarray)
    if zlib.crc32(stored[:end].data, _seed(path)).to_bytes(_CHECKSUM_BYTES, "little") != stored[end:].tobytes():
        raise _DamagedError
    with contextlib.suppress(OSError):
        os.utime(path)  # used just now
    values = stored[values_at:end].view(np.float32).reshape(n_bars, len(columns))
    return FeatureMatrix(columns, values, stored[:values_at].view(np.float64))


def _keep(features: FeatureMatrix, path: Path, limit_bytes: int) -> None:
    """Write an entry, whole or not at all, after the oldest ones have made room for it.

    It is not forced to the disk: a power cut may damage it, which its checksum tells.

    Raises:
        OSError: the directory cannot be written; as its kind `Timeout`: other processes have been writing for long.
    """
    size = features.sigma.nbytes + features.values.nbytes + _CHECKSUM_BYTES
    if size > limit_bytes:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / "write.lock", timeout=_LOCK_SECONDS):
        remove_leftovers(path.parent)  # all writers hold this lock, so theirs are dead
        _make_room(path.parent, limit_bytes - size)
        unfinished = path.with_suffix(".unfinished")
        try:
            with open(unfinished, "wb") as file:
                file.write(features.sigma.data)
                file.write(features.values.data)
                checksum = zlib.crc32(features.values.data, zlib.crc32(features.sigma.data, _seed(path)))
                file.write(checksum.to_bytes(_CHECKSUM_BYTES, "little"))
            os.replace(unfinished, path)
        finally:  # Ctrl-C included: a half-written file must go
            unfinished.unlink(missing_ok=True)


def _seed(path: Path) -> int:
    """The checksum begins with the entry's name, so that no entry can stand in for another."""
    return zlib.crc32(path.stem.encode())


def _make_room(directory: Path, most_bytes: int) -> None:
    """Remove entries, the least recently used first, until the others take no more than `most_bytes`."""
    entries = []
    for path in directory.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # somebody tidies up
            found = path.stat()
            entries.append((found.st_mtime_ns, found.st_size, path))
    taken = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if taken <= most_bytes:
            return
        with contextlib.suppress(OSError):  # Windows keeps a file that somebody has mapped
            path.unlink()
            taken -= size

"""Arrays that take long to compute, kept on disk from one run to the next.

An entry is named by everything that decides its bits, so it is never out of date, only unused. It is read back through
a memory map and compared with its checksum: reading costs a small part of computing, and a damaged entry is noticed.
"""

import contextlib
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import DTypeLike, NDArray

from agv2.data.store.durable_files import remove_leftovers

__all__ = ["ArrayCache", "ArrayShape", "CachedArrays"]

_CHECKSUM_BYTES = 4
_LOCK_SECONDS = 10.0


class ArrayShape(NamedTuple):
    """What an array will look like, known before it is computed."""

    dtype: DTypeLike
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Of the array's values."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class CachedArrays(NamedTuple):
    """Arrays, wherever they come from."""

    arrays: tuple[NDArray[Any], ...]
    problems: tuple[str, ...]
    """What could not be read or kept, a sentence each."""


class _DamagedError(Exception):
    """An entry is not what was written."""


@dataclass(frozen=True, slots=True)
class ArrayCache:
    """Entries of one kind in one directory.

    Attributes:
        directory: where they are; made when there is something to keep.
        limit_bytes: what they may take; the least recently used ones go. 0: nothing is read or kept.
        suffix: of their files, such as `.features`.
    """

    directory: Path
    limit_bytes: int
    suffix: str

    def arrays(
        self, key: str, shapes: Sequence[ArrayShape], whose: str, compute: Callable[[], Sequence[NDArray[Any]]]
    ) -> CachedArrays:
        """What `compute` gives, or the same bits from disk if it was asked for before.

        Args:
            key: name of the entry: a digest of all that decides the bits.
            shapes: of the arrays, in order; those with the widest elements first.
            whose: what they are, for messages, such as `XAUUSD: its features`.
            compute: makes them.

        Returns:
            The arrays. Whatever is wrong with the disk is a problem to tell, never an error.
        """
        if self.limit_bytes == 0:
            return CachedArrays(tuple(compute()), ())
        path, problems = self.directory / f"{key}{self.suffix}", []
        try:
            return CachedArrays(_read(path, shapes), ())
        except _DamagedError:
            problems.append(f"{whose} in the cache were damaged; they were computed again")
        except FileNotFoundError:
            pass
        except OSError as error:
            problems.append(f"{whose} in the cache cannot be read ({error.strerror})")
        computed = tuple(np.ascontiguousarray(each) for each in compute())
        try:
            self._keep(computed, path)
        except OSError as error:
            reason = "other processes are writing" if isinstance(error, Timeout) else error.strerror
            problems.append(f"{whose} cannot be kept for the next run ({reason})")
        return CachedArrays(computed, tuple(problems))

    def _keep(self, arrays: Sequence[NDArray[Any]], path: Path) -> None:
        """Write an entry, whole or not at all, after the oldest ones have made room for it.

        It is not forced to the disk: a power cut may damage it, which its checksum tells.

        Raises:
            OSError: the directory cannot be written; as its kind `Timeout`: other processes have been writing for long.
        """
        size = sum(array.nbytes for array in arrays) + _CHECKSUM_BYTES
        if size > self.limit_bytes:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(self.directory / "write.lock", timeout=_LOCK_SECONDS):
            remove_leftovers(self.directory)  # all writers hold this lock, so theirs are dead
            self._make_room(self.limit_bytes - size)
            unfinished = path.with_suffix(".unfinished")
            try:
                with open(unfinished, "wb") as file:
                    checksum = _seed(path)
                    for array in arrays:
                        file.write(array.data)
                        checksum = zlib.crc32(array.data, checksum)
                    file.write(checksum.to_bytes(_CHECKSUM_BYTES, "little"))
                os.replace(unfinished, path)
            finally:  # Ctrl-C included: a half-written file must go
                unfinished.unlink(missing_ok=True)

    def _make_room(self, most_bytes: int) -> None:
        """Remove entries, the least recently used first, until the others take no more than `most_bytes`."""
        entries = []
        for path in self.directory.glob(f"*{self.suffix}"):
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


def _read(path: Path, shapes: Sequence[ArrayShape]) -> tuple[NDArray[Any], ...]:
    """An entry: the arrays one after the other, and the checksum of all.

    Raises:
        _DamagedError: it is not what was written.
        OSError: there is none, or it cannot be read.
    """
    end = sum(each.n_bytes for each in shapes)
    if path.stat().st_size != end + _CHECKSUM_BYTES:
        raise _DamagedError
    # Copied on write, as if computed: whoever changes a value changes neither the file nor another reader's.
    stored = np.memmap(path, dtype=np.uint8, mode="c").view(np.ndarray)
    if zlib.crc32(stored[:end].data, _seed(path)).to_bytes(_CHECKSUM_BYTES, "little") != stored[end:].tobytes():
        raise _DamagedError
    with contextlib.suppress(OSError):
        os.utime(path)  # used just now
    arrays, at = [], 0
    for each in shapes:
        arrays.append(stored[at : at + each.n_bytes].view(each.dtype).reshape(each.shape))
        at += each.n_bytes
    return tuple(arrays)


def _seed(path: Path) -> int:
    """The checksum begins with the entry's name, so that no entry can stand in for another."""
    return zlib.crc32(path.stem.encode())

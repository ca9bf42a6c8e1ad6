"""Secrets and addresses: the half of the settings that belongs to a machine and never to a YAML file.

This is `config`'s other half, not a fifth thing in this package: what comes from the process environment or from a
`.env` file, because it must not be committed, printed or hashed into a run.
"""

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from agv2.core.errors import ConfigError, InvariantError

__all__ = ["Environment", "env_file_keys", "load_environment", "venue_address"]

_EXAMPLE = ".env.example shows every key"
_BACKEND = "/backend-api"
_TYPO_SIMILARITY = 0.8
_CACHE_MB = 2_000
_OUR_PREFIXES = ("TL_", "AGV2_")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?['\"]?(?P<key>[A-Za-z_]\w*)['\"]?\s*=(?P<value>.*)")


class Environment(BaseSettings):
    """What the process environment and `.env` of the working directory say; the environment wins.

    Other keys are somebody else's and ignored. An empty value is no value. `repr` shows no secret and no login.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",  # as Windows editors save it, or without the mark
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    tl_environment: str | None = None
    """REST address of the venue, always complete: `https://demo.tradelocker.com/backend-api`."""
    tl_email: Annotated[str | None, Field(repr=False)] = None
    tl_password: SecretStr | None = None
    tl_server: str | None = None
    """The broker's server name as typed at login; case matters."""
    tl_acc_num: Annotated[int, Field(ge=1)] | None = None
    """Number of the account within the login (`accNum`), not its id."""
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    mlflow_tracking_uri: Annotated[str | None, Field(repr=False)] = None
    otel_exporter_otlp_endpoint: Annotated[str | None, Field(repr=False)] = None
    agv2_telegram_token: SecretStr | None = None
    """Of the bot that sends alerts, as @BotFather gives it."""
    agv2_telegram_chat: Annotated[str | None, Field(repr=False)] = None
    agv2_webhook_url: SecretStr | None = None
    agv2_webhook_secret: SecretStr | None = None
    """Signs what is posted there."""
    agv2_home: Path | None = None
    agv2_feature_cache_mb: Annotated[int, Field(ge=0)] | None = None
    agv2_embedding_cache_mb: Annotated[int, Field(ge=0)] | None = None

    @field_validator("tl_environment")
    @classmethod
    def _complete_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return venue_address(value)
        except ConfigError as error:
            problem = str(error)
        raise ValueError(problem)

    @property
    def home(self) -> Path:
        """Where AGV2 keeps its data: `AGV2_HOME`, else `.agv2` in the user's home directory."""
        return Path("~/.agv2").expanduser() if self.agv2_home is None else self.agv2_home.expanduser()

    @property
    def bars_root(self) -> Path:
        """Where the local store of bars is."""
        return self.home / "data" / "bars"

    @property
    def encoders(self) -> Path:
        """Where trained encoders are kept, a directory each."""
        return self.home / "models" / "encoders"

    @property
    def feature_cache(self) -> Path:
        """Where computed features are kept; whatever is there may be deleted."""
        return self.home / "cache" / "features"

    @property
    def feature_cache_bytes(self) -> int:
        """What they may take there: `AGV2_FEATURE_CACHE_MB`, else 2 GB; 0: none are kept."""
        return _bytes(self.agv2_feature_cache_mb)

    @property
    def embedding_cache(self) -> Path:
        """Where embeddings of whole histories are kept; whatever is there may be deleted."""
        return self.home / "cache" / "embeddings"

    @property
    def embedding_cache_bytes(self) -> int:
        """What they may take there: `AGV2_EMBEDDING_CACHE_MB`, else 2 GB; 0: none are kept."""
        return _bytes(self.agv2_embedding_cache_mb)

    def require(self, *names: str) -> None:
        """Return if every key in `names` (such as `TL_EMAIL`) has a value.

        Raises:
            ConfigError: some have none; all of them are named at once.
        """
        keys = [name.lower() for name in names]
        for key in keys:
            if key not in type(self).model_fields:
                raise InvariantError(f"{key.upper()} is no key of the environment")
        missing = [key.upper() for key in keys if getattr(self, key) is None]
        if missing:
            raise ConfigError(f"not set: {', '.join(missing)}; set them in the environment or in .env; {_EXAMPLE}")


def _bytes(megabytes: int | None) -> int:
    return (_CACHE_MB if megabytes is None else megabytes) * 1_000_000


def load_environment(directory: Path | None = None) -> Environment:
    """The environment, with `.env` of `directory` (the working directory unless given) beneath it.

    Raises:
        ConfigError: a value cannot be used, `.env` cannot be read, or a key that starts with `TL_` or `AGV2_` is
            misspelt. The text names keys and never a value.
    """
    path = (Path() if directory is None else directory) / ".env"
    _require_readable_keys(path)
    _require_known(os.environ, "the environment", near_only=True)
    problems: list[str] = []
    try:
        return Environment(_env_file=path)  # type: ignore[call-arg]  # pydantic-settings' own argument
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False, include_context=False):
            key = ".".join(str(part) for part in each["loc"][:1]).upper()
            problems.append(f"{key}: {each['msg'].removeprefix('Value error, ')}")
    # Outside the handler: an exception that hangs on another one drags its inputs into tracebacks.
    raise ConfigError(f"{'; '.join(problems)}; correct it in the environment or in {path}; {_EXAMPLE}")


def env_file_keys(path: Path) -> list[str]:
    """Keys that the lines of a `.env` file set, as written and in order; values are not kept.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return [match["key"] for match in _assignments(path)]


def venue_address(text: str) -> str:
    """REST address of the venue at host or URL `text`.

    >>> venue_address("demo.tradelocker.com")
    'https://demo.tradelocker.com/backend-api'
    >>> venue_address("http://127.0.0.1:8080/")
    'http://127.0.0.1:8080/backend-api'

    Raises:
        ConfigError: it is no such thing, or it would send a password over plain http to another machine.
    """
    wanted = "write the venue's host, such as https://demo.tradelocker.com"
    parts = _split(text.strip())
    host = None if parts is None else parts.hostname
    if parts is None or not host or not re.fullmatch(r"[a-z0-9.:-]+", host):
        raise ConfigError(f"not an address; {wanted}")
    local = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
    scheme = parts.scheme or ("http" if local else "https")
    if scheme not in ("http", "https"):
        raise ConfigError(f"scheme {scheme}:// is not understood; {wanted}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(f"an address holds neither a login nor a query; {wanted}")
    if scheme == "http" and not local:
        raise ConfigError(f"plain http would show your password to others on the way to {host}; write https://{host}")
    if not local and "." not in host:
        raise ConfigError(f"{host} is no full host name; {wanted}")
    path = parts.path.rstrip("/").removesuffix(_BACKEND).rstrip("/")
    return f"{scheme}://{parts.netloc.lower()}{path}{_BACKEND}"


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        _ = parts.port  # read to be checked: a port that is no number is only noticed here
    except ValueError:
        return None
    return parts


def _require_readable_keys(path: Path) -> None:
    """Keys of the file `path` are spelt right, and no value of ours would be changed on the way in."""
    try:
        found = _assignments(path)
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
    else:
        _require_known((match["key"] for match in found), str(path), near_only=False)
        for match in found:
            key = match["key"].upper()
            if key.lower() in Environment.model_fields and "${" in match["value"]:
                raise ConfigError(f"{path}: ${{…}} in {key} would be expanded; set {key} in the environment instead")
        return
    raise ConfigError(f"{path}: cannot be read ({problem}); save it as UTF-8 text, readable by you")


def _assignments(path: Path) -> list[re.Match[str]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [match for line in lines if (match := _ASSIGNMENT.match(line))]


def _require_known(keys: Iterable[str], source: str, *, near_only: bool) -> None:
    """`near_only`: complain only about a key that resembles one of ours, since others may have theirs there."""
    known = [name.upper() for name in Environment.model_fields]
    for key in sorted({key.upper() for key in keys}):
        if key in known or not key.startswith(_OUR_PREFIXES):
            continue
        nearest = difflib.get_close_matches(key, known, n=1, cutoff=_TYPO_SIMILARITY)
        if nearest:
            raise ConfigError(f"{source}: {key} is no key of AGV2; did you mean {nearest[0]}? {_EXAMPLE}")
        if key.startswith("TL_") and not near_only:
            ours = ", ".join(each for each in known if each.startswith("TL_"))
            raise ConfigError(f"{source}: {key} is no key of AGV2; there are {ours}; {_EXAMPLE}")

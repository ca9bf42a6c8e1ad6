"""How often people are told what: the part `alerts` of `config/deploy.yaml`."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from agv2.core.errors import ConfigError
from agv2.deploy.loopback import is_loopback
from agv2.utils.config import Config

__all__ = ["AlertsConfig"]

Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class AlertsConfig(Config):
    """Settings of alerts; who gets them is in the environment, since those are secrets."""

    least: Literal["info", "warning", "alarm"]
    repeat_s: Annotated[float, Field(ge=0.0, le=604_800.0)]
    per_minute: Annotated[int, Field(ge=1, le=60)]
    attempts: Annotated[int, Field(ge=1, le=100)]
    timeout_s: Seconds
    summary_at: Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")]
    telegram_api: Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$")]

    @field_validator("telegram_api")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        try:
            return safe_address(value, "telegram_api")
        except ConfigError as error:
            problem = str(error)
        raise ValueError(problem)


def safe_address(address: str, name: str) -> str:
    """`address` without its last slash, if what goes there cannot be read on the way.

    Raises:
        ConfigError: plain http to another machine.
    """
    parts = urlsplit(address)
    is_local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or is_local):
        raise ConfigError(f"{name}: write an https:// address; plain http would show its secret to others on the way")
    return address.rstrip("/")

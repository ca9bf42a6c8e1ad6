"""What no line of the doctor may hold, whatever a server or a library puts into its message."""

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from agv2.utils.environment import Environment
from agv2.utils.logging_config import hide_secrets

__all__ = ["secrets_of", "without_secrets"]

_HIDDEN = "[hidden]"
_SHORTEST = 4
"""Shorter ones stand by chance in any text; they are kept out at the source."""


def secrets_of(environment: Environment | None) -> tuple[str, ...]:
    """Passwords, logins, and whole addresses that hold them; longest first."""
    if environment is None:
        return ()
    plain = [environment.tl_email, environment.mlflow_tracking_uri, environment.otel_exporter_otlp_endpoint]
    hidden = [getattr(environment, name) for name in type(environment).model_fields]
    texts = [each for each in plain if each]
    texts += [each.get_secret_value() for each in hidden if isinstance(each, SecretStr)]
    found = {secret for text in texts for secret in _inside(text)}
    return tuple(sorted((each for each in found if len(each) >= _SHORTEST), key=len, reverse=True))


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """`text` in one line, with every one of `secrets` taken out."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return " ".join(hide_secrets(text).split())


def _inside(text: str) -> list[str]:
    """The text itself, or of an address its password and what follows a question mark."""
    if "://" not in text:
        return [text]
    try:
        parts = urlsplit(text)
    except ValueError:
        return [text]
    if parts.password is None:
        return [parts.query]
    return [parts.password, unquote(parts.password), parts.query]

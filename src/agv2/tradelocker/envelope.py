"""The envelope `{"s": …, "d": …}` round the venue's answers, and its own words where it refuses."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import SecretStr

from agv2.core.errors import FinalVenueError, RefusedError
from agv2.tradelocker.json_values import mapping_of
from agv2.utils.logging_config import hide_secrets

__all__ = ["said", "unwrap", "without_secrets"]

_LONGEST_REASON = 300


def unwrap(answer: Any, where: str) -> Any:
    """The payload `d` of the envelope.

    Raises:
        RefusedError: the venue says `error`.
        FinalVenueError: there is no envelope or no payload.
    """
    envelope = mapping_of(answer, where)
    if envelope.get("s") == "error":
        raise RefusedError(f"{where}: the venue refused: {said(envelope)}")
    if envelope.get("s", "ok") != "ok" or envelope.get("d") is None:
        raise FinalVenueError(f"{where}: expected an answer with `d`, found keys {_names(envelope)}")
    return envelope["d"]


def said(envelope: Mapping[str, Any], secrets: Iterable[SecretStr] = ()) -> str:
    """The venue's own words of refusal, on one line, not endless, and without `secrets`."""
    for key in ("errmsg", "message", "error"):
        if isinstance(words := envelope.get(key), str) and words.strip():
            readable = words.encode("utf-8", "replace").decode()
            return " ".join(without_secrets(readable, secrets).split())[:_LONGEST_REASON]
    return "without a reason"


def without_secrets(text: str, secrets: Iterable[SecretStr]) -> str:
    """`text`, which the venue wrote, without `secrets` and whatever else looks like one."""
    for secret in secrets:
        value = secret.get_secret_value()
        for form in {value, value.lower(), value.upper()} - {""}:
            text = text.replace(form, "[hidden]")
    return hide_secrets(text)


def _names(envelope: Mapping[str, Any]) -> str:
    return ascii(", ".join(list(envelope)[:8]))[:80]

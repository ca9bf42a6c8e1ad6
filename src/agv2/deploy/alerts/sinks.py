"""Where alerts go: Telegram, a webhook, or nowhere but a line for who tries them out."""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

import httpx

from agv2.deploy.alerts.alert import Alert
from agv2.utils.logging_config import hide_secrets

__all__ = ["DryRunSink", "TelegramSink", "WebhookSink"]

_TELEGRAM_CHARACTERS = 4096
_LATER = (408, 425, 429)
_SERVER_ERRORS = 500
_SHOWN = 200


class Delivered(Enum):
    """What became of a message."""

    YES = "sent"
    LATER = "later"
    """Not taken now; the same may be taken later."""
    NO = "refused"
    """Not taken, and never will be: the settings are wrong."""


class Delivery(NamedTuple):
    """How one attempt ended."""

    outcome: Delivered
    problem: str = ""
    """For a person, without secrets."""
    wait_s: float = 0.0
    """How long the receiver wants to be left alone."""


class Sink(Protocol):
    """One channel to people."""

    @property
    def name(self) -> str:
        """For a person, and the label of a metric."""
        ...

    def send(self, alerts: Sequence[Alert], number: str) -> Delivery:
        """One attempt; blocks for no longer than the time-out, and raises nothing.

        Args:
            alerts: told together, oldest first.
            number: of the message, the same at each attempt.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class DryRunSink:
    """Tells what would have been sent.

    Args:
        tell: takes each line.
    """

    name = "dry-run"

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def send(self, alerts: Sequence[Alert], number: str) -> Delivery:
        """A line each."""
        for alert in alerts:
            self._tell(alert.line())
        return Delivery(Delivered.YES)

    def close(self) -> None:
        """Nothing is held."""


class TelegramSink:
    """Messages of a bot to one chat: `sendMessage` of the Bot API (https://core.telegram.org/bots/api#sendmessage).

    Args:
        api: address of the API.
        token: of the bot; in the path of every request, so no address is ever shown.
        chat: id of the chat, or `@name` of a channel.
        timeout_s: of one attempt.
    """

    name = "telegram"

    def __init__(self, api: str, token: str, chat: str, timeout_s: float) -> None:
        self._http = httpx.Client(timeout=timeout_s, follow_redirects=False)
        self._address, self._chat = f"{api}/bot{token}/sendMessage", chat

    def send(self, alerts: Sequence[Alert], number: str) -> Delivery:
        """One message of plain text, cut to what the API takes."""
        text = "\n".join(alert.line() for alert in alerts)
        if len(text) > _TELEGRAM_CHARACTERS:
            text = text[: _TELEGRAM_CHARACTERS - 2] + " …"
        body = {"chat_id": self._chat, "text": text, "link_preview_options": {"is_disabled": True}}
        reply = _posted(self._http, self._address, json.dumps(body).encode(), {})
        if isinstance(reply, Delivery):
            return reply
        said = _json_object(reply)
        if reply.status_code == httpx.codes.OK and said.get("ok") is True:
            return Delivery(Delivered.YES)
        parameters = said.get("parameters")
        wait_s = parameters.get("retry_after", 0.0) if isinstance(parameters, dict) else 0.0
        return _not_taken(reply, str(said.get("description", "")), wait_s)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()


class WebhookSink:
    """JSON to an address of yours; docs/guards.md has its form.

    Args:
        address: where it is posted; may hold a secret, so it is never shown.
        secret: signs the body as `X-AGV2-Signature: sha256=…`; empty: no signature.
        timeout_s: of one attempt.
    """

    name = "webhook"

    def __init__(self, address: str, secret: str, timeout_s: float) -> None:
        self._http = httpx.Client(timeout=timeout_s, follow_redirects=False)
        self._address, self._secret = address, secret.encode()

    def send(self, alerts: Sequence[Alert], number: str) -> Delivery:
        """One request."""
        told = [
            {
                "event": alert.event.value,
                "severity": alert.severity.name.lower(),
                "at": alert.at,
                "source": alert.source,
                "text": alert.text,
                "repeats": alert.repeats,
            }
            for alert in alerts
        ]
        body = json.dumps({"text": "\n".join(alert.line() for alert in alerts), "alerts": told}).encode()
        headers = {"X-AGV2-Delivery": number}
        if self._secret:
            headers["X-AGV2-Signature"] = f"sha256={hmac.new(self._secret, body, hashlib.sha256).hexdigest()}"
        reply = _posted(self._http, self._address, body, headers)
        if isinstance(reply, Delivery):
            return reply
        if reply.is_success:
            return Delivery(Delivered.YES)
        after = reply.headers.get("Retry-After", "")
        return _not_taken(reply, "", float(after) if after.isdigit() else 0.0)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()


def _posted(http: httpx.Client, address: str, body: bytes, headers: dict[str, str]) -> httpx.Response | Delivery:
    """The answer, or why there is none; errors of httpx may quote the address and are told by their kind alone."""
    try:
        return http.post(address, content=body, headers={"Content-Type": "application/json", **headers})
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        return Delivery(Delivered.NO, f"not an address ({type(error).__name__})")
    except httpx.HTTPError as error:
        return Delivery(Delivered.LATER, f"no answer ({type(error).__name__})")


def _not_taken(reply: httpx.Response, said: str, wait_s: object) -> Delivery:
    again = reply.status_code in _LATER or reply.status_code >= _SERVER_ERRORS
    words = f": {hide_secrets(said)[:_SHOWN]}" if said else ""
    return Delivery(
        Delivered.LATER if again else Delivered.NO,
        f"answered {reply.status_code}{words}",
        float(wait_s) if isinstance(wait_s, int | float) else 0.0,
    )


def _json_object(reply: httpx.Response) -> dict[str, Any]:
    try:
        said = reply.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}

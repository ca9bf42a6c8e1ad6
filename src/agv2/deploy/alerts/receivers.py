"""Who gets alerts: what the environment has the keys of."""

import logging

from agv2.core.errors import ConfigError
from agv2.deploy.alerts.config import AlertsConfig, safe_address
from agv2.deploy.alerts.sinks import Sink, TelegramSink, WebhookSink
from agv2.utils.environment import Environment

__all__ = ["receivers"]


def receivers(environment: Environment, config: AlertsConfig) -> list[Sink]:
    """The sinks that are configured; none where no key is set.

    Raises:
        ConfigError: half of a pair of keys is missing, or the address would show its secret on the way.
    """
    for name in ("httpx", "httpcore"):  # they log addresses, and with them the bot's token
        logging.getLogger(name).setLevel(logging.WARNING)
    found: list[Sink] = []
    token, chat = environment.agv2_telegram_token, environment.agv2_telegram_chat
    if (token is None) != (chat is None):
        missing = "AGV2_TELEGRAM_TOKEN" if token is None else "AGV2_TELEGRAM_CHAT"
        raise ConfigError(f"{missing} is not set: Telegram needs AGV2_TELEGRAM_TOKEN and AGV2_TELEGRAM_CHAT together")
    if token is not None and chat is not None:
        found.append(TelegramSink(config.telegram_api, token.get_secret_value(), chat, config.timeout_s))
    if environment.agv2_webhook_url is not None:
        address = environment.agv2_webhook_url.get_secret_value()
        secret = environment.agv2_webhook_secret
        safe_address(address, "AGV2_WEBHOOK_URL")
        found.append(WebhookSink(address, "" if secret is None else secret.get_secret_value(), config.timeout_s))
    return found

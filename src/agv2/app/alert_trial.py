"""A test message to every receiver of alerts."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from agv2.core.errors import ConfigError
from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity
from agv2.deploy.alerts.receivers import receivers
from agv2.deploy.alerts.sinks import Delivered, DryRunSink
from agv2.deploy.settings import DeploySettings
from agv2.utils.clock import SystemClock
from agv2.utils.config import Override, load_config
from agv2.utils.environment import load_environment

__all__ = ["alert_trial"]


def alert_trial(
    config: Path | None, overrides: Sequence[Override], tell: Callable[[str], object], *, dry_run: bool
) -> bool:
    """Send one message to each receiver, once, and say what became of it.

    Args:
        config: settings; None: as shipped.
        overrides: single settings.
        tell: takes a line for each receiver.
        dry_run: tell the message instead of sending it.

    Returns:
        Whether all were reached.

    Raises:
        ConfigError: nobody is configured, or a key or a setting is wrong.
    """
    settings = load_config(DeploySettings, "deploy", config, overrides).alerts
    alert = Alert(
        AlertEvent.TEST, Severity.INFO, SystemClock().now_ns(), "agv2 alert test", "if you can read this, alerts work"
    )
    sinks = receivers(load_environment(), settings)
    if dry_run:
        DryRunSink(tell).send([alert], "")
        tell(f"it would go to {', '.join(sink.name for sink in sinks) or 'nobody: no key is set'}")
        return True
    if not sinks:
        raise ConfigError(
            "nobody to alert: set AGV2_TELEGRAM_TOKEN and AGV2_TELEGRAM_CHAT, or AGV2_WEBHOOK_URL, in the environment "
            "or .env"
        )
    reached = True
    for sink in sinks:
        done = sink.send([alert], secrets.token_hex(8))
        sink.close()
        reached = reached and done.outcome is Delivered.YES
        tell(f"{sink.name}: {'delivered' if done.outcome is Delivered.YES else f'not delivered: {done.problem}'}")
    return reached

"""How people hear of a trader that fell silent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agv2.deploy.alerts.desk import AlertDesk
from agv2.deploy.alerts.guard_alert import alert_of_guard
from agv2.deploy.alerts.receivers import receivers
from agv2.deploy.settings import DeploySettings
from agv2.deploy.verdicts import GuardRecord
from agv2.utils.config import Override, load_config
from agv2.utils.environment import load_environment

__all__ = ["watchdog_alerts"]

_FLUSH_S = 15.0


@contextmanager
def watchdog_alerts(
    heartbeat: Path, config: Path | None, overrides: Sequence[Override]
) -> Iterator[Callable[[GuardRecord], None]]:
    """What takes a watchdog's records while the block lasts; what it was told is sent before the block ends.

    Args:
        heartbeat: names the trader, for people.
        config: settings; None: as shipped.
        overrides: single settings.

    Raises:
        ConfigError: a key or a setting is wrong.
    """
    settings = load_config(DeploySettings, "deploy", config, overrides).alerts
    desk = AlertDesk(receivers(load_environment(), settings), settings)

    def alert(record: GuardRecord) -> None:
        desk.post(alert_of_guard(record.as_json(), f"watchdog of {heartbeat.name}", record.at_ns))

    try:
        yield alert
    finally:
        desk.close(_FLUSH_S)

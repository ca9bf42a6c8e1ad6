"""What watches a trader: its guards, its heartbeat, and whoever tells people."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agv2.app.trading.alerting import TraderAlerts
from agv2.app.trading.places import guards_file, kill_switch
from agv2.app.trading.request import TradingRequest
from agv2.app.trading.settings import TraderSettings, watch_settings
from agv2.core.timeframes import Timeframe
from agv2.deploy.alerts.config import AlertsConfig
from agv2.deploy.alerts.desk import AlertDesk
from agv2.deploy.alerts.receivers import receivers
from agv2.deploy.guard_keeper import GuardKeeper
from agv2.deploy.guards import Guards
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.model_loader import ServedMarket
from agv2.deploy.open_hours import OpenHours
from agv2.deploy.pulse import Pulse
from agv2.deploy.safeguards import Heartbeat
from agv2.deploy.trader_guards import FileMemory, TraderGuards, TraderSwitch, journalled
from agv2.execution.journal import Journal
from agv2.execution.safeguards import Safeguards
from agv2.execution.trader_status import Tell, TraderStatus
from agv2.utils.clock import Clock, SystemClock
from agv2.utils.environment import Environment

__all__ = ["Watch", "Watched", "watching"]

_FLUSH_S = 5.0


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a trader that is about to start."""

    symbol: str
    timeframe: Timeframe
    model: ServedMarket | None
    journal: Journal
    journal_location: str
    venue_now: Callable[[], int] | None


@dataclass(frozen=True, slots=True)
class Watch:
    """What goes into a trader."""

    safeguards: Safeguards
    tell: Tell


@contextmanager
def watching(
    request: TradingRequest, settings: TraderSettings, environment: Environment, seen: Watched, tell: Tell
) -> Iterator[Watch]:
    """Guards and alerts of one trader while the block lasts; a recording is watched, and nobody is called for it.

    Raises:
        ConfigError: a setting or a key is wrong.
        BundleError: what was usual in training cannot be read.
        DataError: the state of the guards cannot be read.
    """
    chosen = watch_settings(request.bundle, request.config_dir, request.overrides)
    clock, source = SystemClock(), f"{request.mode} {seen.symbol} {seen.timeframe.name}"
    guards = _guards(request, settings, environment, seen, chosen.guards, clock, source)
    if request.feed is not None:
        yield Watch(guards, tell)
        return
    with _alerts(environment, chosen.alerts, seen.journal, clock, source) as alerts:

        def told(status: TraderStatus, what: str) -> None:
            tell(status, what)
            alerts.looked(status)

        yield Watch(guards, told)


def _guards(
    request: TradingRequest,
    settings: TraderSettings,
    environment: Environment,
    seen: Watched,
    config: GuardsConfig,
    clock: Clock,
    source: str,
) -> TraderGuards:
    switch = kill_switch(environment, seen.journal_location, clock)
    path = guards_file(switch)
    pulse = Pulse(Heartbeat(path.with_suffix(".heartbeat.json")), source, config.heartbeat.beat_s, clock)
    listen = f"heartbeat: run agv2 watchdog --heartbeat {pulse.heart.path} -- agv2 flatten beside this trader"
    notes = [listen] if request.feed is None else []
    model = seen.model
    if model is None:
        return TraderGuards(None, pulse, None, None, tuple(notes))
    guards = Guards.of_bundle(
        model.bundle.digest, model.bundle.reference(), seen.symbol, seen.timeframe, model.decider.params, config
    )
    keeper = GuardKeeper(
        guards,
        FileMemory(path),
        TraderSwitch(switch, is_heeded=request.guards == "halt"),
        lambda record: seen.journal.append(journalled(seen.symbol, record)),
    )
    if seen.venue_now is None:  # the feed is its own clock, and so is never late
        notes.append("guards off: stale_feed and clock_skew, where the feed's own time is believed")
        return TraderGuards(keeper, pulse, None, None, tuple(notes))
    hours = OpenHours(settings.markets.entry(seen.symbol)[0].calendar)
    if problem := hours.problem(clock.now_ns()):
        notes.append(f"guard off: stale_feed: {problem}")
    return TraderGuards(keeper, pulse, None if problem else hours, seen.venue_now, tuple(notes))


@contextmanager
def _alerts(
    environment: Environment, config: AlertsConfig, journal: Journal, clock: Clock, source: str
) -> Iterator[TraderAlerts]:
    desk = AlertDesk(receivers(environment, config), config)
    alerts = TraderAlerts(desk, source, clock, config.summary_at)
    journal.listen(alerts.heard)
    try:
        yield alerts
    finally:
        desk.close(_FLUSH_S)

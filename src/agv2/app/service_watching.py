"""What watches a decision service, put together: loaded in the background, with the models."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agv2.data.config import MarketsConfig
from agv2.deploy.alerts.desk import OUTCOMES, AlertDesk
from agv2.deploy.alerts.receivers import receivers
from agv2.deploy.decision_engine import DecisionEngine
from agv2.deploy.guard_keeper import GuardKeeper
from agv2.deploy.guards import Guards
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.open_hours import OpenHours
from agv2.deploy.pulse import Pulse
from agv2.deploy.safeguards import Heartbeat
from agv2.deploy.service import DecisionService
from agv2.deploy.service_watch import ServiceSwitch, ServiceWatch, StoreMemory, audited
from agv2.deploy.time_asked import TimeAsked
from agv2.deploy.watch_sight import WatchSight
from agv2.deploy.watcher import WatchedMarket
from agv2.models.live_reference import LiveReference
from agv2.utils.config import Override, load_config
from agv2.utils.environment import Environment

__all__ = ["open_watch"]

_ACCOUNT = "ACCOUNT"


def open_watch(
    service: DecisionService,
    engine: DecisionEngine,
    environment: Environment,
    directory: Path | None,
    overrides: Sequence[Override],
) -> ServiceWatch:
    """Guards of every served market, as the account's state has them; heartbeat and alerts.

    Args:
        service: has its state open.
        engine: ready to decide.
        environment: names the home, and who gets alerts.
        directory: of the settings; None: as shipped.
        overrides: of single settings.

    Raises:
        ConfigError: a setting or a key is wrong.
        BundleError: what was usual in training cannot be read.
        DataError: the state of the guards cannot be read.
        StateError: the store cannot be read.
    """
    config = load_config(GuardsConfig, "guards", directory, overrides)
    calendars = load_config(MarketsConfig, "markets", directory, overrides)
    reference = of_the_account(engine.bundle.reference(), tuple(engine.markets))
    markets = {}
    for symbol, served in engine.markets.items():
        guards = Guards.of_bundle(
            engine.bundle.digest, reference, symbol, served.timeframe, served.decider.params, config,
            n_books=len(engine.markets),
        )  # fmt: skip
        hours = OpenHours(calendars.entry(symbol)[0].calendar)
        off = [*guards.off]
        if not service.settings.clock_address:
            off.append("clock_skew: deploy.clock_address names nobody to ask for the time")
        if problem := hours.problem(service.clock.now_ns()):
            off.append(f"stale_feed: {problem}")
        keeper = GuardKeeper(
            guards, StoreMemory(service, symbol), ServiceSwitch(service), audited(service, symbol)
        )  # fmt: skip
        markets[symbol] = WatchedMarket(keeper, None if problem else hours, tuple(off))
    service.sight = WatchSight(
        markets, has_weekends=not any(each.instrument.calendar.weekend_nights for each in engine.markets.values())
    )
    name = f"service-{service.parts.account}"
    heart = Heartbeat(environment.home / "guards" / f"{name}.heartbeat.json")
    alerts = service.settings.alerts
    metrics = service.metrics

    reached = receivers(environment, alerts)
    for sink in reached:
        for outcome in OUTCOMES:  # there from the start: the first of a series is no increase to Prometheus
            metrics.alerts.labels(sink.name, outcome)

    def counted(receiver: str, outcome: str) -> None:
        metrics.alerts.labels(receiver, outcome).inc()

    address = service.settings.clock_address
    return ServiceWatch(
        service,
        markets,
        TimeAsked(address, service.clock).reading if address else None,
        Pulse(heart, name, config.heartbeat.beat_s, service.clock),
        config.heartbeat.beat_s,
        AlertDesk(reached, alerts, counted),
        alerts.summary_at,
    )


def of_the_account(reference: LiveReference, symbols: tuple[str, ...]) -> LiveReference:
    """The reference with the daily results of what a service's account is: its one book, or all of them together.

    The equity that callers tell is the account's. Where several markets are served, the first one's guards hold it
    against the account out of sample, if that had the same markets; else nothing is known of such an account.
    """
    if len(symbols) == 1:
        return reference
    judged = set(reference.daily_returns) - {_ACCOUNT}
    known = {symbols[0]: reference.daily_returns[_ACCOUNT]} if judged == set(symbols) else {}
    return replace(reference, daily_returns=known)

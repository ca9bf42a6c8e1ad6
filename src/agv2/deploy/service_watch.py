"""What halts the decision service by itself, and who is told: guards of each market, a heartbeat, alerts."""

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from agv2.core.errors import AGV2Error
from agv2.deploy.account_switch import AccountSwitch
from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity
from agv2.deploy.alerts.desk import AlertDesk
from agv2.deploy.alerts.from_audit import alert_of_audit
from agv2.deploy.alerts.summary_time import SummaryTime
from agv2.deploy.audit_chain import AuditKind
from agv2.deploy.clock_watch import ClockReading
from agv2.deploy.guard_keeper import SwitchLook
from agv2.deploy.pulse import Pulse
from agv2.deploy.service import DecisionService
from agv2.deploy.verdicts import GuardRecord
from agv2.deploy.watcher import WatchedMarket
from agv2.execution.safeguards import BarFacts

__all__ = ["ServiceSwitch", "ServiceWatch", "StoreMemory"]

_FLUSH_S = 5.0
_log = structlog.get_logger("agv2.service")


class StoreMemory:
    """The state of one market's guards, with the account's own.

    Args:
        service: whose account it is.
        symbol: of the market.
    """

    def __init__(self, service: DecisionService, symbol: str) -> None:
        self._service, self._key = service, f"guards:{service.parts.account}:{symbol}"

    def load(self) -> str | None:
        """What was saved last; None where nothing was."""
        return self._service.store.get(self._key)

    def save(self, text: str) -> None:
        """Replace what was saved, as long as the account is ours."""
        self._service.keep(self._key, text)


class ServiceSwitch:
    """The account's kill switch, as guards use it; what they do to it is in the audit log.

    Args:
        service: whose switch.
    """

    def __init__(self, service: DecisionService) -> None:
        self._service = service

    @property
    def _switch(self) -> AccountSwitch:
        return self._service.switch

    def look(self) -> SwitchLook:
        """What it says now."""
        state = self._switch.state()
        return SwitchLook(state.engaged, state.since_ns, state.actor, state.reason)

    def throw(self, reason: str, by: str, *, flatten: bool) -> None:
        """Forbid new positions, or more."""
        before = self._switch.state()
        after = self._switch.kill(by, reason, flatten=flatten)
        self._service.metrics.kill_switch.set(1.0)
        if after != before:
            body = {"request_id": "", "account": self._service.parts.account, "actor": by, "reason": reason}
            self._service.record(AuditKind.KILL, {**body, "flatten": flatten})


def audited(service: DecisionService, symbol: str) -> Callable[[GuardRecord], None]:
    """What writes the records of a market's guards into the audit log."""

    def write(record: GuardRecord) -> None:
        service.record(
            AuditKind.GUARD, {"account": service.parts.account, "symbol": symbol, **record.as_json()}
        )  # fmt: skip

    return write


class ServiceWatch:
    """Guards, heartbeat and alerts of one service.

    Guards are fed and looked after in the thread that decides, so that nothing is decided beside them; a service
    that hangs there gives no sign of life.

    Args:
        service: what is watched.
        markets: by symbol.
        clock_reading: asks another machine for the time where that is due, and may wait; None: nobody asks.
        pulse: the sign of life.
        beat_s: seconds between looks.
        desk: takes alerts.
        summary_at: `HH:MM` UTC of the daily summary; empty: none.
    """

    def __init__(
        self,
        service: DecisionService,
        markets: Mapping[str, WatchedMarket],
        clock_reading: Callable[[], ClockReading | None] | None,
        pulse: Pulse,
        beat_s: float,
        desk: AlertDesk,
        summary_at: str,
    ) -> None:
        self.markets = markets
        self._clock_reading = clock_reading
        self._service, self._pulse, self._beat_s, self._desk = service, pulse, beat_s, desk
        self._time = SummaryTime(summary_at, service.clock.now_ns())
        self._source = f"service {service.parts.account}"
        self._since_ns = service.clock.now_ns()
        self._n_decisions = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._tick_for_ever, name="watch", daemon=True)

    # ------------------------------------------------------------------------------------------ life

    def begin(self) -> None:
        """The service is ready: what tripped before holds again, and the heart begins to beat.

        Raises:
            DataError: the heartbeat cannot be written.
        """
        for symbol, market in self.markets.items():
            for reason in market.off:
                _log.warning("guard off", symbol=symbol, why=reason)
        self.settle()
        self._pulse.begin()
        self._thread.start()

    def end(self) -> None:
        """The service ends: no further looks, a goodbye."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
            self._pulse.end()

    def close(self) -> None:
        """Tell people what they were not told yet."""
        self._desk.close(_FLUSH_S)

    # ------------------------------------------------------------------------------------- the thread that decides

    def trips(self, symbol: str, facts: BarFacts) -> bool:
        """A bar was decided on; whether something tripped by it, so that it must be decided anew."""
        tripped = self.markets[symbol].keeper.after_bar(facts)
        self._measure(symbol)
        return tripped

    def settle(self) -> None:
        """Hold what has tripped against the switch, which a person may have re-armed."""
        for symbol, market in self.markets.items():
            market.keeper.settle(self._service.clock.now_ns())
            self._measure(symbol)

    def tick(self, reading: ClockReading | None = None) -> None:
        """Between decisions: silent feeds, what other processes did to the switch, the sign of life, the summary.

        Args:
            reading: of another machine's clock, where there is a new one.
        """
        now_ns = self._service.clock.now_ns()
        try:
            self.settle()
            for symbol, market in self.markets.items():
                if market.hours is not None:
                    market.keeper.between_bars(now_ns, *market.hours.since(self._since_ns, now_ns))
                if reading is not None:
                    market.keeper.after_reading(reading, now_ns)
                market.keeper.save()
                self._measure(symbol)
        except AGV2Error as error:
            _log.error("guards not looked after", why=str(error))
            return
        if all(self._service.checks().values()):
            self._pulse.beat()
        if self._time.is_due(now_ns):
            self._desk.tell(
                lambda: Alert(AlertEvent.DAILY_SUMMARY, Severity.INFO, now_ns, self._source, self._summary())
            )

    # ------------------------------------------------------------------------------------------ any thread

    def recorded(self, kind: AuditKind, body: Mapping[str, Any]) -> None:
        """A record is in the audit log."""
        self._n_decisions += kind is AuditKind.DECISION
        self._desk.tell(lambda: alert_of_audit(kind, body, self._source, self._service.clock.now_ns()))

    def _tick_for_ever(self) -> None:
        while not self._ending.wait(self._beat_s):
            try:
                self._service.when_idle(functools.partial(self.tick, self._asked_time()))
            except RuntimeError:  # closed meanwhile
                return

    def _asked_time(self) -> ClockReading | None:
        return None if self._clock_reading is None else self._clock_reading()

    def _measure(self, symbol: str) -> None:
        market, metrics = self.markets[symbol], self._service.metrics
        state = market.keeper.state
        tripped = state.tripwires.tripped
        for guard in market.guards:
            metrics.guard_tripped.labels(symbol, guard).set(float(guard in tripped))
        monitor = market.keeper.guards.drift
        if monitor is not None and state.drift is not None:
            metrics.drift.labels(symbol).set(float(monitor.limit_shares(state.drift).max()))

    def _summary(self) -> str:
        service, n_decisions = self._service, self._n_decisions
        self._n_decisions = 0
        kill, engine = service.switch.state(), service.engine
        halt = f"HALTED by {kill.actor}: {kill.reason}" if kill.engaged else "no halt"
        risk = None if engine is None else engine.risk
        money = "" if risk is None else f"; equity {risk.last_equity:,.2f} as last told"
        tripped = [f"{guard} of {symbol}" for symbol, market in self.markets.items()
                   for guard in market.keeper.state.tripwires.tripped]  # fmt: skip
        return f"daily summary: {halt}; {n_decisions} decisions{money}; guards tripped: {', '.join(tripped) or 'none'}"

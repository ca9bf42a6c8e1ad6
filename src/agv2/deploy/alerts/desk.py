"""The way of an alert to its receivers: once, not too often, and never at the cost of who raised it."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity
from agv2.deploy.alerts.config import AlertsConfig
from agv2.deploy.alerts.sinks import Delivered, Delivery, Sink

__all__ = ["AlertDesk"]

_WAITING = 200
_AT_ONCE = 20
_MINUTE_S = 60.0
_REMEMBERED_S = 86_400.0
"""How much longer than it is left out it is counted what was left out."""
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_log = structlog.get_logger("agv2.alerts")

Counted = Callable[[str, str], object]
"""Told of each alert that a sink is done with: the sink's name, and one of `OUTCOMES`."""
OUTCOMES = ("sent", "failed", "refused", "left_out")


@dataclass(slots=True)
class _Told:
    at_s: float
    left_out: int = 0


class AlertDesk:
    """Takes alerts from any thread and sends them from threads of its own, one a sink.

    What is told too often is counted and left out; what comes too fast goes together in one message; what a receiver
    does not take is tried again for a while, then dropped. `post` only ever appends to a queue.

    Args:
        sinks: receivers; closed with the desk.
        config: how often.
        counted: told of what became of each alert.
        now_s: steady seconds.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        config: AlertsConfig,
        counted: Counted = lambda sink, outcome: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._now_s = config, now_s
        self._least = Severity[config.least.upper()]
        self._lock = threading.Lock()
        self._told: dict[tuple[AlertEvent, str, str], _Told] = {}
        self._lines = [_Line(sink, config, counted, now_s) for sink in sinks]

    def post(self, alert: Alert) -> None:
        """Tell it, unless it is of no weight or was told a moment ago. Never blocks, never raises."""
        if alert.severity < self._least and alert.event is not AlertEvent.DAILY_SUMMARY:
            return
        due = self._due(alert)
        if due is not None:
            for line in self._lines:
                line.put(due)

    def tell(self, compose: Callable[[], Alert | None]) -> None:
        """`post` what `compose` makes, if anything. What it raises is logged: words must not stop a trade."""
        try:
            alert = compose()
        except Exception:  # noqa: BLE001 - whatever is wrong with a message, whoever raised it has better things to do
            _log.exception("no alert could be made of it")
            return
        if alert is not None:
            self.post(alert)

    def close(self, within_s: float) -> None:
        """Send what waits, one attempt each, and end."""
        ends_s = self._now_s() + within_s
        for line in self._lines:
            line.end()
        for line in self._lines:
            line.join(max(ends_s - self._now_s(), 0.0))

    def _due(self, alert: Alert) -> Alert | None:
        if not alert.key:
            return alert
        key, now_s = (alert.event, alert.source, alert.key), self._now_s()
        with self._lock:
            forgotten_s = now_s - self._config.repeat_s - _REMEMBERED_S
            self._told = {each: told for each, told in self._told.items() if told.at_s > forgotten_s}
            told = self._told.get(key)
            if told is not None and now_s - told.at_s < self._config.repeat_s:
                told.left_out += 1
                return None
            self._told[key] = _Told(now_s)
        return alert if told is None else replace(alert, repeats=told.left_out)


class _Line:
    """The queue and the thread of one sink."""

    def __init__(self, sink: Sink, config: AlertsConfig, counted: Counted, now_s: Callable[[], float]) -> None:
        self._sink, self._config, self._counted, self._now_s = sink, config, counted, now_s
        self._changed = threading.Condition()
        self._waiting: deque[Alert] = deque()
        self._sent_s: deque[float] = deque(maxlen=config.per_minute)
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=f"alerts {sink.name}", daemon=True)
        self._thread.start()

    def put(self, alert: Alert) -> None:
        with self._changed:
            if len(self._waiting) >= _WAITING:
                self._waiting.popleft()
                self._counted(self._sink.name, "left_out")
            self._waiting.append(alert)
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._is_ending = True
            self._changed.notify()

    def join(self, within_s: float) -> None:
        self._thread.join(within_s)

    def _run(self) -> None:
        while batch := self._next():
            self._sent_s.append(self._now_s())
            self._deliver(batch)
        self._sink.close()

    def _next(self) -> list[Alert]:
        """The next alerts to send together, once there are some and the pace allows; none: the end."""
        with self._changed:
            while not self._is_ending:
                full = len(self._sent_s) == self._config.per_minute
                wait_s = self._sent_s[0] + _MINUTE_S - self._now_s() if full else 0.0
                if self._waiting and wait_s <= 0.0:
                    break
                self._changed.wait(wait_s if self._waiting else None)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]

    def _deliver(self, batch: list[Alert]) -> None:
        number, wait_s = secrets.token_hex(8), _FIRST_WAIT_S
        for attempt in range(1, self._config.attempts + 1):
            done = self._attempt(batch, number)
            if done.outcome is Delivered.YES:
                self._count(batch, "sent")
                return
            if done.outcome is Delivered.NO or self._is_ending or attempt == self._config.attempts:
                break
            with self._changed:
                self._changed.wait_for(lambda: self._is_ending, max(wait_s, done.wait_s))
            wait_s = min(2.0 * wait_s, _LONGEST_WAIT_S)
        outcome = "refused" if done.outcome is Delivered.NO else "failed"
        self._count(batch, outcome)
        _log.error("alerts not delivered", sink=self._sink.name, alerts=len(batch), problem=done.problem)

    def _attempt(self, batch: list[Alert], number: str) -> Delivery:
        try:
            return self._sink.send(batch, number)
        except Exception as error:  # noqa: BLE001 - whatever a sink does, the next alert must still go out
            return Delivery(Delivered.NO, f"unexpected {type(error).__name__}")

    def _count(self, batch: list[Alert], outcome: str) -> None:
        for _ in batch:
            self._counted(self._sink.name, outcome)

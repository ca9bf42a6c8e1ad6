"""What Prometheus may ask the service; docs/metrics.md is made from it by `tools/metrics_page.py`."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

__all__ = ["MetricNote", "ServiceMetrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_KINDS = ("missing", "wrong", "limited", "unreadable")


class MetricNote(NamedTuple):
    """What a reader of a metric has to know."""

    name: str
    """As in an expression; of a histogram without `_bucket`, `_sum` and `_count`."""
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> dict[str, tuple[str, ...]]:
        """Names that an expression may use, each with its labels."""
        if self.kind != "histogram":
            return {self.name: self.labels}
        plain = {f"{self.name}_{part}": self.labels for part in ("sum", "count")}
        return {**plain, f"{self.name}_bucket": (*self.labels, "le")}


class ServiceMetrics:
    """Counters of one service; a registry of its own, so that tests and several services do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.notes: list[MetricNote] = []
        """One for each, in the order of this file."""
        self.requests = self._counter("requests", "Requests answered.", "route", "method", "status")
        self.request_seconds = self._histogram("request_seconds", "Time to answer a request.", "route")
        self.decide_seconds = self._histogram("decide_seconds", "Time from bars to a decision, waiting left out.")
        self.decisions = self._counter("decisions", "Decisions made.", "symbol", "side", "reason")
        self.newest_bar = self._gauge(
            "newest_bar_timestamp_seconds", "Unix time at which the newest bar decided on opened.", "symbol"
        )
        self.entropy = self._gauge("policy_entropy_nats", "Entropy of the policy's last choice.", "symbol")
        self.auth_failures = self._counter("auth_failures", "Requests with a wrong or missing token.", "kind")
        self.ready = self._gauge("ready", "1 while decisions can be asked for.")
        self.kill_switch = self._gauge("kill_switch", "1 while new positions are forbidden, as last read.")
        self.state_readable = self._gauge("state_readable", "1 while the state, the kill switch with it, can be read.")
        self.lease_held = self._gauge("lease_held", "1 while the account is ours.")
        self.audit_records = self._gauge("audit_records", "Number of the audit log's newest record.")
        self.attributions_dropped = self._counter("attributions_dropped", "Decisions whose attribution was left out.")
        self.approvals = self._counter("approvals", "Answers to requests for approval.", "answer")
        self.guard_tripped = self._gauge(
            "guard_tripped", "1 while a guard has tripped and was not re-armed.", "symbol", "guard"
        )
        self.drift = self._gauge(
            "drift_limit_share", "The feature that has strayed furthest, as a share of its limit.", "symbol"
        )
        self.alerts = self._counter("alerts", "Alerts that a receiver is done with.", "receiver", "outcome")
        self.model = self._gauge("model_info", "1 for the bundle that serves.", "model", "runtime")
        for kind in _KINDS:  # there from the start: the first of a series is no increase to Prometheus
            self.auth_failures.labels(kind)
        for answer in ("yes", "no"):
            self.approvals.labels(answer)

    def text(self) -> bytes:
        """All of them in Prometheus' text form."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        self.notes.append(MetricNote(f"agv2_{name}_total", "counter", labels, meaning))
        return Counter(f"agv2_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        self.notes.append(MetricNote(f"agv2_{name}", "gauge", labels, meaning))
        return Gauge(f"agv2_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        self.notes.append(MetricNote(f"agv2_{name}", "histogram", labels, meaning))
        return Histogram(f"agv2_{name}", meaning, labels, buckets=_SECONDS, registry=self.registry)

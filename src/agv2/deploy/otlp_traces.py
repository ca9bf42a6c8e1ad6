"""Spans to a collector by OTLP: HTTP with protobuf, from a bounded queue that nobody waits for.

Loads OpenTelemetry, half a second of imports: import this module only where an endpoint is set.
"""

import logging
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import structlog

from agv2.core.errors import ConfigError
from agv2.utils.logging_config import hide_secrets
from agv2.utils.tracing import Attribute, Place, SpanKind

__all__ = ["OtlpTraces"]

_KEY = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TIMEOUT_S = 5.0
_QUEUE = 2_048
# Coding a batch holds the interpreter: one this small is done before a decision would notice.
_BATCH = 64
_EVERY_S = 1.0
_COMPLAINT_S = 60.0
_NAMES = {
    "http_method": "http.request.method",
    "http_route": "http.route",
    "http_status": "http.response.status_code",
}
_log = structlog.get_logger("agv2.traces")


class OtlpTraces:
    """Collects spans and sends them from a thread of its own; what the collector does not take in time is dropped.

    Args:
        endpoint: address of the collector; `/v1/traces` is added.
        service: what the spans are of.
        attributes: of the process, such as the account.

    Raises:
        ConfigError: the packages are not there, or the address is none.
    """

    def __init__(self, endpoint: str, service: str, attributes: Mapping[str, str]) -> None:
        if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
            raise ConfigError(f"{_KEY} is no address; write http://HOST:4318, the port for HTTP")
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise ConfigError(
                f"{_KEY} is set but its exporter is not installed: python bootstrap.py install --with otlp, "
                "or unset the key"
            ) from error
        self._complaints = _Complaints()
        self._exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_TIMEOUT_S)
        self._queue = BatchSpanProcessor(
            self._exporter,
            max_queue_size=_QUEUE,
            max_export_batch_size=_BATCH,
            schedule_delay_millis=1e3 * _EVERY_S,
        )
        # What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say comes on top.
        own = {f"agv2.{name}": value for name, value in attributes.items()}
        resource = Resource({"service.name": service, "service.version": version("agv2"), **own})
        provider = TracerProvider(resource=resource.merge(_told()), shutdown_on_exit=False)
        provider.add_span_processor(self._queue)
        self._tracer = provider.get_tracer("agv2", version("agv2"))

    def begin(
        self, name: str, parent: Place | None, kind: SpanKind, attributes: Mapping[str, Attribute]
    ) -> "_OtlpSpan":
        """A span that begins now."""
        from opentelemetry.trace import SpanKind as Kind

        inside = None if parent is None else _context(parent, is_remote=kind is SpanKind.SERVER)
        found = self._tracer.start_span(name, inside, Kind[kind.name], _named(attributes))
        return _OtlpSpan(self._tracer, found)

    def close(self, patience_s: float) -> None:
        """Send what waits, for so long at most; the rest is dropped."""
        ending = threading.Thread(target=self._queue.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(patience_s)
        self._exporter.shutdown()
        self._complaints.end()


class _OtlpSpan:
    """A span of the SDK, by the words of `utils.tracing.Span`."""

    __slots__ = ("_span", "_tracer", "place")

    def __init__(self, tracer: Any, span: Any) -> None:
        self._tracer, self._span = tracer, span
        context = span.get_span_context()
        known = f"{context.trace_id:032x}", f"{context.span_id:016x}", f"{int(context.trace_flags):02x}"
        self.place = Place(*known) if context.is_valid else None

    def tell(self, **attributes: Attribute) -> None:
        self._span.set_attributes(_named(attributes))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def led_to(self, name: str) -> None:
        if self.place is not None and self._span.is_recording():
            inside = _context(self.place, is_remote=False)
            self._tracer.start_span(name, inside, start_time=self._span.start_time).end()

    def end(self, error: BaseException | None) -> None:
        from opentelemetry.trace import StatusCode

        if error is not None:
            self._span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {hide_secrets(str(error))}")
        self._span.end()


class _Complaints(logging.Handler):
    """What OpenTelemetry complains about, in our log: once a minute, in a line, without secrets."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._logger = logging.getLogger("opentelemetry")
        self._before = self._logger.handlers, self._logger.propagate
        self._logger.handlers, self._logger.propagate = [self], False
        self._last_s = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now_s = time.perf_counter()
        if now_s - self._last_s >= _COMPLAINT_S:
            self._last_s = now_s
            _log.warning("traces are not delivered; nothing depends on them", why=hide_secrets(record.getMessage()))

    def end(self) -> None:
        self._logger.handlers, self._logger.propagate = self._before


def _context(place: Place, *, is_remote: bool) -> Any:
    from opentelemetry import trace

    known = trace.SpanContext(
        int(place.trace_id, 16), int(place.span_id, 16), is_remote, trace.TraceFlags(int(place.flags, 16))
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(known))


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {_NAMES.get(name, f"agv2.{name}"): value for name, value in attributes.items()}


def _told() -> Any:
    """What the variables of OpenTelemetry say of the process."""
    from opentelemetry.sdk.resources import OTELResourceDetector

    return OTELResourceDetector().detect()

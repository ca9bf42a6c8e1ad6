"""Traces of a process, where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector; else nothing is loaded."""

from contextlib import ExitStack
from types import TracebackType

import structlog

from agv2.core.errors import ConfigError
from agv2.utils.environment import Environment
from agv2.utils.tracing import spans_to

__all__ = ["Traces"]

_FAREWELL_S = 3.0
_log = structlog.get_logger("agv2.traces")


class Traces:
    """Spans of this process on their way to a collector, between entering the block and leaving it.

    What cannot be set up is said, and nothing depends on it: whoever protects a position must not fail to start for
    want of a collector.

    Args:
        environment: names the collector.
        service: what the spans are of, such as `agv2-service`.
        attributes: of the process, such as its account; no secrets.
    """

    def __init__(self, environment: Environment, service: str, **attributes: str) -> None:
        self._endpoint = environment.otel_exporter_otlp_endpoint
        self._service, self._attributes = service, attributes
        self._open = ExitStack()

    def begin(self) -> None:
        """Load what sends them; half a second where they are wanted, nothing where not."""
        if not self._endpoint:
            return
        from agv2.deploy.otlp_traces import OtlpTraces

        try:
            traces = OtlpTraces(self._endpoint, self._service, self._attributes)
        except ConfigError as error:
            _log.warning("no traces", why=str(error))
            return
        self._open.callback(traces.close, _FAREWELL_S)
        self._open.enter_context(spans_to(traces))

    def end(self) -> None:
        """Send what waits, and collect no more."""
        self._open.close()

    def __enter__(self) -> "Traces":
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

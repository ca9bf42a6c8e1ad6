"""A collector of traces that takes OTLP over HTTP as protobuf, and misbehaves on request."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

__all__ = ["Collected", "Collector", "collector"]


@dataclass(frozen=True, slots=True)
class Collected:
    """One span as it arrived."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    failed: str
    start_ns: int
    end_ns: int


class Collector:
    """Answers 200; where `hangs` is set it answers nothing until that is over."""

    def __init__(self) -> None:
        self.spans: list[Collected] = []
        self.status = 200
        self.asked = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.came = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked += 1
                if not outer.goes_on.is_set():
                    outer.goes_on.wait(60.0)
                    return
                with outer.came:
                    if self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf":
                        outer.spans += _spans(body)
                    outer.came.notify_all()
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def named(self, *names: str) -> dict[str, Collected]:
        """The first span of each name, once all of them are there."""
        with self.came:
            assert self.came.wait_for(lambda: set(names) <= {each.name for each in self.spans}, 20.0), self.spans
            return {each.name: each for each in reversed(self.spans)}

    def close(self) -> None:
        self.goes_on.set()
        self.server.shutdown()
        self.server.server_close()


def _spans(body: bytes) -> Iterator[Collected]:
    if not body:  # somebody asks whether we are there; that needs no library
        return
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in batch.scope_spans:
            for span in scope.spans:
                yield Collected(
                    span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.kind,
                    _plain(span.attributes), _plain(batch.resource.attributes),
                    span.status.message, span.start_time_unix_nano, span.end_time_unix_nano,
                )  # fmt: skip


def _plain(pairs: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in pairs}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that listens."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    found = Collector()
    yield found
    found.close()

"""Traces of decisions at a collector: whole, found from log and audit log, and never in a decision's way."""

import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agv2.core.errors import ConfigError
from agv2.deploy.audit_chain import AuditKind, read_records
from agv2.utils.tracing import Place, continuing, span, spans_to
from tests.collectors import Collector, collector
from tests.test_deploy.conftest import Serve, lines_of
from tests.untrained_bundles import ToldBars

__all__ = ["collector"]

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@contextmanager
def tracing(url: str, farewell_s: float = 5.0) -> Iterator[None]:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from agv2.deploy.otlp_traces import OtlpTraces

    traces = OtlpTraces(url, "agv2-service", {"account": "DEMO"})
    try:
        with spans_to(traces):
            yield
    finally:
        traces.close(farewell_s)


def test_a_decision_is_one_trace_from_request_to_state_found_from_log_and_audit_log(
    serve: Serve, told_bars: ToldBars, collector: Collector, log: io.StringIO
) -> None:
    with tracing(collector.url):
        served = serve()
        headers = {"traceparent": CALLER, "X-Request-ID": "desk-7"}
        answer = served.ask("POST", "/v1/decide", json=told_bars.question(2_900), headers=headers)
        worker = served.service._explaining
        assert worker is not None
        worker.stop(60.0)
        serve.stop(served)  # type: ignore[attr-defined]
    trace_id, span_id = CALLER.split("-")[1:3]
    steps = ("receive", "decide", "features", "encoder", "policy", "risk", "audit", "state", "attribution")
    spans = collector.named("POST /v1/decide", *steps)
    assert {each.trace_id for each in collector.spans} == {trace_id}, "neither warming up nor starting is a trace"
    assert set(spans) == {"POST /v1/decide", *steps}
    door = spans["POST /v1/decide"]
    assert (door.parent_id, door.kind) == (span_id, 2), "the caller's span, and we answer"
    assert answer.headers["traceparent"] == f"00-{trace_id}-{door.span_id}-01"
    assert door.attributes["agv2.request_id"] == "desk-7"
    assert (door.attributes["http.route"], door.attributes["http.response.status_code"]) == ("/v1/decide", 200)
    assert door.resource["service.name"] == "agv2-service"
    assert door.resource["agv2.account"] == "DEMO"
    parents = {name: spans[name].parent_id for name in ("receive", "decide", "state")}
    assert set(parents.values()) == {door.span_id}
    assert {spans[name].parent_id for name in ("features", "encoder", "policy", "risk")} == {spans["decide"].span_id}
    assert all(door.start_ns <= spans[name].start_ns <= spans[name].end_ns <= door.end_ns for name in steps[:-1])

    records = [each for each in read_records(served.service.parts.audit) if each.body.get("trace_id") == trace_id]
    assert [each.kind for each in records] == [AuditKind.DECISION, AuditKind.ATTRIBUTION]
    assert records[0].number == answer.json()["record"]["number"]
    assert {each.attributes["agv2.record"] for each in collector.spans if each.name == "audit"} == {
        each.number for each in records
    }
    lines = [line for line in lines_of(log) if line.get("trace_id") == trace_id]
    assert [line["event"] for line in lines] == ["request"]
    assert lines[0]["request_id"] == records[0].body["request_id"] == "desk-7"


def test_who_looks_leaves_no_trace_and_who_acts_does(serve: Serve, collector: Collector) -> None:
    with tracing(collector.url):
        served = serve()
        served.ask("GET", "/v1/state")
        served.ask("POST", "/v1/kill", json={"reason": "drill"})
        serve.stop(served)  # type: ignore[attr-defined]
    spans = collector.named("POST /v1/kill")
    assert not [each.name for each in collector.spans if each.name.startswith("GET")]
    (record,) = [each for each in read_records(served.service.parts.audit) if each.kind == AuditKind.KILL]
    assert record.body["trace_id"] == spans["POST /v1/kill"].trace_id


def test_a_step_that_fails_says_so_without_secrets(collector: Collector) -> None:
    with tracing(collector.url), pytest.raises(ConfigError), span("step"):
        raise ConfigError("redis://:pl4nted@host is away")
    assert collector.named("step")["step"].failed == "ConfigError: redis://:[hidden]@host is away"


@pytest.mark.parametrize("trouble", ["nobody listens", "hangs", "refuses"])
def test_no_collector_in_whatever_state_slows_or_fails_a_decision(
    serve: Serve, told_bars: ToldBars, collector: Collector, log: io.StringIO, trouble: str
) -> None:
    url = collector.url
    if trouble == "hangs":
        collector.goes_on.clear()
    elif trouble == "refuses":
        collector.status = 500
    else:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            url = f"http://me:pl4nted@127.0.0.1:{gone.getsockname()[1]}"
    served = serve("attribution.enabled=false")
    served.ask("POST", "/v1/decide", json=told_bars.question(2_900))
    plain, traced = [], []
    began = time.perf_counter()
    with tracing(url, farewell_s=0.5):
        for _ in range(3_000):  # more than the queue holds
            with span("filler"):
                pass
        for stop in range(2_901, 2_921):
            sent = time.perf_counter()
            answer = served.ask("POST", "/v1/decide", json=told_bars.question(stop, 2))
            traced.append(time.perf_counter() - sent)
            assert answer.status_code == 200
        ending = time.perf_counter()
    assert time.perf_counter() - ending < 2.0, "a goodbye has its limit"
    assert time.perf_counter() - began < 30.0
    for stop in range(2_921, 2_941):
        sent = time.perf_counter()
        served.ask("POST", "/v1/decide", json=told_bars.question(stop, 2))
        plain.append(time.perf_counter() - sent)
    assert sorted(traced)[10] < 4.0 * sorted(plain)[10] + 0.02
    assert "pl4nted" not in log.getvalue()
    if trouble == "nobody listens":
        assert [line for line in lines_of(log) if line["event"].startswith("traces are not delivered")]


def test_an_address_that_is_none_is_refused_without_repeating_it() -> None:
    from agv2.deploy.otlp_traces import OtlpTraces

    with pytest.raises(ConfigError, match="is no address") as refused:
        OtlpTraces("me:pl4nted@host", "agv2-service", {})
    assert "pl4nted" not in str(refused.value)


def test_the_caller_s_trace_is_in_log_and_audit_log_also_where_nobody_collects(
    serve: Serve, told_bars: ToldBars, log: io.StringIO
) -> None:
    served = serve("attribution.enabled=false")
    answer = served.ask("POST", "/v1/decide", json=told_bars.question(2_900), headers={"traceparent": CALLER})
    assert answer.headers["traceparent"] == CALLER
    bare = served.ask("POST", "/v1/decide", json=told_bars.question(2_901), headers={"traceparent": "00-0-0-01"})
    assert "traceparent" not in bare.headers
    first, second = [each for each in read_records(served.service.parts.audit) if each.kind == AuditKind.DECISION]
    assert first.body["trace_id"] == CALLER.split("-")[1]
    assert "trace_id" not in second.body
    assert [line.get("trace_id") for line in lines_of(log) if line["event"] == "request"] == [
        CALLER.split("-")[1],
        None,
    ]


def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded() -> None:
    code = (
        "import sys, agv2.app.serving, agv2.app.trading.session\n"
        "from agv2.app.traces import Traces\n"
        "from agv2.utils.environment import Environment\n"
        "with Traces(Environment(_env_file=None), 'agv2-service', account='A'):\n"
        "    ours = ('opentelemetry.sdk', 'opentelemetry.exporter', 'google')\n"  # FastAPI looks for the API by itself
        "    print([name for name in sys.modules if name.startswith(ours)])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=bare())
    assert done.stdout.strip() == "[]"


def test_with_an_endpoint_and_without_its_packages_it_says_so_and_goes_on(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "from agv2.app.traces import Traces\n"
        "from agv2.utils.environment import load_environment\n"
        "from agv2.utils.logging_config import configure_logging\n"
        "configure_logging(json=True)\n"
        "with Traces(load_environment(), 'agv2-service', account='A'):\n"
        "    print('goes on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=bare() | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
    )
    assert done.stdout.strip() == "goes on"
    (line,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert "install --with otlp" in line["why"]


def bare() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def test_a_place_continues_a_trace_wherever_it_is_taken_up(collector: Collector) -> None:
    with tracing(collector.url), span("bar"), continuing(Place.parse(CALLER)), span("fill"):
        pass
    spans = collector.named("bar", "fill")
    assert spans["fill"].trace_id == CALLER.split("-")[1] != spans["bar"].trace_id

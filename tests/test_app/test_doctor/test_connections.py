import http.server
import importlib.machinery
import importlib.util
import threading
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from agv2.app.doctor.connections import check_mlflow, check_telemetry, check_venue
from agv2.app.doctor.finding import Finding, Status
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import Clock, ReplayClock, SystemClock
from agv2.utils.environment import Environment
from tests.collectors import Collector
from tests.factories import some_bars

NS_PER_S = 1_000_000_000


def at_the_venue(clock: Clock) -> Finding:
    login = FakeLogin()
    with FakeTradeLocker([Listing("ETHUSD", some_bars(300, symbol="ETHUSD"))], clock=SystemClock()) as fake:
        environment = Environment.model_construct(
            tl_environment=fake.url,
            tl_email=login.email,
            tl_password=SecretStr(login.password),
            tl_server=login.server,
            tl_acc_num=1,
        )
        return check_venue(environment, clock, np.random.default_rng(1), 5.0)


@pytest.mark.parametrize(("ahead_s", "side"), [(60, "ahead of"), (-60, "behind")])
def test_a_clock_far_from_the_venues_fails(ahead_s: int, side: str) -> None:
    finding = at_the_venue(ReplayClock(SystemClock().now_ns() + ahead_s * NS_PER_S))
    assert finding.status is Status.FAILED
    assert f"s {side} the venue's, more than 5 s" in finding.detail
    assert "set-ntp" in finding.remedy


def test_a_clock_that_agrees_is_said_to() -> None:
    finding = at_the_venue(SystemClock())
    assert finding.status is Status.OK
    assert finding.detail.endswith("clocks agree")


@pytest.fixture
def with_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.machinery.ModuleSpec("mlflow", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found if name == "mlflow" else None)


def mlflow(uri: str) -> Finding:
    return check_mlflow(Environment.model_construct(mlflow_tracking_uri=uri))


def test_a_package_that_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    finding = mlflow("http://127.0.0.1:5000")
    assert finding.status is Status.FAILED
    assert "install --with mlflow" in finding.remedy


@pytest.mark.usefixtures("with_mlflow")
def test_a_database_file_needs_its_folder_and_is_not_made(tmp_path: Path) -> None:
    assert mlflow(f"sqlite:///{tmp_path}/mlflow.db").status is Status.OK
    assert mlflow(f"sqlite:///{tmp_path}/nowhere/mlflow.db").status is Status.FAILED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("with_mlflow")
@pytest.mark.parametrize("uri", ["http://me:pl4n/ted@host", "http://host:port"])
def test_what_is_no_address_is_not_repeated(uri: str) -> None:
    for finding in (mlflow(uri), check_telemetry(Environment.model_construct(otel_exporter_otlp_endpoint=uri))):
        assert finding.status is Status.FAILED
        assert finding.detail.endswith("is no address")


def test_a_collector_is_sent_no_spans_and_its_answer_is_told() -> None:
    def look(uri: str) -> Finding:
        return check_telemetry(Environment.model_construct(otel_exporter_otlp_endpoint=uri))

    collector = Collector()
    where = collector.url.removeprefix("http://")
    try:
        well = look(f"http://me:pl4nted@{where}/")
        assert (well.status, well.detail) == (Status.OK, f"http://{where} takes traces")
        for status, expected in ((401, Status.WARNING), (404, Status.FAILED)):
            collector.status = status
            found = look(collector.url)
            assert (found.status, str(status) in found.detail) == (expected, True)
        assert (collector.asked, collector.spans) == (3, [])
    finally:
        collector.close()
    gone = look(collector.url)
    assert (gone.status, gone.detail) == (Status.FAILED, f"http://{where} does not answer (ConnectError)")


class _Pages(http.server.BaseHTTPRequestHandler):
    """A server that is well where a page `/health` of MLflow's would be, and nothing else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.mark.usefixtures("with_mlflow")
def test_a_server_is_asked_for_its_health() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        well, other = mlflow(f"http://me:pl4nted@{address}"), mlflow(f"http://{address}/elsewhere")
        server.shutdown()
        thread.join()
    assert (well.status, well.detail) == (Status.OK, f"http://{address} is healthy")
    assert (other.status, other.detail) == (
        Status.FAILED,
        f"http://{address}/elsewhere answers 404 when asked for its health",
    )


@pytest.mark.usefixtures("with_mlflow")
def test_a_store_that_has_no_host_is_not_called_reachable() -> None:
    assert mlflow("databricks://profile-without-port").status is Status.WARNING

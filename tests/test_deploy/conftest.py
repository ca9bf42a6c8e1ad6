"""A service over a finished run's bundle, asked over real HTTP; and its clock."""

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI

from agv2.deploy.console.shell import mount_console
from agv2.deploy.server import create_app
from agv2.deploy.service import DecisionService
from agv2.deploy.service_parts import ServiceParts
from agv2.deploy.settings import DeploySettings, Runtime
from agv2.deploy.state.sqlite_state import SqliteState
from agv2.deploy.tokens import Role, TokenStore
from agv2.utils.clock import ReplayClock
from agv2.utils.config import load_config, parse_override
from agv2.utils.logging_config import configure_logging
from tests.untrained_bundles import ToldBars

NOON_NS = 1_900_000_000 * 10**9

Serve = Callable[..., "Served"]


class Served:
    """One service with its callers."""

    def __init__(self, service: DecisionService, app: FastAPI, tokens: dict[str, str]) -> None:
        self.service, self.app, self.tokens = service, app, tokens
        self.failures: list[Exception] = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.client = httpx.Client(base_url=self.url, timeout=60.0)
        config = uvicorn.Config(app, http="h11", loop="asyncio", ws="none", log_config=None, server_header=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def call(self, work: Callable[[], object]) -> None:
        """Carry `work` out where the service runs."""
        self._server.servers[0].get_loop().call_soon_threadsafe(work)

    def stop(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(60.0)

    def ask(self, method: str, path: str, role: str = "operator", **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return self.client.request(method, path, headers=headers | more.pop("headers", {}), **more)

    def wait_ready(self) -> "Served":
        self.service._thread.join(60.0)
        assert not self.failures, self.failures
        return self


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as JSON lines."""
    stream = io.StringIO()
    configure_logging(json=True, level="DEBUG", stream=stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(NOON_NS)


@pytest.fixture
def serve(untrained_bundle: Path, tmp_path: Path, clock: ReplayClock, log: io.StringIO) -> Iterator[Serve]:
    """Starts services in one home, as often as a test likes, and stops them."""
    running: list[Served] = []

    def start(*settings: str, ready: bool = True, **more: Any) -> Served:
        served = started(untrained_bundle, tmp_path, *settings, **{"clock": clock} | more)
        running.append(served)
        return served.wait_ready() if ready else served

    def stop(served: Served) -> None:
        running.remove(served)
        served.stop()

    start.stop = stop  # type: ignore[attr-defined]  # a test that restarts needs both
    yield start
    for served in running:
        served.stop()


def started(bundle: Path, home: Path, *settings: str, account: str = "DEMO", **more: Any) -> Served:
    """A service that begins to load, with a token of each role."""
    chosen: dict[str, Any] = {"other_switches": tuple, "engine": None, "watch": None} | more
    clock = chosen["clock"]
    config = load_config(DeploySettings, "deploy", None, [parse_override(f"deploy.{each}") for each in settings])
    parts = ServiceParts(
        account=account,
        audit=home / "audit" / f"{account}.jsonl",
        open_state=lambda: SqliteState(home / "state.db", clock),
        load_engine=chosen["engine"] or (lambda: engine_of(bundle, config.runtime)),
        other_switches=chosen["other_switches"],
        open_watch=chosen["watch"],
    )
    failures: list[Exception] = []
    service = DecisionService(parts, config, clock, failures.append)
    store = TokenStore(home / "tokens.json", clock)
    tokens = {role.value: store.issue(role)[1] for role in Role}
    served = Served(service, create_app(service, store, [mount_console]), tokens)
    served.failures = failures
    return served


@pytest.fixture(scope="module")
def watched(untrained_bundle: Path, told_bars: ToldBars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all tests of a module, which asks a person, at the close of the newest of `told_bars`."""
    clock = ReplayClock(int(told_bars.bars.ts_ns[-1]) + 3_630 * 10**9)
    served = started(
        untrained_bundle,
        tmp_path_factory.mktemp("watched"),
        "approval.required=true",
        "lease_s=600",
        clock=clock,
    )
    yield served.wait_ready()
    served.stop()


def engine_of(bundle: Path, runtime: Runtime) -> Any:
    from agv2.deploy.decision_engine import load_engine

    return load_engine(bundle, ("TREND",), runtime, None, ())


@pytest.fixture(scope="session")
def opening(untrained_bundle: Path, told_bars: ToldBars) -> int:
    """Where the bars must stop for the policy to open a position."""
    from agv2.deploy.account_switch import Killed
    from agv2.deploy.messages import DecideIn

    engine = engine_of(untrained_bundle, Runtime.ONNX)
    for stop in range(2_600, 3_000, 3):
        asked = DecideIn.model_validate(told_bars.question(stop))
        engine.forget_risk()
        if engine.decide(asked, NOON_NS, killed=Killed.NO).opens:
            return stop
    pytest.fail("this policy opens nothing")


def lines_of(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]

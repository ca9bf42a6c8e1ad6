"""`agv2 serve` as a process: started, killed, started again, told to stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agv2.app.cli.main import main
from agv2.deploy.audit_chain import read_records, verify_chain
from agv2.deploy.tokens import Role, TokenStore
from agv2.utils.clock import SystemClock
from tests.untrained_bundles import ToldBars

HEAVY = ("numpy", "numba", "polars", "torch", "duckdb", "onnxruntime")


class Process:
    """One service as a person starts it."""

    def __init__(self, bundle: Path, home: Path, log: Path, *words: str) -> None:
        _, token = TokenStore(home / "deploy" / "tokens.json", SystemClock()).issue(Role.OPERATOR)
        environment = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "AGV2_HOME")}
        command = [sys.executable, "-m", "agv2.app.cli.main", "serve", "--bundle", str(bundle), "--port", "0"]
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [*command, "--json-log", *words], env=environment | {"AGV2_HOME": str(home)}, stderr=stream
            )
        self.log = log
        self.client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60.0)

    def wait(self, path: str, seconds: float = 200.0) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            assert self.process.poll() is None, self.log.read_text()
            listening = re.search(r'"address": "(http://[^"]+)"', self.log.read_text())
            if listening:
                self.client.base_url = httpx.URL(listening[1])
                try:
                    if self.client.get(path).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
            time.sleep(0.05)
        pytest.fail(f"{path} was not answered: {self.log.read_text()}")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def loaded(self) -> str:
        return Path(f"/proc/{self.process.pid}/maps").read_text()

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@contextmanager
def running(*words: Any) -> Iterator[Process]:
    service = Process(*words)
    try:
        yield service
    finally:
        service.client.close()
        service.process.kill()
        service.process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_killed_and_started_again_it_has_forgotten_nothing_and_then_stops_when_told(
    untrained_bundle: Path,
    told_bars: ToldBars,
    tmp_path: Path,
) -> None:
    words = (untrained_bundle, tmp_path / "home", tmp_path / "log", "--account", "DEMO", "--set", "deploy.lease_s=1")
    with running(*words) as first:
        first.wait("/health")
        # Seconds of the processor's, not of the clock: tests share their machine.
        assert first.cpu_s() < 4.0, "two for the start, and as many for what begins to load behind it"
        first.wait("/ready")
        assert "onnxruntime" in first.loaded()
        assert "libtorch" not in first.loaded(), "no torch in a process that serves by ONNX Runtime"
        said = first.ask("/v1/decide", told_bars.question(2_900))
        first.ask("/v1/kill", {"reason": "to be remembered"})
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    audit = tmp_path / "home" / "audit" / "DEMO.jsonl"
    assert verify_chain(audit).problem == ""

    with running(*words) as second:
        second.wait("/ready")
        state = second.client.get("/v1/state").json()
        assert (state["kill"]["engaged"], state["kill"]["reason"]) == (True, "to be remembered")
        assert state["risk"] == said["risk"]
        assert second.client.get("/v1/decisions").json()["decisions"][0]["number"] == said["record"]["number"]
        with second.client.stream("GET", "/v1/events") as watching:
            assert next(watching.iter_lines()).startswith("data:")
            second.process.send_signal(signal.SIGTERM)
            assert second.process.wait(60.0) == 0
        events = [json.loads(line)["event"] for line in second.log.read_text().splitlines()]
        assert [event for event in events if event in ("stopping", "stopped")] == ["stopping", "stopped"]
        assert events[-1] == "stopped"
        assert "graceful shutdown exceeded" not in second.log.read_text(), "an open console is not waited for"
    assert verify_chain(audit).problem == ""
    assert [each.kind for each in read_records(audit) if each.kind != "attribution"] == [
        "opened", "started", "decision", "kill", "started", "stopped",
    ]  # fmt: skip


def test_what_answers_first_loads_nothing_heavy() -> None:
    program = f"import sys; import agv2.app.serving; print([name for name in {HEAVY} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


ANSWERED_FIRST = """
import sys, threading, time, urllib.error, urllib.request

HEAVY, answered = {heavy!r}, []

class Gate:
    # What is imported before `/health` has been answered; the import that comes first waits for that.
    def find_spec(self, name, path=None, target=None):
        if name in HEAVY and threading.current_thread().name == "loading":
            assert done.wait(60.0), "/health was not answered while the models load"
        return None

done = threading.Event()
sys.meta_path.insert(0, Gate())

def ask():
    while not done.is_set():
        try:
            with urllib.request.urlopen("http://127.0.0.1:{port}/health", timeout=30.0) as answer:
                answered.append((answer.status, [name for name in HEAVY if name in sys.modules]))
            done.set()
        except urllib.error.URLError:
            time.sleep(0.02)
    print(answered[0], flush=True)
    sys.stdout.close()

threading.Thread(target=ask, daemon=True).start()
from agv2.app.cli.main import main
main({words!r})
"""


def test_health_answers_before_anything_heavy_is_imported(untrained_bundle: Path, tmp_path: Path) -> None:
    """Whatever loads waits until `/health` has been answered: were it needed for the answer, none would come."""
    TokenStore(tmp_path / "deploy" / "tokens.json", SystemClock()).issue(Role.OPERATOR)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["serve", "--bundle", str(untrained_bundle), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    program = ANSWERED_FIRST.format(heavy=HEAVY, port=port, words=words)
    service = subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment | {"AGV2_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert service.stdout is not None
        assert service.stdout.readline().strip() == "(200, [])"
    finally:
        service.kill()
        service.communicate()


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 1
    return capsys.readouterr().err


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REDIS_URL", raising=False)
    return tmp_path / "home"


@pytest.fixture
def looks_like_a_bundle(tmp_path: Path) -> str:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text("{}")
    return str(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "tokens would cross the network in the clear"),
        (["--host", "192.0.2.1"], "say --insecure where"),
        (["--account", "../x"], "--account ../x: letters"),
        (["--runtime", "tensorflow"], "input should be 'onnx', 'pt2' or 'torchscript'"),
        (["--set", "deploy.prot=1"], "prot is unknown; did you mean port?"),
        (["--set", "deploy.tls_key=key.pem"], "set both or neither"),
        (["--set", "deploy.tls_key=k.pem", "--set", "deploy.tls_certificate=c.pem"], "there is no file c.pem"),
        ([], "make a token first"),
    ],
)
def test_a_start_that_cannot_be_right_is_refused_in_one_line(
    home: Path, looks_like_a_bundle: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(["serve", "--bundle", looks_like_a_bundle, *words], capsys)
    assert said in told
    assert told.count("\n") == 1
    assert not (home / "audit").exists()


def test_a_port_that_is_taken_is_named(
    home: Path, looks_like_a_bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    with pytest.raises(SystemExit):
        main(["token", "new", "--role", "viewer"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cannot listen at 127.0.0.1 port {port}" in refused(
            ["serve", "--bundle", looks_like_a_bundle, "--port", port], capsys
        )


def test_a_bundle_that_is_none_ends_the_process_with_one_line(
    home: Path, looks_like_a_bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["token", "new", "--role", "viewer"])
    command = [sys.executable, "-m", "agv2.app.cli.main", "serve", "--bundle", looks_like_a_bundle, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 1
    assert "manifest.json: not a manifest of AGV2" in done.stderr.splitlines()[-1]


def run(words: list[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 0


def test_tokens_are_made_listed_and_revoked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["token", "new", "--role", "viewer", "--name", "prometheus", "--days", "30"])
    shown = capsys.readouterr()
    token_id = shown.out.split("_")[1]
    assert shown.out.strip() not in shown.err
    run(["token", "list", "--json"])
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["id"], listed["role"], listed["name"]) == (token_id, "viewer", "prometheus")
    assert listed["state"].startswith("until ")
    run(["token", "revoke", token_id])
    run(["token", "list"])
    assert "revoked" in capsys.readouterr().out
    assert "there is no token 12345678" in refused(["token", "revoke", "12345678"], capsys)


def test_the_audit_commands_prove_name_and_export(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from agv2.deploy.audit_chain import AuditKind
    from agv2.deploy.audit_log import AuditLog

    path = home / "audit" / "default.jsonl"
    with AuditLog(path, SystemClock()) as log:
        log.append(AuditKind.KILL, {"reason": "rehearsal"})
        head = str(log.head)
    run(["audit", "verify", "--head", head])
    assert "2 records, each as it was written" in capsys.readouterr().out
    run(["audit", "export", "--out", str(home / "audit.parquet")])
    assert "2 records" in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b"rehearsal", b"rehearsel"))
    assert "record 2 was changed" in refused(["audit", "verify"], capsys)
    assert "record 2 was changed" in refused(["audit", "export", "--out", str(home / "b.parquet")], capsys)
    capsys.readouterr()
    assert "no head of a chain" in refused(["audit", "verify", "--head", "x"], capsys)
    assert "cannot be read" in refused(["audit", "verify", "--account", "NOBODY"], capsys)

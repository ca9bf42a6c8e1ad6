import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agv2.app.cli.main import main
from agv2.app.doctor import examination
from agv2.app.scaffold import scaffold
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import SystemClock
from tests.collectors import Collector
from tests.factories import some_bars

OURS = ("TL_", "DATABASE_", "REDIS_", "MLFLOW_", "OTEL_", "AGV2_HOME")
PLANTED = "pl4nted-s3cret"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))


@pytest.fixture
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading torch takes seconds; one test here does."""
    monkeypatch.setattr(examination, "_library_checks", list)


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> str:
    with pytest.raises(SystemExit) as leaving:
        main(["doctor", *words])
    captured = capsys.readouterr()
    assert leaving.value.code == code, captured.out + captured.err
    assert PLANTED not in captured.out + captured.err
    return captured.out


def checks(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> dict[str, dict[str, Any]]:
    document = json.loads(run(capsys, "--json", *words, code=code))
    assert document["ok"] == (code == 0)
    return {each["name"]: each for each in document["checks"]}


def dead_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def venue() -> Iterator[FakeTradeLocker]:
    with FakeTradeLocker([Listing("ETHUSD", some_bars(300, symbol="ETHUSD"))], clock=SystemClock()) as fake:
        yield fake


def name_login(monkeypatch: pytest.MonkeyPatch, fake: FakeTradeLocker, **other: str) -> None:
    login = FakeLogin()
    keys = {
        "TL_ENVIRONMENT": fake.url,
        "TL_EMAIL": login.email,
        "TL_PASSWORD": login.password,
        "TL_SERVER": login.server,
        "TL_ACC_NUM": "1",
    }
    for key, value in (keys | other).items():
        monkeypatch.setenv(key, value)


def test_a_fresh_home_on_a_machine_that_works_is_healthy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scaffold(tmp_path)
    text = run(capsys, "--config", "config", code=0)
    for name in ("torch", "numba", "ONNX Runtime", "costs.yaml", "kernel cache"):
        assert name in text
    assert text.count(" not configured ") == 6
    assert " failed" not in text
    assert not (tmp_path / "home").exists(), "looking makes nothing"


@pytest.mark.usefixtures("no_libraries")
def test_servers_that_answer_are_ok(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    postgres_url: str,
    redis_url: str,
    venue: FakeTradeLocker,
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    name_login(monkeypatch, venue)
    with closing(Collector()) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        found = checks(capsys, code=0)
    for name in ("PostgreSQL", "Redis", "OTLP endpoint", "TradeLocker"):
        assert found[name]["status"] == "ok", found[name]
    assert found["TradeLocker"]["detail"].endswith("account 1: signed in, clocks agree")
    assert venue.orders() == []
    assert {(each.method, each.path.rpartition("/backend-api")[2]) for each in venue.requests} == {
        ("POST", "/auth/jwt/token"),
        ("GET", "/auth/jwt/all-accounts"),
    }


@pytest.mark.usefixtures("no_libraries")
def test_dead_servers_each_have_their_remedy_and_show_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    port = dead_port()
    lines = {
        "DATABASE_URL": f"postgresql://me:{PLANTED}@127.0.0.1:{port}/bars",
        "REDIS_URL": f"redis://:{PLANTED}@127.0.0.1:{port}/0",
        "MLFLOW_TRACKING_URI": f"http://me:{PLANTED}@127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://me:{PLANTED}@127.0.0.1:{port}",
        "TL_ENVIRONMENT": f"http://127.0.0.1:{port}",
        "TL_EMAIL": f"{PLANTED}@example.com",
        "TL_PASSWORD": PLANTED,
        "TL_SERVER": "DEMO",
    }
    (tmp_path / ".env").write_text("".join(f"{key}={value}\n" for key, value in lines.items()), encoding="utf-8")
    found = checks(capsys, code=1)
    for name in ("PostgreSQL", "Redis", "MLflow", "OTLP endpoint", "TradeLocker"):
        assert found[name]["status"] == "failed", found[name]
        assert found[name]["remedy"]
        assert found[name]["seconds"] < 10.0
    run(capsys, code=1)


@pytest.mark.usefixtures("no_libraries")
def test_a_wrong_password_is_sent_once_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], venue: FakeTradeLocker
) -> None:
    name_login(monkeypatch, venue, TL_PASSWORD=PLANTED)
    found = checks(capsys, code=1)["TradeLocker"]
    assert found["status"] == "failed"
    assert "sign-in refused" in found["detail"]
    assert len(venue.requests) == 1


@pytest.mark.usefixtures("no_libraries")
def test_every_wrong_settings_file_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scaffold(tmp_path)
    (tmp_path / "config/costs.yaml").write_text("default: 3\n", encoding="utf-8")
    (tmp_path / "config/risks.yaml").write_text("", encoding="utf-8")
    found = checks(capsys, "--config", "config", code=1)
    failed = {name for name, each in found.items() if each["status"] == "failed"}
    assert failed == {"costs.yaml", "risks.yaml"}
    assert "risk.yaml" in found["risks.yaml"]["detail"]


@pytest.mark.usefixtures("no_libraries")
@pytest.mark.parametrize("config", ["nowhere", "empty"])
def test_a_config_that_is_not_there_has_failed(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert checks(capsys, "--config", config, code=1)[config]["status"] == "failed"


@pytest.mark.usefixtures("no_libraries")
def test_a_misspelt_key_leaves_the_rest_to_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text(f"TL_PASWORD={PLANTED}\n", encoding="utf-8")
    found = checks(capsys, code=1)
    assert found[".env"]["remedy"] == "write TL_PASSWORD"
    assert found["keys"]["status"] == "failed"
    assert found["all"]["status"] == "warning"
    assert found["as shipped"]["status"] == "ok"


@pytest.mark.usefixtures("no_libraries")
def test_a_home_that_cannot_be_written_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGV2_HOME", "/proc/agv2")
    found = checks(capsys, code=1)["home"]
    assert found["status"] == "failed"
    assert "AGV2_HOME" in found["remedy"]

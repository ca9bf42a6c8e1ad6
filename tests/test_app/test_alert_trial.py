"""`agv2 alert test`, as a person has it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.command_line import called
from tests.receivers import BOT_TOKEN, Receiver

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def agv2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    return partial(called, capsys)


def test_a_dry_run_prints_the_message_and_who_would_get_it(agv2: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGV2_WEBHOOK_URL", "https://hooks.example/s3cret")
    code, out, _ = agv2("alert", "test", "--dry-run")
    assert code == 0
    assert "agv2 alert test: if you can read this, alerts work" in out
    assert "it would go to webhook" in out
    assert "s3cret" not in out


def test_without_a_key_it_says_which_there_are(agv2: Command) -> None:
    code, _, err = agv2("alert", "test")
    assert code == 1
    assert "AGV2_TELEGRAM_TOKEN" in err


def test_each_receiver_is_told_and_a_wrong_one_named(
    agv2: Command, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setenv("AGV2_TELEGRAM_TOKEN", BOT_TOKEN)
    monkeypatch.setenv("AGV2_TELEGRAM_CHAT", "42")
    monkeypatch.setenv("AGV2_WEBHOOK_URL", f"{receiver.url}/hook")
    at = f"deploy.alerts.telegram_api={receiver.url}"
    code, out, _ = agv2("alert", "test", "--set", at)
    assert (code, out) == (0, "telegram: delivered\nwebhook: delivered\n")
    assert [heard.path for heard in receiver.heard] == [f"/bot{BOT_TOKEN}/sendMessage", "/hook"]
    monkeypatch.setenv("AGV2_TELEGRAM_TOKEN", BOT_TOKEN.replace("AA", "BB"))
    code, out, err = agv2("alert", "test", "--set", at)
    assert code == 1
    assert "telegram: not delivered: answered 401: Unauthorized" in out
    assert "BBHd" not in out + err

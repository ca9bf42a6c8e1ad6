"""What Telegram and a webhook are sent, and what their answers are taken for."""

import hashlib
import hmac

import pytest

from agv2.core.errors import ConfigError
from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity
from agv2.deploy.alerts.config import AlertsConfig, safe_address
from agv2.deploy.alerts.receivers import receivers
from agv2.deploy.alerts.sinks import Delivered, TelegramSink, WebhookSink
from agv2.deploy.settings import DeploySettings
from agv2.utils.config import load_config, parse_override
from agv2.utils.environment import load_environment
from agv2.utils.logging_config import hide_secrets
from tests.receivers import BOT_TOKEN, Receiver

AT_NS = 1_900_000_000 * 10**9


def an_alert(text: str = "guard drift tripped: one (PSI 0.41) beyond the limit") -> Alert:
    return Alert(AlertEvent.GUARD_TRIPPED, Severity.ALARM, AT_NS, "paper XAUUSD 1h", text)


def test_telegram_gets_plain_text_for_its_chat(receiver: Receiver) -> None:
    sink = TelegramSink(receiver.url, BOT_TOKEN, "-1001234", 5.0)
    assert sink.send([an_alert(), an_alert("second <b>")], "1").outcome is Delivered.YES
    sink.close()
    (heard,) = receiver.heard
    assert heard.path == f"/bot{BOT_TOKEN}/sendMessage"
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.json == {
        "chat_id": "-1001234",
        "text": "ALARM 2030-03-17T17:46:40Z paper XAUUSD 1h: guard drift tripped: one (PSI 0.41) beyond the limit\n"
        "ALARM 2030-03-17T17:46:40Z paper XAUUSD 1h: second <b>",
        "link_preview_options": {"is_disabled": True},
    }


def test_a_text_too_long_for_telegram_is_cut(receiver: Receiver) -> None:
    sink = TelegramSink(receiver.url, BOT_TOKEN, "1", 5.0)
    assert sink.send([an_alert("x" * 9000)], "1").outcome is Delivered.YES
    assert len(receiver.heard[0].json["text"]) == 4096


@pytest.mark.parametrize(
    ("answer", "outcome", "problem", "wait_s"),
    [
        (
            (429, {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 7",
                   "parameters": {"retry_after": 7}}, {}),
            Delivered.LATER, "answered 429: Too Many Requests: retry after 7", 7.0,
        ),
        (
            (400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}, {}),
            Delivered.NO, "answered 400: Bad Request: chat not found", 0.0,
        ),
        ((502, {}, {}), Delivered.LATER, "answered 502", 0.0),
        ((200, {"ok": False}, {}), Delivered.NO, "answered 200", 0.0),
    ],
)  # fmt: skip
def test_what_telegram_says_no_to(
    receiver: Receiver, answer: tuple[int, dict[str, object], dict[str, str]], outcome: Delivered, problem: str,
    wait_s: float,
) -> None:  # fmt: skip
    receiver.answers.append(answer)
    done = TelegramSink(receiver.url, BOT_TOKEN, "1", 5.0).send([an_alert()], "1")
    assert (done.outcome, done.problem, done.wait_s) == (outcome, problem, wait_s)


def test_no_problem_of_a_sink_shows_a_token(receiver: Receiver) -> None:
    receiver.answers.append((404, {"ok": False, "description": f"no method for bot{BOT_TOKEN}"}, {}))
    told = [
        TelegramSink(receiver.url, BOT_TOKEN, "1", 5.0).send([an_alert()], "1"),
        TelegramSink(receiver.url, BOT_TOKEN[:-1], "1", 5.0).send([an_alert()], "1"),
        TelegramSink("http://127.0.0.1:9", BOT_TOKEN, "1", 5.0).send([an_alert()], "1"),
        WebhookSink("http://127.0.0.1:9/hooks/s3cret", "", 5.0).send([an_alert()], "1"),
        WebhookSink("hooks/s3cret", "", 5.0).send([an_alert()], "1"),
    ]
    assert [each.outcome for each in told] == [
        Delivered.NO, Delivered.NO, Delivered.LATER, Delivered.LATER, Delivered.NO,
    ]  # fmt: skip
    assert all(BOT_TOKEN[:20] not in each.problem and "s3cret" not in each.problem for each in told)
    assert hide_secrets(f"https://api.telegram.org/bot{BOT_TOKEN}/x") == "https://api.telegram.org/bot[hidden]/x"


def test_a_webhook_gets_signed_json(receiver: Receiver) -> None:
    sink = WebhookSink(f"{receiver.url}/hooks/1", "between us", 5.0)
    assert sink.send([an_alert()], "77ab").outcome is Delivered.YES
    (heard,) = receiver.heard
    assert heard.path == "/hooks/1"
    assert heard.json["alerts"] == [
        {
            "event": "guard_tripped",
            "severity": "alarm",
            "at": "2030-03-17T17:46:40Z",
            "source": "paper XAUUSD 1h",
            "text": "guard drift tripped: one (PSI 0.41) beyond the limit",
            "repeats": 0,
        }
    ]
    assert heard.json["text"] == an_alert().line()
    signed = hmac.new(b"between us", heard.body, hashlib.sha256).hexdigest()
    assert (heard.headers["X-AGV2-Signature"], heard.headers["X-AGV2-Delivery"]) == (f"sha256={signed}", "77ab")


def test_a_webhook_that_is_busy_says_until_when(receiver: Receiver) -> None:
    receiver.answers += [(503, {}, {"Retry-After": "12"}), (301, {}, {"Location": "http://127.0.0.1:1/"})]
    sink = WebhookSink(receiver.url, "", 5.0)
    busy = sink.send([an_alert()], "1")
    assert (busy.outcome, busy.wait_s) == (Delivered.LATER, 12.0)
    assert sink.send([an_alert()], "1").outcome is Delivered.NO
    assert "X-AGV2-Signature" not in receiver.heard[0].headers


def alerts_config(*settings: str) -> AlertsConfig:
    overrides = [parse_override(f"deploy.alerts.{each}") for each in settings]
    return load_config(DeploySettings, "deploy", None, overrides).alerts


def test_receivers_are_those_whose_keys_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    config = alerts_config()
    assert receivers(load_environment(), config) == []
    monkeypatch.setenv("AGV2_TELEGRAM_TOKEN", BOT_TOKEN)
    with pytest.raises(ConfigError, match="AGV2_TELEGRAM_CHAT is not set"):
        receivers(load_environment(), config)
    monkeypatch.setenv("AGV2_TELEGRAM_CHAT", "1")
    monkeypatch.setenv("AGV2_WEBHOOK_URL", "http://hooks.example/x")
    with pytest.raises(ConfigError, match="AGV2_WEBHOOK_URL: write an https"):
        receivers(load_environment(), config)
    monkeypatch.setenv("AGV2_WEBHOOK_URL", "https://hooks.example/x")
    assert [sink.name for sink in receivers(load_environment(), config)] == ["telegram", "webhook"]
    assert BOT_TOKEN not in repr(load_environment())


def test_no_library_logs_the_token(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("AGV2_TELEGRAM_TOKEN", BOT_TOKEN)
    monkeypatch.setenv("AGV2_TELEGRAM_CHAT", "1")
    (sink,) = receivers(load_environment(), alerts_config(f"telegram_api={receiver.url}"))
    assert sink.send([an_alert()], "1").outcome is Delivered.YES
    assert BOT_TOKEN[:12] not in caplog.text


@pytest.mark.parametrize("address", ["http://127.evil.example/", "ftp://x", "http://example.com", "https://"])
def test_an_address_that_shows_its_secret_on_the_way_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="AGV2_WEBHOOK_URL"):
        safe_address(address, "AGV2_WEBHOOK_URL")


@pytest.mark.parametrize("setting", ["summary_at='24:00'", "summary_at=2100", "least=loud", "telegram_api=http://a.b"])
def test_a_wrong_setting_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"deploy\.alerts"):
        alerts_config(setting)

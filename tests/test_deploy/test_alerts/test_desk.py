"""How alerts reach receivers that are slow, broken or overrun, and whoever raised them waits for none of it."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity
from agv2.deploy.alerts.config import AlertsConfig
from agv2.deploy.alerts.desk import AlertDesk
from agv2.deploy.alerts.sinks import Delivered, Delivery, WebhookSink
from agv2.deploy.settings import DeploySettings
from agv2.utils.config import load_config
from tests.receivers import Receiver

CONFIG = load_config(DeploySettings, "deploy").alerts


def config(**changes: object) -> AlertsConfig:
    return CONFIG.model_copy(update=changes)


def an_alert(text: str, key: str = "", severity: Severity = Severity.ALARM) -> Alert:
    return Alert(AlertEvent.ALARM, severity, 0, "paper", text, key)


class Sink:
    """Remembers messages; each answer is popped, and then they are delivered."""

    name = "sink"

    def __init__(self, *answers: Delivery, gate: threading.Event | None = None) -> None:
        self.answers, self.gate = list(answers), gate
        self.messages: list[tuple[str, list[str]]] = []
        self.came = threading.Condition()
        self.is_closed = False

    def send(self, alerts: Sequence[Alert], number: str) -> Delivery:
        with self.came:
            self.messages.append((number, [alert.line().split(": ", 1)[1] for alert in alerts]))
            self.came.notify_all()
        if self.gate is not None:
            self.gate.wait(20.0)
        return self.answers.pop(0) if self.answers else Delivery(Delivered.YES)

    def close(self) -> None:
        self.is_closed = True

    def wait(self, n: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.messages) >= n, 20.0)

    @property
    def texts(self) -> list[list[str]]:
        return [texts for _, texts in self.messages]


def test_the_same_trouble_is_told_once_and_later_with_its_count() -> None:
    sink, now = Sink(), [0.0]
    desk = AlertDesk([sink], config(repeat_s=60.0), now_s=lambda: now[0])
    for _ in range(3):
        desk.post(an_alert("order a1 is unknown", key="a1"))
    desk.post(an_alert("order b2 is unknown", key="b2"))
    desk.post(an_alert("killed"))
    desk.post(an_alert("killed"))
    now[0] = 61.0
    desk.post(an_alert("order a1 is unknown", key="a1"))
    desk.close(20.0)
    assert sorted(text for texts in sink.texts for text in texts) == [
        "killed", "killed", "order a1 is unknown", "order a1 is unknown (2 more of the same since)",
        "order b2 is unknown",
    ]  # fmt: skip
    assert sink.is_closed


def test_what_comes_too_fast_goes_together() -> None:
    sink = Sink()
    desk = AlertDesk([sink], config(per_minute=2))
    for number in range(6):
        desk.post(an_alert(f"alert {number}"))
        sink.wait(min(number + 1, 2))
    assert len(sink.texts) == 2
    desk.close(20.0)
    assert sink.texts == [["alert 0"], ["alert 1"], ["alert 2", "alert 3", "alert 4", "alert 5"]]


def test_what_weighs_too_little_is_not_told_but_for_the_summary() -> None:
    sink = Sink()
    desk = AlertDesk([sink], config(least="warning"))
    desk.post(an_alert("started", severity=Severity.INFO))
    desk.post(Alert(AlertEvent.DAILY_SUMMARY, Severity.INFO, 0, "paper", "a quiet day"))
    desk.close(20.0)
    assert sink.texts == [["a quiet day"]]


def test_a_message_that_is_not_taken_is_tried_again_under_its_number() -> None:
    counted: list[tuple[str, str]] = []
    sink = Sink(Delivery(Delivered.LATER, "answered 502"))
    desk = AlertDesk([sink], CONFIG, lambda name, outcome: counted.append((name, outcome)))
    desk.post(an_alert("killed"))
    sink.wait(2)
    desk.close(20.0)
    assert sink.texts == [["killed"], ["killed"]]
    assert len({number for number, _ in sink.messages}) == 1
    assert counted == [("sink", "sent")]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (lambda: Delivery(Delivered.NO, "answered 401: Unauthorized"), "refused"),
        (lambda: Delivery(Delivered.LATER, "answered 502"), "failed"),
    ],
)
def test_a_message_that_is_given_up_is_counted_and_the_next_one_goes_out(
    answer: Callable[[], Delivery], outcome: str
) -> None:
    counted: list[str] = []
    sink = Sink(answer())
    desk = AlertDesk([sink], config(attempts=1), lambda _, what: counted.append(what))
    desk.post(an_alert("one"))
    sink.wait(1)
    desk.post(an_alert("two"))
    desk.close(20.0)
    assert sink.texts == [["one"], ["two"]]
    assert counted == [outcome, "sent"]


def test_nobody_waits_for_a_receiver_that_hangs_and_the_other_one_is_told() -> None:
    gate = threading.Event()
    counted: list[tuple[str, str]] = []
    hanging, quick = Sink(gate=gate), Sink()
    hanging.name, quick.name = "hanging", "quick"
    desk = AlertDesk([hanging, quick], config(per_minute=60), lambda *what: counted.append(what))
    desk.post(an_alert("first"))
    hanging.wait(1)
    quick.wait(1)
    began = time.monotonic()
    for number in range(300):
        desk.post(an_alert(f"alert {number}"))
    desk.close(0.2)
    assert time.monotonic() - began < 5.0
    assert ("hanging", "left_out") in counted
    assert ["first"] in quick.texts
    gate.set()


def test_a_message_that_cannot_be_made_stops_nobody() -> None:
    sink = Sink()
    desk = AlertDesk([sink], CONFIG)
    desk.tell(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    desk.tell(lambda: None)
    desk.tell(lambda: an_alert("killed"))
    desk.close(20.0)
    assert sink.texts == [["killed"]]


def test_a_desk_without_receivers_takes_everything() -> None:
    desk = AlertDesk([], CONFIG)
    desk.post(an_alert("killed"))
    desk.close(1.0)


def test_over_http_a_busy_webhook_hears_it_at_last(receiver: Receiver) -> None:
    receiver.answers.append((503, {}, {}))
    desk = AlertDesk([WebhookSink(receiver.url, "", 5.0)], CONFIG)
    desk.post(an_alert("killed"))
    first, second = receiver.wait(2)
    desk.close(20.0)
    assert first.body == second.body
    assert first.headers["X-AGV2-Delivery"] == second.headers["X-AGV2-Delivery"]

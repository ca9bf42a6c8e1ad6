"""Which records of a journal and of an audit log call a person."""

from typing import Any

import pytest

from agv2.deploy.alerts.from_audit import alert_of_audit
from agv2.deploy.alerts.from_journal import alert_of_record
from agv2.deploy.audit_chain import AuditKind
from agv2.execution.journal_records import (
    GuardChanged,
    Killed,
    Noted,
    OrderMoved,
    Rearmed,
    Started,
    Stopped,
)  # fmt: skip
from agv2.execution.order_states import OrderEvent, OrderState


def moved(before: OrderState, after: OrderState) -> OrderMoved:
    return OrderMoved("a1", "XAUUSD", before, OrderEvent.SEND, after, 0.0, None, None, None)


def guard(event: str, name: str, by: str = "") -> GuardChanged:
    return GuardChanged("XAUUSD", event, name, "halt", "gone astray", {}, by, "ok")


@pytest.mark.parametrize(
    ("record", "event", "severity", "words"),
    [
        (Started("paper", "simulated", ("XAUUSD",), "1", "", "ab" * 32, {}), "started", "INFO", "model abababababab"),
        (Stopped("asked to stop (SIGTERM)"), "stopped", "INFO", "ended: asked to stop (SIGTERM)"),
        (Stopped("failed: the disk is full"), "stopped", "ALARM", "failed: the disk is full"),
        (Killed("news", "anna"), "kill", "ALARM", "thrown by anna: news"),
        (Rearmed("all is well", "anna"), "rearm", "INFO", "re-armed by anna: all is well"),
        (guard("tripped", "drift"), "guard_tripped", "ALARM", "guard drift tripped: gone astray"),
        (guard("raised", "drift"), "guard_tripped", "ALARM", "guard drift raised: gone astray"),
        (guard("tripped", "stale_feed"), "feed_stale", "ALARM", "guard stale_feed tripped"),
        (guard("rearmed", "drift", "anna"), "guard_rearmed", "INFO", "guard drift re-armed by anna"),
        (moved(OrderState.SENT, OrderState.UNKNOWN), "order_unknown", "ALARM", "fate of order a1 is unknown"),
        (moved(OrderState.UNKNOWN, OrderState.FILLED), "order_settled", "INFO", "a1 was found out to be filled"),
        (Noted("alarm", "position 7 cannot be protected: closing it"), "position_unprotected", "ALARM", "position 7"),
        (Noted("alarm", "surplus"), "alarm", "ALARM", "surplus"),
    ],
)
def test_a_record_that_a_person_should_know(record: Any, event: str, severity: str, words: str) -> None:
    alert = alert_of_record(record, "paper XAUUSD 1h", 5)
    assert alert is not None
    assert (alert.event, alert.severity.name, alert.source, alert.at_ns) == (event, severity, "paper XAUUSD 1h", 5)
    assert words in alert.text


@pytest.mark.parametrize(
    "record", [Noted("warning", "its stop holds"), Noted("info", "x"), moved(OrderState.SENT, OrderState.FILLED)]
)
def test_a_record_of_every_day_calls_nobody(record: Any) -> None:
    assert alert_of_record(record, "paper", 5) is None


@pytest.mark.parametrize(
    ("kind", "body", "event", "words"),
    [
        (AuditKind.STARTED, {"model": "ab" * 32}, "started", "serves model abababababab"),
        (AuditKind.STOPPED, {}, "stopped", "stopped"),
        (AuditKind.KILL, {"actor": "t1", "reason": "news"}, "kill", "thrown by t1: news"),
        (AuditKind.REARM, {"actor": "t1", "reason": "fine"}, "rearm", "re-armed by t1: fine"),
        (AuditKind.STATE_LOST, {"reason": "flushed"}, "state_lost", "flushed"),
        (
            AuditKind.GUARD,
            {"symbol": "XAUUSD", "event": "tripped", "guard": "drift", "reason": "astray", "by": ""},
            "guard_tripped",
            "guard drift tripped: astray",
        ),
        (
            AuditKind.DECISION,
            {"status": "awaiting_approval", "side": "long", "symbol": "XAUUSD", "approval_id": "0a"},
            "approval_wanted",
            "a long position in XAUUSD waits for your approval (0a)",
        ),
    ],
)
def test_a_record_of_the_service_that_a_person_should_know(
    kind: AuditKind, body: dict[str, Any], event: str, words: str
) -> None:
    alert = alert_of_audit(kind, body, "service DEMO", 5)
    assert alert is not None
    assert alert.event == event
    assert words in alert.text


def test_a_decision_of_every_bar_calls_nobody() -> None:
    assert alert_of_audit(AuditKind.DECISION, {"status": "hold"}, "service DEMO", 5) is None
    assert alert_of_audit(AuditKind.ATTRIBUTION, {}, "service DEMO", 5) is None

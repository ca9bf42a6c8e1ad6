"""What of a trader's journal a person is told."""

from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity
from agv2.deploy.alerts.guard_alert import alert_of_guard
from agv2.execution.journal_records import (
    GuardChanged,
    JournalRecord,
    Killed,
    Noted,
    OrderMoved,
    Rearmed,
    Started,
    Stopped,
)  # fmt: skip
from agv2.execution.order_states import OrderState
from agv2.execution.protection import UNPROTECTED

__all__ = ["alert_of_record"]

_SHOWN = 12  # of a digest


def alert_of_record(record: JournalRecord, source: str, at_ns: int) -> Alert | None:
    """The alert that `record` calls for; None for the many that call for none.

    Args:
        record: of the journal, just written.
        source: who writes it, for people.
        at_ns: now.
    """

    def told(event: AlertEvent, severity: Severity, text: str, key: str = "") -> Alert:
        return Alert(event, severity, at_ns, source, text, key)

    match record:
        case Started():
            model = record.bundle_digest[:_SHOWN] or "none"
            return told(AlertEvent.STARTED, Severity.INFO, f"started at {record.broker}, model {model}")
        case Stopped():
            failed = record.reason.startswith("failed")
            return told(AlertEvent.STOPPED, Severity.ALARM if failed else Severity.INFO, f"ended: {record.reason}")
        case Killed():
            text = f"kill switch thrown by {record.by}: {record.reason}; nothing is opened until agv2 rearm"
            return told(AlertEvent.KILL, Severity.ALARM, text)
        case Rearmed():
            return told(AlertEvent.REARM, Severity.INFO, f"re-armed by {record.by}: {record.reason}")
        case GuardChanged():
            return alert_of_guard(
                {"event": record.event, "guard": record.guard, "reason": record.reason, "by": record.by}, source, at_ns
            )
        case OrderMoved(after=OrderState.UNKNOWN):
            text = f"{record.symbol}: the fate of order {record.intent_id} is unknown; nothing is opened meanwhile"
            return told(AlertEvent.ORDER_UNKNOWN, Severity.ALARM, text, record.intent_id)
        case OrderMoved(before=OrderState.UNKNOWN):
            text = f"{record.symbol}: order {record.intent_id} was found out to be {record.after}"
            return told(AlertEvent.ORDER_SETTLED, Severity.INFO, text)
        case Noted(level="alarm"):
            lost = record.text.endswith(UNPROTECTED)
            event = AlertEvent.POSITION_UNPROTECTED if lost else AlertEvent.ALARM
            return told(event, Severity.ALARM, record.text, record.text)
    return None

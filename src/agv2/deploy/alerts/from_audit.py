"""What of the decision service's audit log a person is told."""

from collections.abc import Mapping
from typing import Any

from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity
from agv2.deploy.alerts.guard_alert import alert_of_guard
from agv2.deploy.audit_chain import AuditKind

__all__ = ["alert_of_audit"]

_SHOWN = 12  # of a digest


def alert_of_audit(kind: AuditKind, body: Mapping[str, Any], source: str, at_ns: int) -> Alert | None:
    """The alert that a record calls for; None for the many that call for none.

    Args:
        kind: of the record, just written.
        body: of the record.
        source: which service, for people.
        at_ns: now.
    """
    found: tuple[AlertEvent, Severity, str] | None = None
    match kind:
        case AuditKind.STARTED:
            found = AlertEvent.STARTED, Severity.INFO, f"serves model {str(body['model'])[:_SHOWN]}"
        case AuditKind.STOPPED:
            found = AlertEvent.STOPPED, Severity.INFO, "stopped"
        case AuditKind.KILL:
            text = f"kill switch thrown by {body['actor']}: {body['reason']}; nothing is opened until a person re-arms"
            found = AlertEvent.KILL, Severity.ALARM, text
        case AuditKind.REARM:
            found = AlertEvent.REARM, Severity.INFO, f"re-armed by {body['actor']}: {body['reason']}"
        case AuditKind.STATE_LOST:
            found = AlertEvent.STATE_LOST, Severity.ALARM, f"state lost, every switch is thrown: {body['reason']}"
        case AuditKind.GUARD:
            return alert_of_guard(body, f"{source} {body['symbol']}", at_ns)
        case AuditKind.DECISION if body.get("status") == "awaiting_approval":
            text = f"a {body['side']} position in {body['symbol']} waits for your approval ({body['approval_id']})"
            found = AlertEvent.APPROVAL_WANTED, Severity.WARNING, text
    return None if found is None else Alert(found[0], found[1], at_ns, source, found[2])

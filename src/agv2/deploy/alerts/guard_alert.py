"""The alert of a guard, whoever keeps it."""

from collections.abc import Mapping

from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity

__all__ = ["alert_of_guard"]

_OF_THE_FEED = ("stale_feed", "frozen_feed")


def alert_of_guard(changed: Mapping[str, object], source: str, at_ns: int) -> Alert:
    """The alert of a change of a guard.

    Args:
        changed: its `event`, `guard`, `reason` and `by`.
        source: whose guard it is, for people.
        at_ns: now.
    """
    guard, reason = changed["guard"], changed["reason"]
    if changed["event"] == "rearmed":
        text = f"guard {guard} re-armed by {changed['by']}; it had tripped: {reason}"
        return Alert(AlertEvent.GUARD_REARMED, Severity.INFO, at_ns, source, text)
    event = AlertEvent.FEED_STALE if guard in _OF_THE_FEED else AlertEvent.GUARD_TRIPPED
    return Alert(event, Severity.ALARM, at_ns, source, f"guard {guard} {changed['event']}: {reason}")

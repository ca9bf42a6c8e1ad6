"""What a trader tells people who are not looking: alerts out of its journal, and a summary a day."""

from agv2.app.trading.view import book_words
from agv2.deploy.alerts.alert import Alert, AlertEvent, Severity
from agv2.deploy.alerts.desk import AlertDesk
from agv2.deploy.alerts.from_journal import alert_of_record
from agv2.deploy.alerts.summary_time import SummaryTime
from agv2.execution.journal_records import JournalRecord
from agv2.execution.trader_status import TraderStatus
from agv2.utils.clock import Clock

__all__ = ["TraderAlerts", "summary_words"]


class TraderAlerts:
    """Listens to a trader and its journal.

    Args:
        desk: takes alerts.
        source: which trader, for people.
        clock: of this machine.
        summary_at: `HH:MM` UTC of the daily summary; empty: none.
    """

    def __init__(self, desk: AlertDesk, source: str, clock: Clock, summary_at: str) -> None:
        self._desk, self._source, self._clock = desk, source, clock
        self._time = SummaryTime(summary_at, clock.now_ns())
        self._fills, self._equity = 0, 0.0

    def heard(self, record: JournalRecord) -> None:
        """A record is in the journal."""
        self._desk.tell(lambda: alert_of_record(record, self._source, self._clock.now_ns()))

    def looked(self, status: TraderStatus) -> None:
        """The trader's status changed, or some seconds went by."""
        now_ns = self._clock.now_ns()
        if self._time.is_due(now_ns):
            self._desk.tell(lambda: self._summary(status, now_ns))

    def _summary(self, status: TraderStatus, now_ns: int) -> Alert:
        text = summary_words(status, self._equity, status.n_fills - self._fills)
        self._fills = status.n_fills
        self._equity = status.risk.last_equity if status.risk is not None else self._equity
        return Alert(AlertEvent.DAILY_SUMMARY, Severity.INFO, now_ns, self._source, text)


def summary_words(status: TraderStatus, equity_before: float, n_fills: int) -> str:
    """A day in a line.

    Args:
        status: at its end.
        equity_before: at the last summary; 0: there was none.
        n_fills: since then.
    """
    since = ""
    if equity_before > 0.0 and status.risk is not None:
        since = f", {status.risk.last_equity / equity_before - 1.0:+.2%} since the last summary"
    halt = f"HALTED: {status.switch.reason}" if status.switch.is_thrown else "trading"
    held = f"; guards tripped: {', '.join(line.partition(':')[0] for line in status.tripped)}" if status.tripped else ""
    return f"daily summary: {halt}; {book_words(status)}{since}; {n_fills} fills; feed {status.health}{held}"

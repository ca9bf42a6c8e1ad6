"""The guards of a trader: fed by its loop, kept in a file, halting it by its kill switch."""

import time
from collections.abc import Callable
from pathlib import Path

from agv2.backtest.atomic_files import write_atomically
from agv2.core.errors import DataError
from agv2.deploy.clock_watch import CLOCK_EVERY_NS, ClockReading
from agv2.deploy.guard_keeper import GuardKeeper, SwitchLook
from agv2.deploy.open_hours import OpenHours
from agv2.deploy.pulse import Pulse
from agv2.deploy.verdicts import GuardRecord
from agv2.execution.journal_records import GuardChanged
from agv2.execution.kill_switch import KillSwitch
from agv2.execution.safeguards import BarFacts

__all__ = ["FileMemory", "TraderGuards", "TraderSwitch"]


class FileMemory:
    """The state of guards in a file that is whole at every moment.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> str | None:
        """What was saved last; None where nothing was.

        Raises:
            DataError: the file cannot be read.
        """
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self._path}: cannot be read ({error}); restore it, or begin anew without it") from error

    def save(self, text: str) -> None:
        """Replace what was saved.

        Raises:
            DataError: the disk does not take it.
        """
        try:
            write_atomically(self._path, text)
        except OSError as error:
            raise DataError(f"{self._path}: cannot be written ({error.strerror}); free the disk") from error


class TraderSwitch:
    """A trader's kill switch, as guards use it.

    Args:
        switch: of the trader.
        is_heeded: whether a trip halts; else it is told and no more, as a rehearsal over a recording may wish.
    """

    def __init__(self, switch: KillSwitch, *, is_heeded: bool = True) -> None:
        self._switch, self._is_heeded = switch, is_heeded

    def look(self) -> SwitchLook:
        """What it says now."""
        state = self._switch.state()
        return SwitchLook(state.is_thrown, state.number, state.by, state.reason)

    def throw(self, reason: str, by: str, *, flatten: bool) -> None:
        """Halt the trader, if it is to be halted."""
        if self._is_heeded:
            self._switch.throw(reason, by, flatten=flatten)


def journalled(symbol: str, record: GuardRecord) -> GuardChanged:
    """What the journal holds of a record of the guards."""
    verdict = record.verdict
    return GuardChanged(
        symbol=symbol,
        event=record.event,
        guard=verdict.guard,
        level=verdict.level.name.lower(),
        reason=verdict.reason,
        evidence=dict(verdict.evidence),
        by=record.by,
        note=record.note,
    )


class TraderGuards:
    """What `execution.safeguards.Safeguards` wants, made of the guards of a bundle and a heartbeat.

    Args:
        keeper: of the guards; None where there is no model: only the heart beats.
        pulse: the sign of life.
        hours: of the market; None where nobody can tell them: a silent feed trips nothing.
        venue_now: the venue's time, where there is one beside the trader's clock.
        notes: what a person should know at the start, beside the guards that the bundle says nothing for.
        steady_ns: time that nobody sets, which spaces readings of the venue's clock.
    """

    def __init__(
        self,
        keeper: GuardKeeper | None,
        pulse: Pulse,
        hours: OpenHours | None,
        venue_now: Callable[[], int] | None,
        notes: tuple[str, ...] = (),
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._keeper, self._pulse, self._hours, self._venue_now = keeper, pulse, hours, venue_now
        self._notes, self._steady_ns = notes, steady_ns
        self._since_ns, self._next_reading_ns = 0, 0

    def begin(self, now_ns: int) -> tuple[str, ...]:
        """A start: what tripped before holds again. Says which guards are off.

        Raises:
            DataError: the heartbeat cannot be written.
        """
        self._pulse.begin()
        self._since_ns = now_ns
        if self._keeper is None:
            return ("guards off: there is no model", *self._notes)
        self._keeper.settle(now_ns)
        return *(f"guard off: {reason}" for reason in self._keeper.guards.off), *self._notes

    def after_bar(self, facts: BarFacts) -> None:
        """A bar was looked at."""
        if self._keeper is not None:
            self._keeper.after_bar(facts)
            self._keeper.save()
        self._pulse.beat()

    def tick(self, now_ns: int) -> None:
        """Between bars: whether the feed is silent and the clocks agree; and a sign of life."""
        keeper = self._keeper
        if keeper is not None:
            keeper.settle(now_ns)
            if self._hours is not None:
                keeper.between_bars(now_ns, *self._hours.since(self._since_ns, now_ns))
            if self._venue_now is not None and self._steady_ns() >= self._next_reading_ns:
                self._next_reading_ns = self._steady_ns() + CLOCK_EVERY_NS
                keeper.after_reading(ClockReading(now_ns, self._venue_now(), now_ns), now_ns)
        self._pulse.beat()

    def tripped(self) -> tuple[str, ...]:
        """What has tripped and was not re-armed, a line each."""
        held = () if self._keeper is None else self._keeper.tripped()
        return tuple(f"{verdict.guard}: {verdict.reason}" for verdict in held)

    def end(self, now_ns: int) -> None:
        """The trader ends on purpose."""
        self._pulse.end()

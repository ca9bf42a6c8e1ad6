"""Guards at work: what trips is written down, kept, and throws a switch; a person's word at that switch re-arms."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from agv2.core.arrays import IntArray
from agv2.core.errors import DataError
from agv2.deploy.clock_watch import ClockReading
from agv2.deploy.guard_state import GuardsState
from agv2.deploy.guards import Guards, GuardStep
from agv2.deploy.verdicts import GuardRecord, GuardVerdict
from agv2.execution.safeguards import BarFacts

__all__ = ["GuardKeeper", "HaltSwitch", "SwitchLook"]


class SwitchLook(NamedTuple):
    """What a switch says at one moment."""

    is_thrown: bool
    mark: int
    """Rises with every change, so that a later word can be told from an earlier one."""
    by: str
    reason: str


class HaltSwitch(Protocol):
    """What guards throw, and nobody but a person lifts."""

    def look(self) -> SwitchLook:
        """What it says now."""
        ...

    def throw(self, reason: str, by: str, *, flatten: bool) -> object:
        """Halt; with `flatten` close what is held too."""
        ...


class GuardMemory(Protocol):
    """Where the state of guards outlives the process."""

    def load(self) -> str | None:
        """What was saved last; None where nothing was."""
        ...

    def save(self, text: str) -> None:
        """Keep `text` in place of what was saved before, whole or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is saved: the guards' state, and the switch's mark when the newest of them tripped."""

    state: GuardsState
    mark: int

    def text(self) -> str:
        return json.dumps({"mark": self.mark, "guards": self.state.as_json()}, allow_nan=False)

    @classmethod
    def of_text(cls, text: str) -> "_Kept":
        try:
            document = json.loads(text)
            return cls(GuardsState.from_json(document["guards"]), int(document["mark"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"the state of the guards cannot be read ({error}): restore it, or begin anew") from error


class GuardKeeper:
    """The guards of one book over time.

    A trip is written down, then saved, then thrown: killed in between, the next start throws what was saved, and
    what was not saved trips again at the same bar. What did not trip is saved when whoever feeds it says so. While
    anything is tripped the switch is thrown; once a person has re-armed the switch later than the trip, all that had
    tripped is re-armed in that person's name.

    Args:
        guards: of the book.
        memory: where the state is kept.
        switch: thrown by a trip.
        write: takes each record, for the journal or the audit log; returns when it is safe.

    Raises:
        DataError: what was saved cannot be read.
    """

    def __init__(
        self, guards: Guards, memory: GuardMemory, switch: HaltSwitch, write: Callable[[GuardRecord], object]
    ) -> None:
        self.guards, self._memory, self._switch, self._write = guards, memory, switch, write
        text = memory.load()
        self._kept = _Kept(guards.fresh(), 0)
        if text is not None:
            kept = _Kept.of_text(text)
            self._kept = _Kept(guards.resumed(kept.state), kept.mark)
        self._saved = self._kept

    @property
    def state(self) -> GuardsState:
        """After the newest event."""
        return self._kept.state

    def tripped(self) -> tuple[GuardVerdict, ...]:
        """Everything that has tripped and was not re-armed, the oldest first."""
        return tuple(sorted(self.state.tripwires.tripped.values(), key=lambda each: each.since_ns))

    def settle(self, now_ns: int) -> None:
        """Hold what has tripped against the switch: thrown, or re-armed by a person since.

        Args:
            now_ns: nanoseconds since 1970, UTC.
        """
        if not self.state.tripwires.tripped:
            return
        look = self._switch.look()
        if look.is_thrown:
            return
        if look.mark <= self._kept.mark:  # killed between saving and throwing, or the switch was lost
            self._throw()
            return
        for verdict in self.tripped():
            step = self.guards.rearmed(self.state, verdict.guard, look.by or "a person", look.reason, now_ns)
            self._take(step)

    def after_bar(self, facts: BarFacts) -> bool:
        """A bar was looked at; one that was counted before a restart is not counted twice.

        Returns:
            Whether something tripped by it.

        Raises:
            ShapeError: the row has another number of features than the bundle's.
        """
        self.settle(facts.now_ns)
        if facts.close_ns <= self.state.feed.close_ns:
            return False
        return self._take(self.guards.after_bar(self.state, facts))

    def between_bars(self, now_ns: int, open_ns: IntArray, close_ns: IntArray) -> None:
        """At any moment; arguments as for `Guards.between_bars`."""
        step = self.guards.between_bars(self.state, now_ns, open_ns, close_ns)
        if step.records:  # else nothing of the state moved
            self._take(step)

    def after_reading(self, reading: ClockReading, now_ns: int) -> None:
        """After an answer of the venue that told its time."""
        self._take(self.guards.after_reading(self.state, reading, now_ns))

    def save(self) -> None:
        """Keep what was seen since the last time; trips are kept as they happen."""
        if self._kept is not self._saved:
            self._memory.save(self._kept.text())
            self._saved = self._kept

    def _take(self, step: GuardStep) -> bool:
        """Write down, save, obey; returns whether something tripped."""
        has_tripped = any(record.event != "rearmed" for record in step.records)
        for record in step.records:
            self._write(record)
        self._kept = _Kept(step.state, self._switch.look().mark if has_tripped else self._kept.mark)
        if step.records:
            self.save()
        if has_tripped:
            self._throw()
        return has_tripped

    def _throw(self) -> None:
        verdict = self.state.tripwires.verdict()
        self._switch.throw(verdict.reason, f"guard {verdict.guard}", flatten=verdict.flatten)

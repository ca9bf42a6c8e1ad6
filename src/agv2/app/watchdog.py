"""The dead man's switch: a process of its own that acts when a trader falls silent."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agv2.backtest.atomic_files import write_atomically
from agv2.core.errors import ConfigError, DataError
from agv2.deploy.safeguards import HEARTBEAT, Heartbeat, Listener
from agv2.deploy.tripwires import Tripwires
from agv2.deploy.verdicts import GuardRecord, GuardVerdict
from agv2.utils.clock import Clock

__all__ = ["SteadyClock", "Watchdog"]

_NS_PER_S = 1_000_000_000
_LOOKS_PER_LIMIT = 12
_RETRY_S = 5.0
_LONGEST_ACTION_S = 120.0


class SteadyClock:
    """Time since the machine started: nobody sets it, and it stands still while the machine sleeps."""

    def now_ns(self) -> int:
        """Nanoseconds since some moment."""
        return time.monotonic_ns()

    def sleep_until(self, ts_ns: int) -> None:
        """Return once `now_ns() >= ts_ns`."""
        while (left_ns := ts_ns - self.now_ns()) > 0:
            time.sleep(left_ns / _NS_PER_S)


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Listens to a heartbeat file; on silence it latches, writes that down, and acts until the action succeeds.

    Attributes:
        heartbeat: the trader's file; the latch and the records lie beside it.
        silent_s: silence that is too long.
        action: program and arguments, such as `agv2 flatten`; its exit code 0 says that it is done.
        steady: measures silence.
        wall: stamps records.
        tell: told what happens, in a line each.
        alert: told of every trip and every re-arming, before the action; must not block.
    """

    heartbeat: Path
    silent_s: float
    action: Sequence[str]
    steady: Clock
    wall: Clock
    tell: Callable[[str], None]
    alert: Callable[[GuardRecord], object] = lambda record: None

    @property
    def latch(self) -> Path:
        """File that says that the watchdog has acted."""
        return self.heartbeat.with_suffix(".tripped.json")

    @property
    def records(self) -> Path:
        """One JSON object a line: every trip and every re-arming."""
        return self.heartbeat.with_suffix(".records.jsonl")

    def tripped(self) -> Tripwires:
        """What has tripped and was not re-armed.

        Raises:
            DataError: the latch cannot be read.
        """
        if not self.latch.is_file():
            return Tripwires()
        try:
            return Tripwires.from_json(json.loads(self.latch.read_text(encoding="utf-8")))
        except ValueError as error:
            raise DataError(f"{self.latch}: cannot be read ({error}); restore it, or look and remove it") from error

    def watch(self) -> GuardVerdict:
        """Listen until silence, then act; returns once the action has succeeded.

        Raises:
            ConfigError: it has tripped before and nobody has re-armed it.
        """
        held = self.tripped().verdict()
        if held.halted:
            raise ConfigError(
                f"{self.latch}: tripped before: {held.reason}; look at the account, then "
                f"`agv2 watchdog --heartbeat {self.heartbeat} --rearm NAME`"
            )
        found = self._listen()
        latched = self.tripped().observed([found], self.wall.now_ns())
        # Said first, done second: whatever kills this process, the next one knows.
        write_atomically(self.latch, json.dumps(latched.tripwires.as_json(), indent=1))
        self._write_down(latched.records)
        self.tell(found.reason)
        self._act()
        return found

    def rearm(self, by: str, note: str) -> None:
        """Let the watchdog listen again.

        Raises:
            ConfigError: nobody is named, or it has not tripped.
        """
        latched = self.tripped().rearmed(HEARTBEAT, by, note, self.wall.now_ns())
        self._write_down(latched.records)
        write_atomically(self.latch, json.dumps(latched.tripwires.as_json(), indent=1))

    def _listen(self) -> GuardVerdict:
        listener, heart, problem = Listener(self.silent_s), Heartbeat(self.heartbeat), ""
        while True:
            now = self.steady.now_ns()
            try:
                beat = heart.last()
            except DataError as error:  # what cannot be read is no sign of life
                beat = None
                if str(error) != problem:
                    problem = str(error)
                    self.tell(problem)
            before = listener
            listener = listener.listened(beat, now)
            if beat is not None and listener.heard is not None and self._is_news(before, listener):
                said = "said goodbye" if beat.stopped else "lives"
                self.tell(f"trader {beat.trader} (process {beat.pid}) {said}")
            found = listener.finding(now)
            if found.flatten:
                return found
            self.steady.sleep_until(now + round(self.silent_s / _LOOKS_PER_LIMIT * _NS_PER_S))

    @staticmethod
    def _is_news(before: Listener, after: Listener) -> bool:
        known = before.heard[0] if before.heard is not None else None
        return after.heard is not None and (after.heard[0] != known or after.stopped != before.stopped)

    def _act(self) -> None:
        while True:
            try:
                code: object = subprocess.run(list(self.action), check=False, timeout=_LONGEST_ACTION_S).returncode
            except (OSError, subprocess.TimeoutExpired) as error:
                code = f"{type(error).__name__}: {error}"
            if code == 0:
                self.tell(f"done: {' '.join(self.action)}")
                return
            self.tell(f"{' '.join(self.action)} failed ({code}); again in {_RETRY_S:g} s")
            self.steady.sleep_until(self.steady.now_ns() + round(_RETRY_S * _NS_PER_S))

    def _write_down(self, records: Sequence[GuardRecord]) -> None:
        self.records.parent.mkdir(parents=True, exist_ok=True)
        with self.records.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record.as_json()) + "\n" for record in records)
        for record in records:
            self.alert(record)

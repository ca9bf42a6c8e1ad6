"""The kill switch: a small file that any process may throw, that every trader obeys, and that outlives them all."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from agv2.core.errors import DataError
from agv2.data.store.durable_files import replace_durably
from agv2.utils.clock import Clock

__all__ = ["KillSwitch", "SwitchState", "all_switches"]

_SUFFIX = ".switch.json"
_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class SwitchState:
    """What a switch says at one moment."""

    journal: str
    """Whose trader obeys it."""
    is_thrown: bool = False
    """Nothing is opened until a person re-arms."""
    flattens: bool = False
    """What is held is closed as well."""
    reason: str = ""
    by: str = ""
    changed_ns: int = 0
    number: int = 0
    """Counts the changes."""


class KillSwitch:
    """The switch of one journal's trader.

    Once thrown it stays so, through restarts and whatever the trader does, until a person re-arms. A switch that
    cannot be read counts as thrown.

    Args:
        directory: where switches lie.
        journal: location of the trader's journal; a password in it goes nowhere.
        clock: stamps changes.
    """

    def __init__(self, directory: Path, journal: str, clock: Clock) -> None:
        shown = re.sub(r"://[^@/]*@", "://", journal)
        if "://" not in shown:
            shown = str(Path(shown).resolve())
        stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(shown).stem).strip("-")[:40] or "journal"
        name = f"{stem}-{hashlib.sha256(shown.encode()).hexdigest()[:8]}{_SUFFIX}"
        self.path, self._shown, self._clock = directory / name, shown, clock

    def now_ns(self) -> int:
        """The time by which changes are stamped."""
        return self._clock.now_ns()

    def state(self) -> SwitchState:
        """What it says now."""
        try:
            return SwitchState(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return SwitchState(self._shown)
        except (OSError, ValueError, TypeError) as error:
            reason = f"{self.path.name} cannot be read ({type(error).__name__})"
            return SwitchState(self._shown, is_thrown=True, reason=reason, by="agv2")

    def register(self) -> None:
        """Be there, so that whoever halts everything finds it.

        Raises:
            DataError: the file cannot be written: nobody could halt this trader.
        """
        with self._locked():
            if not self.path.exists():
                self._write(SwitchState(self._shown))

    def throw(self, reason: str, by: str, *, flatten: bool = False) -> SwitchState:
        """Halt; with `flatten` close what is held too. Thrown again, it keeps the first reason and adds to it.

        Raises:
            DataError: the file cannot be written.
        """
        with self._locked():
            before = self.state()
            if before.is_thrown and (before.flattens or not flatten):
                return before
            return self._change(before, is_thrown=True, flattens=flatten, reason=reason, by=by)

    def rearm(self, reason: str, by: str) -> SwitchState:
        """Allow new positions again.

        Raises:
            DataError: the file cannot be written.
        """
        with self._locked():
            return self._change(self.state(), is_thrown=False, flattens=False, reason=reason, by=by)

    def _change(self, before: SwitchState, *, is_thrown: bool, flattens: bool, reason: str, by: str) -> SwitchState:
        after = SwitchState(
            self._shown, is_thrown, flattens, reason, by, self._clock.now_ns(), before.number + 1
        )  # fmt: skip
        self._write(after)
        return after

    def _write(self, state: SwitchState) -> None:
        text = json.dumps(asdict(state), indent=1)
        try:
            replace_durably(self.path, lambda path: path.write_text(text, encoding="utf-8"))
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({error.strerror}); stop the trader itself") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(f"{self.path}.lock", timeout=_WAIT_S):
                yield
        except Timeout:
            raise DataError(f"{self.path}: another process holds it; try again") from None


def all_switches(directory: Path, clock: Clock) -> list[KillSwitch]:
    """Every switch that a trader has made in `directory`, in order of their files' names."""
    found = []
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        try:
            journal = str(json.loads(path.read_text(encoding="utf-8"))["journal"])
        except (OSError, ValueError, KeyError, TypeError):
            journal = ""
        switch = KillSwitch(directory, journal, clock)
        switch.path = path
        found.append(switch)
    return found

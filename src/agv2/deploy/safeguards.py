"""Limits of the account, latched for people; and the sign of life that a watchdog listens for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agv2.backtest.atomic_files import write_atomically
from agv2.core.errors import DataError
from agv2.deploy.verdicts import GuardLevel, GuardVerdict
from agv2.risk.config import RiskParams
from agv2.risk.limits import RiskState

__all__ = ["Breaker", "Heartbeat", "Listener"]

DAILY_LOSS, DRAWDOWN, HEARTBEAT = "daily_loss", "drawdown", "heartbeat"
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Breaker:
    """Reads the risk layer's own limits: in simulation they lift by themselves, in paper and live a person does it.

    It decides nothing that `risk.limits.observe_equity` has not decided, and moves no state.
    """

    params: RiskParams

    def findings(self, state: RiskState) -> tuple[GuardVerdict, GuardVerdict]:
        """Daily loss and drawdown, after the risk layer has seen the bar.

        Known at: the close of the bar.
        """
        lost = _share_lost(state.last_equity, state.day_start_equity)
        below = _share_lost(state.last_equity, state.peak_equity)
        return (
            self._finding(DAILY_LOSS, state.daily_loss_hit, lost, self.params.daily_loss_frac, "of the day's equity"),
            self._finding(DRAWDOWN, state.breaker_until_day > 0, below, self.params.drawdown_frac, "below the peak"),
        )

    def _finding(self, guard: str, hit: bool, found: float, limit: float, what: str) -> GuardVerdict:
        evidence: dict[str, float | str] = {"found_frac": found, "limit_frac": limit}
        if not hit:
            return GuardVerdict.clear(guard, evidence)
        # The limit was hit at some bar; the equity of now may have recovered since.
        reason = f"limit of {limit:.1%} {what} was reached; now {found:.1%}"
        return GuardVerdict(guard, GuardLevel.FLATTEN, 0, reason, evidence)


def _share_lost(equity: float, before: float) -> float:
    return 1.0 - equity / before if before > 0.0 else 1.0


class Beat(NamedTuple):
    """One sign of life."""

    number: int
    """Rises with every beat of a process."""
    at_ns: int
    """By the trader's clock, for people; silence is measured by the listener's own."""
    pid: int
    trader: str
    """Account and symbol, for people."""
    stopped: bool
    """The last one of a trader that ended on purpose, flat or with its stops in place."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A file that a trader rewrites as long as it decides."""

    path: Path

    def beat(self, beat: Beat) -> None:
        """Say that the trader lives; the file is whole at every moment.

        Raises:
            OSError: it cannot be written.
        """
        write_atomically(self.path, json.dumps(beat._asdict()))

    def last(self) -> Beat | None:
        """The last beat; None where there was none yet.

        Raises:
            DataError: the file holds something else.
        """
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return Beat(**{name: kind(document[name]) for name, kind in Beat.__annotations__.items()})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self.path}: not a heartbeat ({type(error).__name__}); name the trader's file") from error


@dataclass(frozen=True, slots=True)
class Listener:
    """What a watchdog remembers: the last beat that was new, and when it heard it."""

    silent_s: float
    heard: tuple[int, int] | None = None
    """Process and number of the last beat."""
    heard_ns: int = 0
    """By the listener's clock, which must not be set back; nothing heard yet: when it began to listen."""
    stopped: bool = False

    def listened(self, beat: Beat | None, now_ns: int) -> "Listener":
        """After a look at the file."""
        if beat is None or (beat.pid, beat.number) == self.heard:
            return self
        return Listener(self.silent_s, (beat.pid, beat.number), now_ns, beat.stopped)

    def finding(self, now_ns: int) -> GuardVerdict:
        """Whether silence has lasted too long. A trader that said goodbye, or was never heard, is not missed."""
        silent_s = (now_ns - self.heard_ns) / _NS_PER_S
        evidence: dict[str, float | str] = {"silent_s": silent_s, "limit_s": self.silent_s}
        if self.heard is None or self.stopped or silent_s <= self.silent_s:
            return GuardVerdict.clear(HEARTBEAT, evidence)
        who = f"the trader (process {self.heard[0]})"
        reason = f"{who} has been silent for {silent_s:.0f} s, longer than {self.silent_s:g} s"
        return GuardVerdict(HEARTBEAT, GuardLevel.FLATTEN, 0, reason, evidence)

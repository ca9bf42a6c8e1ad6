"""Whether this machine's clock agrees with the venue's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agv2.deploy.verdicts import GuardLevel, GuardVerdict

__all__ = ["CLOCK_EVERY_NS", "ClockReading", "ClockState", "ClockWatch"]

CLOCK_EVERY_NS = 300_000_000_000
"""Between readings of a venue's clock; `tools/guard_study.py` measures the guard at this rate."""

SKEW = "clock_skew"
_NS_PER_S = 1_000_000_000


class ClockReading(NamedTuple):
    """The venue's time as told in one answer, and when we asked and heard."""

    asked_ns: int
    venue_ns: int
    heard_ns: int
    resolution_ns: int = _NS_PER_S
    """Of what the venue tells: a `Date` header counts whole seconds and names the second that has begun."""

    @property
    def skew_s(self) -> float:
        """How far our clock is surely ahead (> 0) or behind (< 0): 0 where the journey alone may explain it.

        The venue's clock stood between what it told and one resolution later, at a moment between asking and hearing.
        """
        ahead = self.asked_ns - (self.venue_ns + self.resolution_ns)
        behind = self.heard_ns - self.venue_ns
        return (max(ahead, 0) + min(behind, 0)) / _NS_PER_S


@dataclass(frozen=True, slots=True)
class ClockState:
    """The newest readings, seconds ahead of the venue."""

    skews_s: tuple[float, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return {"skews_s": list(self.skews_s)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ClockState":
        """The inverse of `as_json`."""
        return cls(tuple(document["skews_s"]))


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """Median of several readings against a limit: one slow answer is no skew."""

    most_skew_s: float
    samples: int

    def observe(self, state: ClockState, reading: ClockReading) -> ClockState:
        """After one more answer of the venue."""
        return ClockState((*state.skews_s, reading.skew_s)[-self.samples :])

    def finding(self, state: ClockState) -> GuardVerdict:
        """Whether the clocks are apart; silent until there are readings enough for a median."""
        if len(state.skews_s) < self.samples:
            return GuardVerdict.clear(SKEW)
        skew_s = float(np.median(state.skews_s))
        evidence: dict[str, float | str] = {"skew_s": skew_s, "limit_s": self.most_skew_s}
        if abs(skew_s) <= self.most_skew_s:
            return GuardVerdict.clear(SKEW, evidence)
        side = "ahead of" if skew_s > 0.0 else "behind"
        reason = f"this machine's clock is {abs(skew_s):.1f} s {side} the venue's, more than {self.most_skew_s:g} s"
        return GuardVerdict(SKEW, GuardLevel.HALT, 0, reason, evidence)

"""Whether bars still come, and still move."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.bars import Bar
from agv2.deploy.verdicts import GuardLevel, GuardVerdict

__all__ = ["FeedState", "FeedWatch"]

STALE, FROZEN = "stale_feed", "frozen_feed"
_NS_PER_S = 1_000_000_000


class FeedState(NamedTuple):
    """What was last heard of the market."""

    close_ns: int
    """Close of the newest bar; 0 before the first."""
    price: float
    frozen_bars: int
    """Bars in a row, the newest included, that did nothing but repeat `price`."""

    def after(self, bar: Bar, close_ns: int) -> "FeedState":
        """After a bar that closed at `close_ns`."""
        still = bar.high == bar.low == bar.close
        frozen = (self.frozen_bars + 1 if bar.close == self.price else 1) if still else 0
        return FeedState(close_ns, float(bar.close), frozen)

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return self._asdict()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FeedState":
        """The inverse of `as_json`."""
        return cls(**document)


@dataclass(frozen=True, slots=True)
class FeedWatch:
    """Waits for the next bar in hours in which the market is open.

    Attributes:
        step_ns: length of a bar.
        grace_ns: how late it may be.
        frozen_bars: bars in a row with one price that make a feed that repeats itself.
    """

    step_ns: int
    grace_ns: int
    frozen_bars: int

    def findings(
        self, state: FeedState, now_ns: int, open_ns: IntArray, close_ns: IntArray
    ) -> tuple[GuardVerdict, GuardVerdict]:
        """Silence and repetition at `now_ns`, which need not be the close of a bar.

        Args:
            state: after the newest bar.
            now_ns: nanoseconds since 1970, UTC.
            open_ns: (n_sessions,) when the market opens, rising, around now.
            close_ns: (n_sessions,) when it closes.
        """
        waited = open_time_ns(state.close_ns, now_ns, open_ns, close_ns) if state.close_ns > 0 else 0
        allowed = self.step_ns + self.grace_ns
        evidence: dict[str, float | str] = {"waited_s": waited / _NS_PER_S, "limit_s": allowed / _NS_PER_S}
        stale = GuardVerdict.clear(STALE, evidence)
        if waited > allowed:
            reason = f"no bar for {waited / _NS_PER_S:,.0f} s of open market, more than {allowed / _NS_PER_S:,.0f} s"
            stale = GuardVerdict(STALE, GuardLevel.HALT, 0, reason, evidence)
        evidence = {"frozen_bars": float(state.frozen_bars), "limit_bars": float(self.frozen_bars)}
        frozen = GuardVerdict.clear(FROZEN, evidence)
        if state.frozen_bars >= self.frozen_bars:
            reason = f"{state.frozen_bars} bars in a row repeat the price {state.price:g}"
            frozen = GuardVerdict(FROZEN, GuardLevel.HALT, 0, reason, evidence)
        return stale, frozen


def open_time_ns(from_ns: int, to_ns: int, open_ns: IntArray, close_ns: IntArray) -> int:
    """How much of a span of time lies inside sessions."""
    overlap = np.minimum(close_ns, to_ns) - np.maximum(open_ns, from_ns)
    return int(np.maximum(overlap, 0).sum())

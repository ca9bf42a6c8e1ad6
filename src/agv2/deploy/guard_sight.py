"""What the guards know, for whoever shows it; `Unknown` is an answer like any other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from agv2.deploy.verdicts import GuardVerdict

if TYPE_CHECKING:
    from agv2.deploy.monitoring import FeatureDrift  # loads numpy, for which /health does not wait

__all__ = ["EquityBand", "GuardSight", "NoSight", "Unknown"]


class Unknown(NamedTuple):
    """There is no answer, and why, in words for a person."""

    why: str


class EquityBand(NamedTuple):
    """Between which values the backtest leads to expect the account's equity, one moment after another."""

    ts: Sequence[int]
    """(n,) Unix seconds, rising."""
    low: Sequence[float]
    """(n,) account's currency."""
    median: Sequence[float]
    high: Sequence[float]


class GuardSight(Protocol):
    """Asked on the event loop at every change: answers from memory, never waits."""

    def findings(self) -> Sequence[GuardVerdict] | Unknown:
        """What has tripped and was not re-armed, the strictest first; empty: nothing."""
        ...

    def drift(self, symbol: str) -> "Sequence[FeatureDrift] | Unknown":
        """Every feature of a served symbol, the furthest strayed first."""
        ...

    def band(self) -> EquityBand | Unknown:
        """The band from where it began."""
        ...


class NoSight:
    """Sight of a service that asks no guards."""

    _NOTHING = Unknown("this service does not ask the guards")

    def findings(self) -> Unknown:
        """Nothing is known."""
        return self._NOTHING

    def drift(self, symbol: str) -> Unknown:
        """Nothing is known."""
        del symbol
        return self._NOTHING

    def band(self) -> Unknown:
        """Nothing is known."""
        return self._NOTHING

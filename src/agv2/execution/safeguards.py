"""What a trader tells its guards, and asks of them; who stands behind them it does not know."""

from typing import NamedTuple, Protocol

from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.bars import Bar
from agv2.risk.limits import RiskState

__all__ = ["BarFacts", "NoSafeguards", "Safeguards"]


class BarFacts(NamedTuple):
    """What is known once a bar was looked at."""

    now_ns: int
    bar: Bar
    close_ns: int
    feature_row: Float32Array | FloatArray
    """(n_features,) raw, as the policy's encoder gets it before scaling."""
    entropy: float | None
    """Of the policy's choices, nats; None where the choice was forced, as while halted, or none was made."""
    risk: RiskState
    """After the bar."""


class Safeguards(Protocol):
    """Guards of one trader. They halt it by its kill switch, which it obeys whoever throws it."""

    def begin(self, now_ns: int) -> tuple[str, ...]:
        """A start: what tripped before holds again. Returns what a person should know, such as guards that are off."""
        ...

    def after_bar(self, facts: BarFacts) -> None:
        """A bar was looked at, and decided on unless it came late; before any order of it is sent."""
        ...

    def tick(self, now_ns: int) -> None:
        """The trader lives; called at every bar and every few seconds between them."""
        ...

    def tripped(self) -> tuple[str, ...]:
        """What has tripped and was not re-armed, a line each."""
        ...

    def end(self, now_ns: int) -> None:
        """The trader ends on purpose, flat or with its stops in place."""
        ...


class NoSafeguards:
    """A trader that only its limits and people halt, as in tests of the loop itself."""

    def begin(self, now_ns: int) -> tuple[str, ...]:
        """Nothing to say."""
        return ()

    def after_bar(self, facts: BarFacts) -> None:
        """Nothing is watched."""

    def tick(self, now_ns: int) -> None:
        """Nobody listens."""

    def tripped(self) -> tuple[str, ...]:
        """Nothing ever trips."""
        return ()

    def end(self, now_ns: int) -> None:
        """Nobody listens."""

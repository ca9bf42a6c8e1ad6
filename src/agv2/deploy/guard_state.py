"""What all guards of one book remember; saved after every step, so a restart is a load."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agv2.core.errors import DataError
from agv2.deploy.clock_watch import ClockState
from agv2.deploy.feed_watch import FeedState
from agv2.deploy.monitoring import DriftState
from agv2.deploy.pnl_band import PnlState
from agv2.deploy.tripwires import Tripwires

__all__ = ["GuardsState"]

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class GuardsState:
    """A value; `Guards` gives the next one."""

    model: str
    """Digest of the bundle that the memory is about."""
    tripwires: Tripwires
    drift: DriftState | None
    """None where the bundle has no reference for it; so for `entropy` and `pnl`."""
    entropy: DriftState | None
    pnl: PnlState | None
    feed: FeedState
    clock: ClockState

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back bit by bit."""
        return {
            "schema": _SCHEMA,
            "model": self.model,
            "tripwires": self.tripwires.as_json(),
            "drift": None if self.drift is None else self.drift.as_json(),
            "entropy": None if self.entropy is None else self.entropy.as_json(),
            "pnl": None if self.pnl is None else self.pnl.as_json(),
            "feed": self.feed.as_json(),
            "clock": self.clock.as_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "GuardsState":
        """The inverse of `as_json`.

        Raises:
            DataError: it is something else; nothing may be traded until a person has looked.
        """
        try:
            if document["schema"] != _SCHEMA:
                raise ValueError(f"schema {document['schema']}, not {_SCHEMA}")
            drift, entropy, pnl = document["drift"], document["entropy"], document["pnl"]
            return cls(
                model=str(document["model"]),
                tripwires=Tripwires.from_json(document["tripwires"]),
                drift=None if drift is None else DriftState.from_json(drift),
                entropy=None if entropy is None else DriftState.from_json(entropy),
                pnl=None if pnl is None else PnlState.from_json(pnl),
                feed=FeedState.from_json(document["feed"]),
                clock=ClockState.from_json(document["clock"]),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise DataError(f"the state of the guards cannot be read ({error}): restore it, or begin anew") from error

"""Attributions of decisions, made one after another in the background, each a second record of the audit log."""

import queue
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import structlog

from agv2.utils.tracing import Place, continuing, step

if TYPE_CHECKING:
    from agv2.deploy.decision_engine import DecisionEngine, Explicable

__all__ = ["AttributionWorker", "Explained"]

_log = structlog.get_logger("agv2.service")


class Explained(NamedTuple):
    """A decision that has been recorded, and what is needed to explain it."""

    record: int
    """Its number in the audit log."""
    ids: Mapping[str, object]
    """Of the request, by which its record is found."""
    explicable: "Explicable"
    place: Place | None = None
    """In the trace of the decision."""


class AttributionWorker:
    """Explains what it can, and says of the rest that it did not.

    Args:
        engine: whose models are asked.
        most: decisions that may wait.
        record: writes the body of a record.
        dropped: told of each decision that is left out.
    """

    def __init__(
        self,
        engine: "DecisionEngine",
        most: int,
        record: Callable[[dict[str, object]], object],
        dropped: Callable[[], None],
    ) -> None:
        self._engine, self._record, self._dropped = engine, record, dropped
        self._waiting: queue.Queue[Explained | None] = queue.Queue(most)
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="attribution", daemon=True)
        self._thread.start()

    def explain(self, made: Explained) -> None:
        """Put a decision in the queue; where that is full it is left out."""
        try:
            self._waiting.put_nowait(made)
        except queue.Full:
            self._dropped()

    def stop(self, patience_s: float) -> None:
        """Finish what waits, for so long; the rest is left out."""
        try:
            self._waiting.put(None, timeout=patience_s)
            self._thread.join(patience_s)
        except queue.Full:
            pass
        self._ending = True
        self._thread.join(patience_s)

    def _work(self) -> None:
        while (made := self._waiting.get()) is not None and not self._ending:
            try:
                with continuing(made.place), step("attribution", of=made.record):
                    self._record(self._body(made))
            except Exception:  # noqa: BLE001 - an explanation that fails must not stop the next, nor the service
                _log.exception("attribution failed", record=made.record)
                self._dropped()

    def _body(self, made: Explained) -> dict[str, object]:
        from agv2.backtest.erasure import grouped_erasure
        from agv2.features.families import family_masks
        from agv2.features.pipeline import feature_columns
        from agv2.models.served_odds import served_odds

        what = made.explicable
        served = self._engine.markets[what.symbol]
        odds = served_odds(served.runner, what.position, served.asset_class)
        # Permissions come last, and no network reads them.
        state = what.observation[served.layout.market_size : -3]
        found = grouped_erasure(odds, what.window, state, family_masks(feature_columns(served.timeframe)))
        return {
            "of": made.record,
            **made.ids,
            "symbol": what.symbol,
            "position": ("flat", "long", "short")[what.position],
            **found._asdict(),
        }

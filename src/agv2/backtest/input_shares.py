"""A decision shared out among its inputs: the result of an attribution, whoever made it."""

from dataclasses import dataclass

from agv2.core.arrays import FloatArray

__all__ = ["InputShares"]


@dataclass(frozen=True, slots=True)
class InputShares:
    """The log-odds of a decision against flat, shared out among what it was made from.

    Attributes:
        window: (L, F) share of each feature at each bar; positive: it spoke for the decision.
        state: (S,) share of each number of the book.
        log_odds: of the decision.
        baseline: log-odds of the average bar (all features at their training means) and a flat book.
    """

    window: FloatArray
    state: FloatArray
    log_odds: float
    baseline: float

    @property
    def gap(self) -> float:
        """What the sum of the shares misses of `log_odds - baseline`: the error of the numerical integral."""
        return self.log_odds - self.baseline - float(self.window.sum() + self.state.sum())

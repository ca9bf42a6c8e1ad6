"""What an ablation takes away: features from the encoder, or parts of its answer from the policy."""

from dataclasses import dataclass, replace

import numpy as np

from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array
from agv2.decision.observation import ObservationLayout

__all__ = ["NOTHING_ERASED", "Erasure", "erased_tape"]

EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is not to be known.

    Attributes:
        features: columns of the feature matrix that the encoder sees at their training mean.
        inputs: slices of the market's part of an observation that the policy sees as constants.
    """

    features: tuple[int, ...] = ()
    inputs: tuple[str, ...] = ()


NOTHING_ERASED = Erasure()


def erased_tape(
    tape: MarketTape, inputs: tuple[str, ...], layout: ObservationLayout, usual: Float32Array
) -> MarketTape:
    """The market as a policy sees it to which some of the encoder's answers say nothing.

    Args:
        tape: with all of them.
        inputs: slices of `layout` before the book; an embedding becomes zero, a head's predictions its usual ones.
        layout: of the observation.
        usual: (market size,) mean over training bars.

    Returns:
        The same tape where `inputs` is empty.
    """
    if not inputs:
        return tape
    rows = tape.market_rows.copy()
    slices = layout.slices()
    for name in inputs:
        first, stop = slices[name]
        known = np.isfinite(rows[:, first])  # what is not known yet stays so
        rows[known, first:stop] = 0.0 if name == EMBEDDING else usual[first:stop]
    return replace(tape, market_rows=rows)

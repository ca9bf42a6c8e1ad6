"""How far one pass over a history lies from window after window."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import Float32Array
from agv2.core.errors import DataError
from agv2.models.embedding import embed_history
from agv2.models.encoder import StageOneEncoder
from agv2.models.heads import MultiTaskHeads

__all__ = ["PassDeviation", "pass_deviation"]


class PassDeviation(NamedTuple):
    """Largest absolute differences among the bars looked at."""

    bars: int
    embedding: float
    """The embedding's own scale is one."""
    quantiles: float
    """In σ·√h."""
    regime_probs: float
    pattern_probs: float
    level_probs: float


def pass_deviation(
    encoder: StageOneEncoder,
    heads: MultiTaskHeads,
    features: Float32Array,
    generator: np.random.Generator,
    asset_class: int = 0,
    n_bars: int = 64,
) -> PassDeviation:
    """Compare both ways on bars drawn at random: rounding for `tcn` and `transformer`, more for an `lstm`.

    Args:
        encoder: trained encoder.
        heads: its heads.
        features: (n, n_features) normalised and finite, n >= window.
        generator: draws the bars.
        asset_class: of the market, its number in `ASSET_CLASSES`.
        n_bars: bars to look at; fewer if there are not so many with a whole window.

    Raises:
        DataError: no bar has a whole window.
        ShapeError: another number of features than the encoder was made for.
    """
    lead = encoder.window - 1
    if len(features) <= lead:
        raise DataError(f"{len(features)} bars hold no window of {encoder.window} to compare")
    n_bars = min(n_bars, len(features) - lead)
    drawn = np.sort(generator.choice(np.arange(lead, len(features)), n_bars, replace=False))
    whole = embed_history(encoder, heads, features, asset_class)
    alone = [embed_history(encoder, heads, features[bar - lead : bar + 1], asset_class) for bar in drawn]
    largest = [
        float(np.abs(getattr(whole, name)[drawn] - np.stack([getattr(one, name)[-1] for one in alone])).max())
        for name in PassDeviation._fields[1:]
    ]
    return PassDeviation(n_bars, *largest)

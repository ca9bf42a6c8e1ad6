"""Head predictions of training bars by encoders that were not fitted on them.

A policy that learned from the predictions of an encoder for its own training bars would trust them as it never may
again. So the training bars are cut into blocks, each block is predicted by an encoder of the others, and the policy
reads these predictions wherever it is trained or chosen. Embeddings are those of the fold's one encoder throughout:
those of separately trained encoders have different coordinates. Test bars are predicted by the fold's encoder.
"""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from agv2.app.embedding_cache import EmbeddingCache
from agv2.app.fold_training import FoldEncoder, market_outputs, training_data
from agv2.app.market_preparation import PreparedMarket
from agv2.app.settings import Settings
from agv2.app.training_parts import training_parts
from agv2.backtest.walk_forward import Fold
from agv2.core.errors import DataError
from agv2.models.embedding import embed_history
from agv2.models.head_outputs import HeadOutputs
from agv2.models.head_rows import output_predictions
from agv2.models.head_scores import prediction_losses
from agv2.models.training_blocks import TrainingBlock, training_blocks
from agv2.models.training_rows import purged_rows, purged_stamps

__all__ = ["block_steps", "cross_fit_blocks", "cross_fitted_losses", "cross_fitted_outputs", "taught_rows"]

LEAST_SHARE = 1 / 3
"""Of the fold's training rows: an encoder of fewer is another encoder, and its predictions teach another policy."""


def cross_fit_blocks(
    markets: Sequence[PreparedMarket], folds: Sequence[Fold], settings: Settings, n_blocks: int
) -> tuple[TrainingBlock, ...]:
    """The blocks of a fold's training bars.

    Args:
        markets: prepared markets.
        folds: of each market.
        settings: encoder settings and the reach of labels.
        n_blocks: as the profile asks; fewer than two switch cross-fitting off.

    Returns:
        `n_blocks` of them; none where it is off, or where some block would leave its encoder less than a third of the
        rows that teach the fold's own. Fewer blocks would be longer ones and leave less.
    """
    if n_blocks < 2:
        return ()
    stamps = [market.bars.ts_ns[fold.train_lo : fold.train_hi] for market, fold in zip(markets, folds, strict=True)]
    blocks = training_blocks(stamps, n_blocks, settings.label_reach)
    least = LEAST_SHARE * taught_rows(markets, folds, settings, None)
    enough = all(taught_rows(markets, folds, settings, block) >= least for block in blocks)
    return blocks if enough else ()


def taught_rows(
    markets: Sequence[PreparedMarket], folds: Sequence[Fold], settings: Settings, left_out: TrainingBlock | None
) -> int:
    """Rows that teach an encoder; 0 where there are too few to fit one.

    Args:
        markets: prepared markets.
        folds: of each market.
        settings: encoder settings and the reach of labels.
        left_out: the block that it is to predict; None for the fold's encoder.
    """
    stamps = [part.ts_ns for part in training_parts(markets, folds, settings, left_out)]
    try:
        rows = purged_stamps(stamps, settings.label_reach, settings.encoder) if stamps else []
    except DataError:
        return 0
    return sum(len(split.train) for split in rows)


def block_steps(
    markets: Sequence[PreparedMarket], folds: Sequence[Fold], settings: Settings, block: TrainingBlock, steps: int
) -> int:
    """Gradient steps that see each row outside `block` as often as `steps` show the fold's encoder its own."""
    whole, rest = (taught_rows(markets, folds, settings, left_out) for left_out in (None, block))
    return max(1, round(steps * rest / whole))


def cross_fitted_outputs(
    markets: Sequence[PreparedMarket],
    folds: Sequence[Fold],
    encoder: FoldEncoder,
    blocks: Sequence[TrainingBlock],
    encoders: Sequence[FoldEncoder],
    cache: EmbeddingCache | None = None,
    *,
    one_level: bool = False,
) -> list[HeadOutputs]:
    """What the policy reads of each market before the end of its training bars.

    Encoders of different bars differ by what those bars paid on average. A policy would read from that in which block a
    bar lies, and what the block paid is what the others did not: on a market without an edge that looked like two
    standard errors of evidence. `one_level` moves each quantile of a block to the mean that the fold's encoder gives it
    there; the shape of the block's predictions stays its own.

    Args:
        markets: prepared markets.
        folds: of each market.
        encoder: of the fold; its embeddings are everywhere, its predictions before the first training bar.
        blocks: of the training bars.
        encoders: one a block, fitted with it left out.
        cache: where the fold's embeddings of long histories are kept; None: everything is computed.
        one_level: for policies; without it predictions of a block know nothing at all of its outcomes.

    Returns:
        (train_hi, ...) a market; NaN before its first decision.
    """
    found = []
    for market, fold in zip(markets, folds, strict=True):
        outputs = market_outputs(market, fold.train_hi, encoder, cache)
        stamps = market.bars.ts_ns[: fold.train_hi]
        for block, other in zip(blocks, encoders, strict=True):
            first, stop = (int(bar) for bar in np.searchsorted(stamps, [block.first_ns, block.stop_ns]))
            if first == stop:
                continue
            lead = other.pretrained.encoder.window - 1
            features = other.normalizer.transform(market.features.values[first - lead : stop])
            said = embed_history(other.pretrained.encoder, other.pretrained.heads, features, market.asset_class)
            own = outputs.quantiles[first:stop].mean(axis=0)
            for field in fields(outputs):
                if field.name != "embedding":
                    getattr(outputs, field.name)[first:stop] = getattr(said, field.name)[lead:]
            if one_level:
                quantiles = outputs.quantiles[first:stop]
                moved = quantiles + (own - quantiles.mean(axis=0))
                n_levels = len(other.pretrained.config.quantile_levels)
                # Neighbours that cross after that are as far apart as chance: their order is restored.
                quantiles[:] = np.sort(moved.reshape(stop - first, -1, n_levels), axis=-1).reshape(moved.shape)
        found.append(outputs)
    return found


def cross_fitted_losses(
    markets: Sequence[PreparedMarket], folds: Sequence[Fold], settings: Settings, outputs: Sequence[HeadOutputs]
) -> dict[str, float]:
    """Mean loss of each cross-fitted head on the rows that taught the fold's encoder, whose own losses are in-sample.

    Args:
        markets: prepared markets.
        folds: of each market.
        settings: encoder settings.
        outputs: of `cross_fitted_outputs`.
    """
    _, series = training_data(markets, folds, settings)
    rows = [split.train for split in purged_rows(series, settings.encoder)]
    lead = settings.encoder.window - 1
    said = []
    for own, fold, part in zip(outputs, folds, rows, strict=True):
        first = fold.train_lo - lead  # the bar that is row 0 of the series
        said.append(output_predictions(own.part(slice(first + part.start, first + part.stop)), settings.encoder))
    return prediction_losses(said, series, rows, settings.encoder)

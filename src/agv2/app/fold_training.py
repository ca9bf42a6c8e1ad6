"""What is fitted on the past of one fold: labels, normaliser, encoder, policies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from agv2.app.embedding_cache import EmbeddingCache
from agv2.app.market_preparation import PreparedMarket
from agv2.app.settings import Settings
from agv2.app.training_parts import training_parts
from agv2.app.training_tracking import TrackedTraining
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import Float32Array
from agv2.decision.observation import ObservationLayout
from agv2.features.feature_spec import FeatureColumn, Reads
from agv2.features.labels.breakout import breakout_labels
from agv2.features.labels.forward_returns import forward_returns
from agv2.features.labels.level_reaction import Reaction, level_reactions
from agv2.features.labels.regime import regime_labels
from agv2.features.support_resistance import Levels
from agv2.models.bar_basis import LinearInputs
from agv2.models.config import EncoderConfig
from agv2.models.embedding import embed_history
from agv2.models.head_outputs import HeadOutputs, head_widths
from agv2.models.normalizer import Normalizer
from agv2.models.pass_deviation import PassDeviation, pass_deviation
from agv2.models.pretraining import PretrainedEncoder, pretrain
from agv2.models.training_blocks import TrainingBlock
from agv2.models.training_log import TrainingLook
from agv2.models.training_rows import TrainingSeries, validation_starts

__all__ = [
    "FoldEncoder",
    "Report",
    "fit_encoder",
    "linear_inputs",
    "make_tapes",
    "market_outputs",
    "observation_layout",
    "one_pass_deviation",
    "training_data",
    "training_series",
]

_SWINGS = ("swing_support", "swing_resistance")

Report = Callable[[float, str], None]
"""Told the share done and a few words on how it goes."""


@dataclass(frozen=True, slots=True)
class FoldEncoder:
    """The encoder of one fold and the normaliser that feeds it."""

    normalizer: Normalizer
    pretrained: PretrainedEncoder


def fit_encoder(
    markets: Sequence[PreparedMarket],
    folds: Sequence[Fold],
    settings: Settings,
    steps: int,
    seed: int,
    report: Report,
    checkpoints: Path | None = None,
    tracked: TrackedTraining | None = None,
    *,
    left_out: TrainingBlock | None = None,
    costly_baselines: bool = False,
    erased_features: Sequence[int] = (),
) -> FoldEncoder:
    """Labels, normaliser and encoder from each market's training bars, and from no later bar.

    Args:
        markets: prepared markets.
        folds: of each market; only its training range is read, and the bars of the window before it.
        settings: encoder settings.
        steps: gradient steps.
        seed: of the encoder's training.
        report: told after every step, with the losses of each head in training and on the selection rows.
        checkpoints: directory from which an interrupted training goes on; None: none is kept.
        tracked: told every look and the scores as well.
        left_out: bars to predict later, which neither input nor target of the encoder's training reads; None for none.
        costly_baselines: whether the heads are compared with GARCH and boosted trees too.
        erased_features: columns of features that it does without.
    """
    normalizer, series = training_data(markets, folds, settings, left_out, erased_features)

    def on_step(step: int, total: int, losses: Mapping[str, float], look: TrainingLook) -> None:
        shown = (f"{name} {loss:.3f}/{look.selection.get(name, float('nan')):.3f}" for name, loss in losses.items())
        report(step / total, f"trained/selecting: {', '.join(shown)}")

    inputs = linear_inputs(markets[0].features.columns)
    progress = on_step if tracked is None else tracked.watching(on_step)
    pretrained = pretrain(
        series, settings.encoder, steps, seed, progress, inputs, checkpoints, costly_baselines=costly_baselines
    )
    if tracked is not None:
        tracked.finished(pretrained)
    return FoldEncoder(normalizer, pretrained)


def training_data(
    markets: Sequence[PreparedMarket],
    folds: Sequence[Fold],
    settings: Settings,
    left_out: TrainingBlock | None = None,
    erased_features: Sequence[int] = (),
) -> tuple[Normalizer, list[TrainingSeries]]:
    """Everything that training sees: the normaliser, and each market's scaled features and targets.

    Args:
        markets: prepared markets.
        folds: of each market; only its training range is read, and the bars of the window before it.
        settings: encoder settings.
        left_out: a block of the training bars that no series touches. The normaliser is that of all training bars
            nevertheless: it holds two numbers a feature and nothing of any target, and the policy reads embeddings
            and predictions of one scale.
        erased_features: columns that are to be at their mean throughout; labels and limits go on reading them.

    Returns:
        The normaliser, and a series a market; with `left_out` up to two, of the bars before and after it.
    """
    normalizer = Normalizer.fit(
        np.concatenate(
            [market.features.values[fold.train_lo : fold.train_hi] for market, fold in zip(markets, folds, strict=True)]
        )
    ).erasing(erased_features)
    parts = training_parts(markets, folds, settings, left_out)
    validation_ns, _ = validation_starts([part.ts_ns for part in parts], settings.encoder)
    series = []
    for market, bars, is_after_block in parts:
        apart_ns = sorted([validation_ns, *([int(market.bars.ts_ns[bars.start])] if is_after_block else [])])
        series.append(training_series(market, slice(bars.start, bars.stop), normalizer, settings, apart_ns))
    return normalizer, series


def linear_inputs(columns: Sequence[FeatureColumn]) -> LinearInputs:
    """Features for the linear parts of the heads: the bar's own timeframe, and its nearest levels for patterns alone.

    Of levels every head reads the swings, which tell lows from highs: on which side price is expected is all that a
    linear function can use of them. On ten development files context timeframes and the heat map made every head
    worse on later bars than leaving them out: they say little that is new about the next bars, and the more inputs,
    the more of a fit is chance (`tools/linear_inputs.py`).
    """
    own = np.array([column.name == column.spec.name and not column.spec.is_heat for column in columns])
    names = [column.name for column in columns]
    level = np.array([column.spec.reads is Reads.LEVELS for column in columns])
    level &= ~np.isin(names, _SWINGS)
    return LinearInputs(own & ~level, own & level, (names.index("level_above"), names.index("level_below")))


def training_series(
    market: PreparedMarket, warm: slice, normalizer: Normalizer, settings: Settings, regimes_from_ns: Sequence[int]
) -> TrainingSeries:
    """What the encoder learns from in one market: scaled features and the targets that look ahead of them.

    Args:
        market: bars and features of any length; none after `warm.stop` is read.
        warm: training bars with complete features.
        normalizer: fitted on training bars.
        settings: the encoder's horizons.
        regimes_from_ns: opens of bars, rising, from which on regimes are made apart: they are relative to all the bars
            that they are made from, and bars that validate may tell those before them nothing.
    """
    past = market.bars.slice(0, warm.stop)
    sigma = market.features.sigma[: warm.stop]
    edges = [0, *np.searchsorted(past.ts_ns, regimes_from_ns).tolist(), len(past)]
    parts = [slice(first, stop) for first, stop in pairwise(edges)]
    regime = np.concatenate([regime_labels(past.close[part], sigma[part]) for part in parts])
    levels = Levels(*(each[: warm.stop] for each in market.features.levels))
    drawn = np.stack([levels.above, levels.below], axis=1)
    is_drawn = np.stack([levels.above_strength, levels.below_strength], axis=1) > 0.0
    prices = (past.high, past.low, past.close, sigma)
    reactions = level_reactions(*prices)[warm]
    return TrainingSeries(
        symbol=market.bars.symbol,
        ts_ns=past.ts_ns[warm],
        features=normalizer.transform(market.features.values[warm]),
        sigma=sigma[warm],
        future=forward_returns(past.close, sigma, settings.encoder.horizons)[warm],
        regime=regime[warm],
        pattern=breakout_labels(*prices, levels)[warm],
        reacted=np.where(reactions < 0, -1, reactions == Reaction.REACTED).astype(np.int8),
        level_distance=np.where(is_drawn, drawn, np.nan)[warm],
        label_reach=settings.label_reach,
        asset_class=market.asset_class,
    )


def observation_layout(encoder: EncoderConfig) -> ObservationLayout:
    """Layout of the observations that an encoder of these settings feeds."""
    return ObservationLayout(*head_widths(encoder))


def make_tapes(
    markets: Sequence[PreparedMarket],
    stops: Sequence[int],
    encoder: FoldEncoder,
    cache: EmbeddingCache | None = None,
) -> list[MarketTape]:
    """Each market up to its `stops` with embedding and head predictions at every bar.

    Market rows are NaN before a market's first decision.

    Args:
        markets: prepared markets.
        stops: of each; its bars before this are embedded.
        encoder: of the fold.
        cache: where embeddings of long histories are kept; None: everything is computed.
    """
    return [
        market.tape(stop, market_outputs(market, stop, encoder, cache).rows())
        for market, stop in zip(markets, stops, strict=True)
    ]


def one_pass_deviation(market: PreparedMarket, stop: int, encoder: FoldEncoder, seed: int) -> PassDeviation:
    """How far the rows of `make_tapes` lie from those of single windows, as live trading would see them.

    Args:
        market: prepared market.
        stop: its bars before this are looked at.
        encoder: of the fold.
        seed: draws the bars that are compared.
    """
    pretrained, generator = encoder.pretrained, np.random.default_rng(seed)
    scaled, asset_class = _scaled(market, stop, encoder), market.asset_class
    return pass_deviation(pretrained.encoder, pretrained.heads, scaled, generator, asset_class)


def _scaled(market: PreparedMarket, stop: int, encoder: FoldEncoder) -> Float32Array:
    return encoder.normalizer.transform(market.features.values[market.features.warmup : stop])


def market_outputs(
    market: PreparedMarket, stop: int, encoder: FoldEncoder, cache: EmbeddingCache | None = None
) -> HeadOutputs:
    """What the encoder says at every bar before `stop`; NaN before the first decision.

    Args:
        market: prepared market.
        stop: first bar that is left out.
        encoder: of a fold.
        cache: as for `make_tapes`.
    """
    scaled, pretrained = _scaled(market, stop, encoder), encoder.pretrained
    if cache is None:
        said = embed_history(pretrained.encoder, pretrained.heads, scaled, market.asset_class)
    else:
        said = cache.outputs(pretrained, scaled, market.asset_class, market.bars.symbol)
    return said.after(market.features.warmup)

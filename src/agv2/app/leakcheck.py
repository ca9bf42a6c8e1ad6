"""The leak check of all that a run computes on its way from bars to an order.

It goes through the functions that a run goes through. Networks have random weights: whether a value can see the
future does not depend on what its weights were trained for.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

# The run's own function, so that what is checked is what trains.
from agv2.app.fold_training import FoldEncoder, make_tapes, training_series
from agv2.app.market_preparation import PreparedMarket, as_known_after
from agv2.app.settings import Settings
from agv2.backtest.leakcheck import Columns, Stage, check_leaks
from agv2.backtest.leakcheck_decisions import account_stages, decision_stages, observation_names
from agv2.backtest.leakcheck_report import LeakReport
from agv2.backtest.leakcheck_stages import feature_stages, remembered
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import BoolArray, Float32Array
from agv2.core.bars import Bars
from agv2.core.errors import DataError, LeakError
from agv2.core.timeframes import Timeframe
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import ObservationLayout
from agv2.features.pipeline import FeatureMatrix, compute_features, feature_columns
from agv2.models.config import EncoderConfig
from agv2.models.heads import REGIMES
from agv2.models.masked_model import MaskedModel
from agv2.models.normalizer import Normalizer
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.threads import torch_threads
from agv2.models.training_batches import training_batches
from agv2.models.training_rows import validation_starts
from agv2.rl.policy_adapter import TorchPolicy
from agv2.rl.trading_policy import head_log_probs
from agv2.utils.seeding import spawn_seed

__all__ = ["bars_needed", "leak_sentence", "leakcheck", "require_no_leak"]

TOLERANCE = 1e-5
"""Of networks: as far as one pass over a history may lie from window after window."""
_MARGIN = 1e-3
"""Between the likeliest and the next choice, in log-probability, above which no tolerated difference turns it."""

_TRAINED_SHARE = 0.5
_FEWEST = 120  # bars with a whole window
_NARROW = {"channels": 8, "embedding_dim": 16, "head_channels": 8}
_SHORT_WINDOW = 64


class _Extent(NamedTuple):
    """How much is checked."""

    bars: int
    """With a whole window; those before come on top."""
    cuts: int


_FULL, _QUICK = _Extent(1_000, 10), _Extent(240, 3)

Progress = Callable[[int, int], None]
"""Told the perturbed histories done and how many there are."""


def leakcheck(
    bars: Bars, settings: Settings, seed: int, *, quick: bool = False, progress: Progress | None = None
) -> LeakReport:
    """Check features, coarse bars, normaliser, training windows, embedding, observation, decision and payoff.

    Args:
        bars: of one symbol; only the last few thousand are used.
        settings: as a run reads them.
        seed: of cuts, perturbations and network weights.
        quick: three cuts, few bars and a narrow network with a short window, in seconds.
        progress: told how far it is.

    Raises:
        DataError: too few bars; says how many are needed.
    """
    needed, extent = bars_needed(bars.timeframe, settings, quick=quick), _QUICK if quick else _FULL
    if len(bars) < needed:
        raise DataError(
            f"{bars.symbol}: {len(bars):,} bars of {bars.timeframe.name} are too few for a leak check; it needs "
            f"{needed:,}" + ("" if quick else f", --quick {bars_needed(bars.timeframe, settings, quick=True):,}")
        )
    if quick:
        settings = replace(settings, encoder=_quick_encoder(settings.encoder))
    bars = bars.slice(max(0, len(bars) - (needed - _FEWEST + extent.bars)), len(bars))
    with torch_threads(1):
        return check_leaks(bars, _stages(bars, settings, seed), extent.cuts, seed, progress=progress)


def require_no_leak(bars: Bars, settings: Settings, seed: int = 7) -> None:
    """The quick check, which passes or stops whoever calls it.

    Raises:
        LeakError: something moved; names the first column, and how many others.
        DataError: too few bars, fewer than any run can use.
    """
    report = leakcheck(bars, settings, seed, quick=True)
    if report.leaks:
        raise LeakError(leak_sentence(report))


def leak_sentence(report: LeakReport) -> str:
    """One line on the leaks of a report that has some."""
    n_columns = sum(len(stage.leaking_columns) for stage in report.stages)
    others = f", and {n_columns - 1} more column{'s' if n_columns > 2 else ''}" if n_columns > 1 else ""
    return f"something sees the future: {report.leaks[0]}{others}; nothing learned from it can be trusted"


def bars_needed(timeframe: Timeframe, settings: Settings, *, quick: bool = False) -> int:
    """Bars without which there is nothing to check.

    Args:
        timeframe: of the bars.
        settings: the encoder's window.
        quick: for the quick check.
    """
    encoder = _quick_encoder(settings.encoder) if quick else settings.encoder
    return _first_decision(timeframe, encoder) + _FEWEST


def _first_decision(timeframe: Timeframe, encoder: EncoderConfig) -> int:
    return max(column.lookback for column in feature_columns(timeframe)) - 1 + encoder.window - 1


def _quick_encoder(config: EncoderConfig) -> EncoderConfig:
    """A narrow network with a short window, of the same kind."""
    window = min(config.window, 2 + _SHORT_WINDOW // (config.kernel - 1) * (config.kernel - 1))
    return config.model_copy(
        update={**_NARROW, "window": window, "mask_span": min(config.mask_span, max(1, window // 2))}
    )


def _stages(bars: Bars, settings: Settings, seed: int) -> tuple[Stage, ...]:
    """Every stage of one fold whose training bars are the first half of those with a whole window."""
    encoder = settings.encoder
    first = _first_decision(bars.timeframe, encoder)
    horizon = encoder.horizons[-1]
    test_lo = first + int((len(bars) - first) * _TRAINED_SHARE)
    fold = Fold(first, test_lo - horizon, test_lo, len(bars))

    calendar = settings.markets.instrument(bars.symbol, bars.ts_ns[:test_lo])[0].calendar
    features_of = remembered(lambda bars: compute_features(bars, calendar))
    market_of = remembered(lambda bars: _market(bars, features_of(bars), settings, test_lo))
    normalizer_of = remembered(lambda bars: Normalizer.fit(features_of(bars).values[fold.train_lo : fold.train_hi]))

    # What is fitted here stays as it is while bars change: so the network's stages are functions of their lookback.
    fitted = FoldEncoder(normalizer_of(bars), _random_encoder(encoder, len(features_of(bars).columns), seed))
    params = market_of(bars).params
    layout = ObservationLayout(encoder.embedding_dim, encoder.quantile_outputs, REGIMES)
    policy = TorchPolicy(_random_policy(layout.size, seed))

    def embedded(bars: Bars) -> MarketTape:
        (tape,) = make_tapes([market_of(bars)], [len(bars)], fitted)
        return replace(tape, params=params)

    def unembedded(bars: Bars) -> MarketTape:
        market = market_of(bars)
        # A cap on participation reads the volume of the bar in which an order fills.
        market = replace(market, costs=market.costs._replace(participation_cap=0.0))
        return market.tape(len(bars), normalizer_of(bars).transform(market.features.values))

    def normalised(bars: Bars) -> Columns:
        matrix, normalizer = features_of(bars), normalizer_of(bars)
        statistics = np.concatenate([normalizer.mean, normalizer.scale])
        values = np.hstack([np.tile(statistics, (len(bars), 1)), normalizer.transform(matrix.values)])
        return Columns(tuple(f"{what} {name}" for what in ("mean", "scale", "of") for name in matrix.names), values)

    def windows(bars: Bars) -> Columns:
        return _windows(market_of(bars), fold, normalizer_of(bars), settings)

    embedded_of = remembered(embedded)
    lookback = first + 1
    market_names = observation_names(layout)[: layout.market_size]
    return (
        *feature_stages(bars.timeframe, calendar, features_of),
        Stage("normaliser", normalised, fitted_bars=test_lo),
        Stage("training windows", windows, fitted_bars=test_lo),
        Stage("embedding", lambda bars: Columns(market_names, embedded_of(bars).market_rows), TOLERANCE, lookback),
        *decision_stages(embedded_of, policy, layout, _is_settled(policy.network), lookback, TOLERANCE),
        *account_stages(unembedded, test_lo, seed),
    )


def _market(bars: Bars, features: FeatureMatrix, settings: Settings, known_bars: int) -> PreparedMarket:
    """The market as a run prepares it, without files, and as it is known after its first bars."""
    instrument, _ = settings.markets.instrument(bars.symbol, bars.ts_ns[:known_bars])
    market = PreparedMarket(
        bars=bars,
        content_hash="",
        sha256="",
        path=Path(),
        features=features,
        first_decision=features.warmup + settings.encoder.window - 1,
        instrument=instrument,
        records=bars.records(instrument.calendar),
        params=settings.risk.active.params(1.0),
        costs=settings.costs.entry(bars.symbol)[0].costs(),
        bars_per_year=1.0,
        notes=(),
    )
    return as_known_after(market, settings, known_bars)


def _windows(market: PreparedMarket, fold: Fold, normalizer: Normalizer, settings: Settings) -> Columns:
    """Inputs and targets of training, gathered as one chunk of all training bars: one row a bar."""
    encoder = settings.encoder
    warm = slice(fold.train_lo - (encoder.window - 1), fold.train_hi)
    validation_ns, _ = validation_starts([market.bars.ts_ns[warm]], encoder)
    series = training_series(market, warm, normalizer, settings, validation_ns)
    whole = encoder.model_copy(update={"chunk": len(series), "batch_chunks": 1, "masked_chunks": 0.0})
    taught = range(encoder.window - 1, len(series))
    batch = next(training_batches([series], [taught], whole, np.random.default_rng(0)))
    n_features, n_targets = batch.features.shape[2], batch.returns.shape[2]
    values = np.full((len(market.bars), n_features + n_targets + 1), np.nan)
    values[warm, :n_features] = batch.features[0].numpy()
    values[fold.train_lo : fold.train_hi, n_features:-1] = batch.returns[0].numpy()
    values[fold.train_lo : fold.train_hi, -1] = batch.regime[0].numpy()
    targets = tuple(f"target return_{horizon}" for horizon in encoder.horizons)
    return Columns((*market.features.names, *targets, "target regime"), values)


def _random_encoder(config: EncoderConfig, n_features: int, seed: int) -> PretrainedEncoder:
    """An untrained encoder none of whose weights is left at zero, where it would hide what it is multiplied with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spawn_seed(seed, "encoder"))
        model = MaskedModel(n_features, config)
        for weights in model.parameters():
            if not weights.any():
                torch.nn.init.normal_(weights, std=0.1)
    return PretrainedEncoder(config, model.eval())


def _random_policy(n_observations: int, seed: int) -> PolicyNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spawn_seed(seed, "policy"))
        return PolicyNetwork(n_observations, sum(ACTION_NVEC))


def _is_settled(network: PolicyNetwork) -> Callable[[Float32Array], BoolArray]:
    def settled(observations: Float32Array) -> BoolArray:
        with torch.inference_mode():
            best = head_log_probs(network(torch.from_numpy(observations)).logits).topk(2, dim=2).values
            margin = (best[:, :, 0] - best[:, :, 1]).min(dim=1).values.numpy()
        return np.asarray(margin > _MARGIN)

    return settled

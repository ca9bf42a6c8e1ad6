"""Every stage of one fold as a function of bars, through the functions that a run goes through.

Networks have random weights: whether a value can see the future does not depend on what its weights were trained for.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

# The run's own functions, so that what is checked is what trains.
from agv2.app.cross_fitting import cross_fitted_outputs, taught_rows
from agv2.app.fold_training import FoldEncoder, fit_encoder, make_tapes, observation_layout, training_data
from agv2.app.market_preparation import PreparedMarket, as_known_after, market_of
from agv2.app.settings import Settings
from agv2.backtest.leakcheck import Columns, Stage
from agv2.backtest.leakcheck_decisions import account_stages, decision_stages, observation_names
from agv2.backtest.leakcheck_stages import feature_stages, remembered
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import BoolArray, Float32Array
from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.decision.actions import ACTION_NVEC
from agv2.features.pipeline import feature_columns
from agv2.models.config import EncoderConfig
from agv2.models.masked_model import MaskedModel
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.training_batches import training_batch
from agv2.models.training_blocks import TrainingBlock, training_blocks
from agv2.models.training_rows import TrainingSeries
from agv2.rl.policy_adapter import TorchPolicy
from agv2.rl.trading_policy import head_log_probs
from agv2.utils.seeding import spawn_seed

__all__ = ["first_decision", "fold_stages", "short_window"]

TOLERANCE = 1e-5
"""Of networks: as far as one pass over a history may lie from window after window."""
_MARGIN = 1e-3
"""Between the likeliest and the next choice, in log-probability, above which no tolerated difference turns it."""

_NARROW_CHANNELS = 8
_NARROW = {"embedding_dim": 16, "head_channels": 8}
_SHORT_WINDOW = 66
_FITTED_WINDOW = 10
_FITTED_VALIDATION = 0.45  # so that a few hundred bars hold rows to train, select and score by
_STEPS = 2
_BLOCKS = 2


def first_decision(timeframe: Timeframe, encoder: EncoderConfig) -> int:
    """First bar with a whole window of complete features."""
    return max(column.lookback for column in feature_columns(timeframe)) - 1 + encoder.window - 1


def short_window(config: EncoderConfig, window: int = _SHORT_WINDOW) -> EncoderConfig:
    """A narrow network of the same kind, whose window is little more than `window` bars, or shorter if it was."""
    return config.shortened(window, _NARROW_CHANNELS).model_copy(update=_NARROW)


def fold_stages(bars: Bars, settings: Settings, seed: int, *, fit: bool) -> tuple[Stage, ...]:
    """Every stage of one fold, whose training bars are the first half of those with a whole window.

    Args:
        bars: the true history.
        settings: as a run reads them.
        seed: of network weights, and of a fit.
        fit: also fit an encoder for a few steps, where the bars are enough for that; it takes seconds a history.
    """
    encoder = settings.encoder
    first, horizon = first_decision(bars.timeframe, encoder), settings.label_reach
    # The purge takes one horizon of the training bars, and the last horizon of what is left has no targets.
    test_lo = first + 2 * horizon + (len(bars) - first - 2 * horizon) // 2
    fold = Fold(first, test_lo - horizon, test_lo, len(bars))

    market_at = remembered(lambda bars: as_known_after(market_of(bars, settings), settings, test_lo))
    data_of = remembered(lambda bars: training_data([market_at(bars)], [fold], settings))

    # What is fitted here stays as it is while bars change: so the network's stages are functions of their lookback.
    market = market_at(bars)
    fitted = FoldEncoder(data_of(bars)[0], _random_encoder(encoder, len(market.features.columns), seed))
    layout = observation_layout(encoder)
    policy = TorchPolicy(_random_policy(layout.size, seed))

    def embedded(bars: Bars) -> MarketTape:
        (tape,) = make_tapes([market_at(bars)], [len(bars)], fitted)
        return replace(tape, params=market.params)

    def unembedded(bars: Bars) -> MarketTape:
        own = market_at(bars)
        # A cap on participation reads the volume of the bar in which an order fills.
        own = replace(own, costs=own.costs._replace(participation_cap=0.0))
        return own.tape(len(bars), data_of(bars)[0].transform(own.features.values))

    def normalised(bars: Bars) -> Columns:
        matrix, normalizer = market_at(bars).features, data_of(bars)[0]
        statistics = np.concatenate([normalizer.mean, normalizer.scale])
        values = np.hstack([np.tile(statistics, (len(bars), 1)), normalizer.transform(matrix.values)])
        return Columns(tuple(f"{what} {name}" for what in ("mean", "scale", "of") for name in matrix.names), values)

    def windows(bars: Bars) -> Columns:
        return _windows(data_of(bars)[1][0], market_at(bars).features.names, len(bars), fold, settings)

    embedded_of = remembered(embedded)
    # Where an approximate pass starts anew depends on where the history begins, so nothing may be left out there.
    lookback = first + 1 if encoder.exact_in_one_pass else None
    market_names = observation_names(layout)[: layout.market_size]
    return (
        *feature_stages(bars.timeframe, market.instrument.calendar, lambda bars: market_at(bars).features),
        Stage("normaliser", normalised, fitted_bars=test_lo),
        Stage("training windows", windows, fitted_bars=test_lo),
        *(_fitting(market_at, bars, fold, settings, seed) if fit else ()),
        Stage("embedding", lambda bars: Columns(market_names, embedded_of(bars).market_rows), TOLERANCE, lookback),
        *decision_stages(embedded_of, policy, layout, _is_settled(policy.network), lookback, TOLERANCE),
        *account_stages(unembedded, test_lo, seed),
    )


def _windows(
    series: TrainingSeries, feature_names: tuple[str, ...], n_bars: int, fold: Fold, settings: Settings
) -> Columns:
    """Inputs and targets of training, gathered as one chunk of all training bars: one row a bar."""
    encoder = settings.encoder
    whole = encoder.model_copy(update={"chunk": len(series), "batch_chunks": 1, "masked_chunks": 0.0})
    taught = range(encoder.window - 1, len(series))
    batch = training_batch([series], [taught], whole, np.random.default_rng(0))
    found = {"sigma": series.sigma} | {
        name: tensor[0].numpy() for name, tensor in batch._asdict().items() if name not in ("masked", "asset_class")
    }
    names: list[str] = []
    columns = []
    for name, values in found.items():
        values = values.reshape(len(values), -1)
        placed = np.full((n_bars, values.shape[1]), np.nan)
        placed[fold.train_hi - len(values) : fold.train_hi] = values
        columns.append(placed)
        names += feature_names if name == "features" else [f"{name}[{i}]" for i in range(values.shape[1])]
    return Columns(tuple(names), np.hstack(columns))


def _fitting(
    market_at: Callable[[Bars], PreparedMarket], bars: Bars, fold: Fold, settings: Settings, seed: int
) -> tuple[Stage, ...]:
    """Small encoders after a few steps of a run's own training, as far as the bars are enough for that.

    Of the fold's encoder all weights: a row a bar says the same again, each tensor by one sum of its numbers with fixed
    weights. Of those that cross-fit, what they say of the bars that each was not fitted on.
    """
    changes = {"chunk": 64, "batch_chunks": 1, "validation_fraction": _FITTED_VALIDATION}
    small = short_window(settings.encoder, _FITTED_WINDOW).model_copy(update=changes)
    few = replace(settings, encoder=small)
    blocks = training_blocks([bars.ts_ns[fold.train_lo : fold.train_hi]], _BLOCKS, settings.label_reach)

    def can_fit(left_out: TrainingBlock | None) -> bool:
        return taught_rows([market_at(bars)], [fold], few, left_out) > 0

    def fitted(bars: Bars, left_out: TrainingBlock | None) -> FoldEncoder:
        return fit_encoder([market_at(bars)], [fold], few, _STEPS, seed, lambda *_: None, left_out=left_out)

    def fit(bars: Bars) -> Columns:
        arrays = fitted(bars, None).pretrained.arrays()
        generator = np.random.default_rng(0)
        sums = [float(each.ravel().astype(np.float64) @ generator.normal(size=each.size)) for each in arrays.values()]
        return Columns(tuple(arrays), np.tile(sums, (len(bars), 1)))

    def cross_fit(bars: Bars) -> Columns:
        others = [fitted(bars, block) for block in blocks]
        (outputs,) = cross_fitted_outputs([market_at(bars)], [fold], others[0], blocks, others)
        rows = np.full((len(bars), observation_layout(small).market_size), np.nan)
        rows[: fold.train_hi] = outputs.rows()
        return Columns(observation_names(observation_layout(small))[: rows.shape[1]], rows)

    stages = []
    if can_fit(None):
        stages.append(Stage("fitted encoder", fit, fitted_bars=fold.test_lo, is_costly=True))
    if all(can_fit(block) for block in blocks):
        stages.append(Stage("cross-fitted predictions", cross_fit, fitted_bars=fold.test_lo, is_costly=True))
    return tuple(stages)


def _random_encoder(config: EncoderConfig, n_features: int, seed: int) -> PretrainedEncoder:
    """An untrained encoder none of whose weights is left at zero, where it would hide what it is multiplied with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spawn_seed(seed, "encoder"))
        model = MaskedModel(n_features, config)
        for weights in model.parameters():
            if not weights.any():
                # Outputs of a scale of one, however many inputs there are: networks are trained to that as well.
                torch.nn.init.normal_(weights, std=0.3 * weights.shape[-1] ** -0.5)
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

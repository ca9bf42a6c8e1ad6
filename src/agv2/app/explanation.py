"""One trade questioned: what its entry came from, what the heads saw, what was wished and what risk made of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agv2.app.fold_training import observation_layout
from agv2.app.remade_decision import RemadeDecision, remake_decision
from agv2.backtest.attribution import attention_rollout, integrated_gradients
from agv2.backtest.candle_erasure import candle_stretches, erase_candles
from agv2.backtest.erasure import GroupedErasure, erase, grouped_erasure
from agv2.backtest.input_shares import InputShares
from agv2.backtest.report.reading import RunRecord, read_run
from agv2.backtest.trades import Trade, round_trips
from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError
from agv2.decision.actions import ACTION_NVEC
from agv2.features.families import family_masks
from agv2.features.pipeline import compute_features
from agv2.models.threads import torch_threads

__all__ = ["Explanation", "explain_trade", "trades_of"]

_SHOWN_FEATURES = 12


@dataclass(frozen=True, slots=True)
class SingleFeature:
    """One column of the features and what it was worth."""

    name: str
    meaning: str
    value: float
    """At the decision's bar, in the feature's own unit."""
    unit: str
    normalised: float
    """The same in standard deviations of the training bars from their mean."""
    share: float
    """Of the log-odds, over all bars of the window."""
    erased: float
    """By how much the log-odds fall when it is set to the training mean at all bars."""


@dataclass(frozen=True, slots=True)
class HeadsView:
    """What the encoder's heads said at the decision's close."""

    regime: Mapping[str, float]
    pattern: Mapping[str, float]
    horizons: tuple[int, ...]
    levels: tuple[float, ...]
    """Quantile levels."""
    quantiles: FloatArray
    """(horizons, levels) prices."""
    bands: FloatArray
    """(17,) prices, edges of the bands around the close, rising."""
    turns: FloatArray
    """(16,) probability that price turns in each band."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is said of one trade."""

    run_dir: Path
    record: RunRecord
    trade: Trade
    number: int
    """Of the trade, from 1, in the order of `trades_of`."""
    n_trades: int
    remade: RemadeDecision
    attribution: InputShares
    erased: GroupedErasure
    stretches: tuple[tuple[int, int], ...]
    """Candles back from the decision, first and last of each stretch, from 1."""
    candle_falls: FloatArray
    """By how much the log-odds fall if price had stood still in each stretch."""
    features: tuple[SingleFeature, ...]
    """Those with the largest shares."""
    heads: HeadsView
    choices: tuple[FloatArray, ...]
    """Probability of every choice of position, size, stop and target."""
    rollout: FloatArray | None
    """(window,) shares of attention, of a transformer."""

    @property
    def family_shares(self) -> dict[str, float]:
        """Sum of the shares of each kind of feature."""
        per_feature = self.attribution.window.sum(axis=0)
        masks = family_masks(self.remade.market.features.columns)
        return {family: float(per_feature[mask].sum()) for family, mask in masks.items()}


def trades_of(record: RunRecord) -> tuple[Trade, ...]:
    """The completed trades of a run in the order of their numbers: by symbol, then by time of closing."""
    return round_trips(record.rows)


def explain_trade(run_dir: Path, number: int, bars: Sequence[Path] = ()) -> Explanation:
    """Take the decision to enter a trade again, and ask what it came from.

    Args:
        run_dir: of a finished run.
        number: of the trade, from 1.
        bars: where the run's bars are now; none: where they were.

    Raises:
        ConfigError: there is no such trade.
        DataError: the run is not finished, or its bars or models are gone or others.
    """
    record = read_run(run_dir)
    trades = trades_of(record)
    if not 1 <= number <= len(trades):
        raise ConfigError(
            f"--trade {number}: {run_dir} has "
            + (f"trades 1 to {len(trades)}; `agv2 explain {run_dir}` lists them" if trades else "no trades")
        )
    trade = trades[number - 1]
    with torch_threads(1):
        remade = remake_decision(run_dir, record, trade, bars)
        odds, inputs = remade.odds, remade.inputs
        attribution = integrated_gradients(odds, *inputs)
        families = family_masks(remade.market.features.columns)
        erased = grouped_erasure(odds.of, *inputs, families)
        stretches = tuple(candle_stretches(len(inputs.window)))
        falls = erase_candles(odds.of, _history(remade), inputs.state, _window_maker(remade), stretches)
        is_transformer = remade.plan.settings.encoder.backbone == "transformer"
        encoder = remade.encoder.pretrained.encoder
        rollout = attention_rollout(encoder, inputs.window, remade.market.asset_class) if is_transformer else None
        return Explanation(
            run_dir=run_dir,
            record=record,
            trade=trade,
            number=number,
            n_trades=len(trades),
            remade=remade,
            attribution=attribution,
            erased=erased,
            stretches=stretches,
            candle_falls=falls,
            features=_largest(remade, attribution),
            heads=_heads_view(remade),
            choices=_choices(remade),
            rollout=rollout,
        )


def _history(remade: RemadeDecision) -> Bars:
    """The bars that the decision's window depends on, and no other."""
    first = remade.bar - remade.market.features.warmup - remade.encoder.pretrained.config.window + 1
    return remade.market.bars.slice(max(first, 0), remade.bar + 1)


def _window_maker(remade: RemadeDecision) -> Callable[[Bars], Float32Array]:
    calendar, size = remade.market.instrument.calendar, remade.encoder.pretrained.config.window

    def window_of(bars: Bars) -> Float32Array:
        return remade.encoder.normalizer.transform(compute_features(bars, calendar).values[-size:])

    return window_of


def _largest(remade: RemadeDecision, attribution: InputShares) -> tuple[SingleFeature, ...]:
    """The features that mattered most, each erased alone as well."""
    shares = attribution.window.sum(axis=0)
    chosen = np.argsort(-np.abs(shares), kind="stable")[:_SHOWN_FEATURES]
    columns, inputs = remade.market.features.columns, remade.inputs
    masks = [np.arange(len(columns)) == index for index in chosen]
    falls = erase(remade.odds.of, *inputs, masks)
    values = remade.market.features.values[remade.bar]
    return tuple(
        SingleFeature(
            name=columns[index].name,
            meaning=columns[index].spec.meaning,
            value=float(values[index]),
            unit=columns[index].spec.unit,
            normalised=float(inputs.window[-1, index]),
            share=float(shares[index]),
            erased=float(fall),
        )
        for index, fall in zip(chosen.tolist(), falls, strict=True)
    )


def _heads_view(remade: RemadeDecision) -> HeadsView:
    encoder = remade.plan.settings.encoder
    slices = observation_layout(encoder).slices()
    said = {
        name: remade.decision.observation[slice(*slices[name])].astype(np.float64)
        for name in ("quantiles", "regime", "pattern", "levels")
    }
    close, sigma = float(remade.market.bars.close[remade.bar]), float(remade.market.features.sigma[remade.bar])
    by_horizon = said["quantiles"].reshape(len(encoder.horizons), -1)
    widths = sigma * np.sqrt(np.array(encoder.horizons, dtype=np.float64))[:, np.newaxis]
    half = len(said["levels"]) // 2
    return HeadsView(
        regime=dict(zip(("trend", "consolidation", "volatile"), said["regime"].tolist(), strict=True)),
        pattern=dict(zip(("neither", "breakout", "reversal"), said["pattern"].tolist(), strict=True)),
        horizons=tuple(encoder.horizons),
        levels=tuple(encoder.quantile_levels),
        quantiles=close * np.exp(by_horizon * widths),
        bands=close * np.exp(sigma * np.arange(-half, half + 1)),
        turns=said["levels"],
    )


def _choices(remade: RemadeDecision) -> tuple[FloatArray, ...]:
    """Probabilities of the choices as the policy had them, limits included."""
    import torch

    with torch.inference_mode():
        logits = remade.policy(torch.from_numpy(remade.decision.observation[np.newaxis])).logits[0].double()
        return tuple(block.softmax(0).numpy() for block in logits.split(list(ACTION_NVEC)))

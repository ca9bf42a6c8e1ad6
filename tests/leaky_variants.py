"""Stages that look ahead, each in a way in which somebody once did: the leak check must name every one of them.

The last few leak in only one way, so that only one kind of perturbation can find them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from agv2.backtest.leakcheck import Columns, Stage
from agv2.backtest.leakcheck_perturbations import Perturbation
from agv2.core.aggregation import assign_bins, gather_prices
from agv2.core.arrays import BoolArray, FloatArray
from agv2.core.bars import Bars
from agv2.core.timeframes import context_timeframes
from agv2.features.bar_volatility import bar_volatility
from agv2.features.coarse_bars import coarse_bars
from agv2.features.labels.forward_returns import forward_returns
from agv2.features.labels.regime import regime_labels
from agv2.features.pipeline import compute_features
from agv2.features.support_resistance import (
    HEAT_COLUMNS,
    PIVOT_WING,
    fractal_pivots,
    heat_map,
    level_density,
    nearest_levels,
)
from agv2.models.normalizer import Normalizer
from tests.markets import NEW_YORK_DAYS, UTC_DAYS

__all__ = ["LEAKY", "ONLY_ONE_FINDS", "leaky", "one_bar_reads"]

_REACH = 5
_EVERY = 7
_HOUR_NS = 3_600_000_000_000
_FITTED = 1_600  # more than the warm-up of features at 5m
_VALIDATED = 1_800


def leaky(name: str, column: str, compute: Callable[[Bars], FloatArray], **rules: Any) -> Stage:
    """A stage of one column."""
    return Stage(name, lambda bars: Columns((column,), compute(bars)[:, np.newaxis]), **rules)


def _centred_mean(bars: Bars) -> FloatArray:
    padded = np.pad(bars.close, _REACH, mode="edge")
    mean: FloatArray = np.lib.stride_tricks.sliding_window_view(padded, 2 * _REACH + 1).mean(axis=1)
    return mean


def _unconfirmed_pivot(bars: Bars) -> FloatArray:
    """A high is called a pivot at its own bar, though two later bars decide whether it is one."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(bars.high, 2, mode="edge"), 5)
    is_highest: BoolArray = bars.high == around.max(axis=1)
    return is_highest.astype(np.float64)


def _coarse_bar_from_its_start(bars: Bars) -> FloatArray:
    """Each base bar sees the close of the coarse bar that it lies in, as a join on the coarse bar's stamp gives it."""
    view = coarse_bars(bars, context_timeframes(bars.timeframe)[0], UTC_DAYS)
    return view.close[np.searchsorted(view.last_base_bar, np.arange(len(bars)))]


def _closed_on_the_wrong_side(bars: Bars) -> FloatArray:
    """Coarse bars closed on the right, (start, end], over stamps that are opens: each takes in one bar too many."""
    coarse = context_timeframes(bars.timeframe)[0].nanoseconds
    origin = (int(bars.ts_ns[0]) // coarse - 1) * coarse
    bins = assign_bins(bars.ts_ns, -1, np.array([origin, 2**63 - 1]), coarse)
    close = gather_prices(bins.first, bars.open, bars.high, bars.low, bars.close).close
    ended = np.searchsorted(bins.start_ns + coarse, bars.close_ns, side="right") - 1
    return np.where(ended >= 0, close[ended], np.nan)


def _backward_filled(bars: Bars) -> FloatArray:
    """A column known at every seventh bar, its holes filled from behind."""
    next_known = (bars.ts_ns // bars.timeframe.nanoseconds // _EVERY + 1) * _EVERY * bars.timeframe.nanoseconds
    where = np.minimum(np.searchsorted(bars.ts_ns, next_known), len(bars) - 1)
    return bars.volume[where]


def _normalised_by_all(bars: Bars) -> Columns:
    features = compute_features(bars, UTC_DAYS)
    return Columns(features.names, Normalizer.fit(features.values).transform(features.values))


def _label_among_features(bars: Bars) -> Columns:
    features = compute_features(bars, UTC_DAYS)
    label = forward_returns(bars.close, features.sigma, (3,))
    return Columns((*features.names, "momentum_3"), np.concatenate([features.values, label], axis=1))


def _position_by_its_own_bar(bars: Bars) -> FloatArray:
    """The position whose payoff is this bar's return, decided by this bar's close."""
    return np.sign(bars.close - bars.open)


def _heat_of_unconfirmed_pivots(bars: Bars) -> Columns:
    """Each pivot is on the map from its own bar on, as many bars early as it takes to confirm it."""
    high, low = (np.append(prices[PIVOT_WING:], np.full(PIVOT_WING, prices[-1])) for prices in (bars.high, bars.low))
    heat = heat_map(level_density(high, low, bars.close, bar_volatility(bars.close)))
    return Columns(tuple(f"heatmap_{j:02d}" for j in range(HEAT_COLUMNS)), heat.T)


def _visits_counted_to_the_end(bars: Bars) -> FloatArray:
    """How often price has come back to the newest pivot high, later visits included."""
    confirmed = np.flatnonzero(fractal_pivots(bars.high, bars.low) & 1)
    prices = bars.high[confirmed - PIVOT_WING]
    visits = [
        int(((bars.low[t + 1 :] <= price) & (bars.high[t + 1 :] >= price)).sum())
        for t, price in zip(confirmed, prices, strict=True)
    ]
    newest = np.searchsorted(confirmed, np.arange(len(bars)), side="right") - 1
    return np.where(newest >= 0, np.array([*visits, 0], dtype=np.float64)[newest], np.nan)


def _strength_against_the_whole_file(bars: Bars) -> FloatArray:
    """Strengths of levels, less the mean of the file."""
    density = level_density(bars.high, bars.low, bars.close, bar_volatility(bars.close))
    strength = nearest_levels(density).above_strength
    scaled: FloatArray = strength - np.nanmean(strength)
    return scaled


def _coarse_bar_an_hour_early(bars: Bars) -> FloatArray:
    """Coarse bars cut where New York's trading day rolls, shown an hour before they have closed."""
    view = coarse_bars(bars, context_timeframes(bars.timeframe)[1], NEW_YORK_DAYS)
    in_an_hour = np.searchsorted(bars.close_ns, bars.close_ns + _HOUR_NS, side="right") - 1
    return np.where(view.last_closed[in_an_hour] >= 0, view.close[view.last_closed[in_an_hour]], np.nan)


def _regimes_of_the_whole_file(bars: Bars) -> FloatArray:
    """Training targets whose change points were looked for in all bars, later ones than the fold's included."""
    labels = regime_labels(bars.close, bar_volatility(bars.close)).astype(np.float64)
    labels[_FITTED:] = np.nan
    return labels


def _scaler_fitted_on_validation_rows(bars: Bars) -> Columns:
    features = compute_features(bars, UTC_DAYS)
    return Columns(features.names, Normalizer.fit(features.values[:_VALIDATED]).transform(features.values))


LEAKY: dict[str, tuple[Stage, str]] = {
    stage.name: (stage, column)
    for stage, column in (
        (leaky("centred rolling window", "mean", _centred_mean), "mean"),
        (leaky("unconfirmed pivot", "is_pivot", _unconfirmed_pivot), "is_pivot"),
        (leaky("coarse bar by start time", "coarse_close", _coarse_bar_from_its_start), "coarse_close"),
        (Stage("normaliser on all bars", _normalised_by_all, fitted_bars=_FITTED), "log_return_1"),
        (Stage("label among features", _label_among_features, fitted_bars=_FITTED), "momentum_3"),
        (leaky("backward fill", "filled_volume", _backward_filled), "filled_volume"),
        (leaky("resample closed on the wrong side", "coarse_close", _closed_on_the_wrong_side), "coarse_close"),
        (leaky("same-bar payoff", "position", _position_by_its_own_bar, early_bars=1), "position"),
        (Stage("heat map of unconfirmed pivots", _heat_of_unconfirmed_pivots), "heatmap_16"),
        (leaky("visits counted to the end", "visits", _visits_counted_to_the_end), "visits"),
        (
            leaky("strength against the whole file", "strength", _strength_against_the_whole_file, fitted_bars=_FITTED),
            "strength",
        ),
        (leaky("coarse bar an hour early", "coarse_close", _coarse_bar_an_hour_early), "coarse_close"),
        (leaky("regimes of the whole file", "regime", _regimes_of_the_whole_file, fitted_bars=_FITTED), "regime"),
        (
            Stage("scaler fitted on validation rows", _scaler_fitted_on_validation_rows, fitted_bars=_FITTED),
            "log_return_1",
        ),
    )
}
"""Name → stage and the column that looks ahead."""


def one_bar_reads(row: int, ahead: int) -> Stage:
    """A single row reads a single later bar; all others are causal."""

    def compute(bars: Bars) -> FloatArray:
        values = bars.close.copy()
        if row + ahead < len(bars):
            values[row] = bars.close[row + ahead]
        return values

    return leaky("a leak at one bar", "close", compute)


def _volume_ahead(bars: Bars) -> Columns:
    return _but_for_the_last("volume", np.append(bars.volume[1:], np.nan))


def _despiked(bars: Bars) -> FloatArray:
    """A close is dropped if the market jumps by a third right after it; only prices that far out show it."""
    ahead = np.abs(np.append(np.diff(np.log(bars.close)), 0.0))
    return np.where(ahead > 1 / 3, np.nan, bars.close)


def _minutes_to_the_next_bar(bars: Bars) -> Columns:
    return _but_for_the_last("minutes", np.append(np.diff(bars.ts_ns) / 60e9, np.nan))


def _but_for_the_last(name: str, values: FloatArray) -> Columns:
    """One column whose last row nobody compares, so that cutting off what it reads goes unnoticed."""
    return Columns((name,), values[:, np.newaxis], settled=np.arange(values.size) < values.size - 1)


def _share_of_history(bars: Bars) -> FloatArray:
    return np.arange(len(bars)) / len(bars)


def _trend_in_time(bars: Bars) -> FloatArray:
    return bars.ts_ns / 1e18


def _running_mean(bars: Bars) -> FloatArray:
    """Never forgets, whatever it says its lookback is."""
    return np.cumsum(bars.close) / np.arange(1, len(bars) + 1)


ONLY_ONE_FINDS: dict[Perturbation, Stage] = {
    Perturbation.NOISE: Stage("volume of the next bar", _volume_ahead),
    Perturbation.SPIKES: leaky("spike filter", "close", _despiked),
    Perturbation.STAMPS: Stage("time to the next bar", _minutes_to_the_next_bar),
    Perturbation.TRUNCATION: leaky("share of the history", "share", _share_of_history),
    Perturbation.CLOCK: leaky("trend in time", "years", _trend_in_time),
    Perturbation.HEAD: leaky("running mean", "mean", _running_mean, lookbacks=50),
}
"""Kind of perturbation → a stage that no other kind finds."""

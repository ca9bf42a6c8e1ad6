"""The list of features, and the one function that computes them for research, training and live alike."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.jit import kernel
from agv2.core.timeframes import Timeframe, context_timeframes
from agv2.features import bar_volatility as yardstick
from agv2.features.coarse_bars import coarse_bars
from agv2.features.feature_spec import FeatureColumn, FeatureInputs, FeatureSpec
from agv2.features.price_features import log_range, log_return, opening_gap, wick_fractions
from agv2.features.session_features import SESSIONS, day_of_week, session_flags, time_of_day
from agv2.features.volatility import average_true_range, parkinson_volatility, realized_volatility

__all__ = ["FEATURES", "FeatureMatrix", "compute_features", "feature_columns"]

_SHORT = 12
_USUAL_RETURNS = yardstick.LOOKBACK - 1
_CONTEXT_SIGMA_RETURNS = 60  # as far back as the longest return, so that it lengthens no warm-up
_SCALED_LIMIT = 20.0  # beyond it lie weekend gaps and stale feeds that jump: how far is of no use
_LOG_RATIO_LIMIT = 6.0
_FLOOR = yardstick.VOLATILITY_FLOOR

_Function = Callable[[FeatureInputs], FloatArray]


def _scaled(name: str, lookback: int, function: _Function, low: float = -_SCALED_LIMIT) -> FeatureSpec:
    """A move in volatilities of one bar."""

    def in_sigmas(inputs: FeatureInputs) -> FloatArray:
        scaled: FloatArray = np.clip(function(inputs) / inputs.sigma, low, _SCALED_LIMIT)
        return scaled

    return FeatureSpec(name, in_sigmas, lookback, "sigma", low, _SCALED_LIMIT)


def _return_over(horizon: int) -> FeatureSpec:
    """The last `horizon` bars' return, in volatilities that such a return would have in a random walk."""
    return _scaled(f"log_return_{horizon}", horizon + 1, lambda i: log_return(i.close, horizon) / math.sqrt(horizon))


def _ratio(name: str, lookback: int, function: _Function) -> FeatureSpec:
    """A volatility estimate against the yardstick, log."""

    def log_ratio(inputs: FeatureInputs) -> FloatArray:
        return _log_ratio(function(inputs), inputs.sigma)

    return FeatureSpec(name, log_ratio, lookback, "log ratio", -_LOG_RATIO_LIMIT, _LOG_RATIO_LIMIT)


def _clock(name: str, unit: str, low: float, function: _Function) -> FeatureSpec:
    """Something the calendar alone decides."""
    return FeatureSpec(name, function, 1, unit, low, 1.0, "the open of the bar", uses_sigma=False, on_context=False)


def _session(session: str) -> FeatureSpec:
    return _clock(f"session_{session}", "flag", 0.0, lambda i: session_flags(i.ts_ns, session))


@kernel
def _log_ratio(estimate: FloatArray, reference: FloatArray) -> FloatArray:
    """Log of `estimate` over `reference`, finite where price stood still."""
    ratios = np.full(estimate.size, np.nan)
    for t in range(estimate.size):
        if not (math.isnan(estimate[t]) or math.isnan(reference[t])):
            ratio = math.log(max(estimate[t], _FLOOR) / reference[t])
            ratios[t] = min(max(ratio, -_LOG_RATIO_LIMIT), _LOG_RATIO_LIMIT)
    return ratios


FEATURES: tuple[FeatureSpec, ...] = (
    *(_return_over(horizon) for horizon in (1, 3, 12, 60)),
    _scaled("opening_gap", 2, lambda i: opening_gap(i.open, i.close)),
    _scaled("range", 1, lambda i: log_range(i.high, i.low), low=0.0),
    FeatureSpec(
        "upper_wick", lambda i: wick_fractions(i.open, i.high, i.low, i.close).upper,
        1, "fraction of range", 0.0, 1.0, uses_sigma=False,
    ),
    FeatureSpec(
        "lower_wick", lambda i: wick_fractions(i.open, i.high, i.low, i.close).lower,
        1, "fraction of range", 0.0, 1.0, uses_sigma=False,
    ),
    _ratio("realized_volatility", _SHORT + 1, lambda i: realized_volatility(i.close, _SHORT)),
    _ratio("parkinson_volatility", _SHORT, lambda i: parkinson_volatility(i.high, i.low, _SHORT)),
    _ratio("average_true_range", _SHORT + 1, lambda i: average_true_range(i.high, i.low, i.close, _SHORT)),
    _ratio("usual_volatility", 1, lambda i: i.usual_sigma),
    *(_session(session) for session in SESSIONS),
    _clock("time_of_day_sine", "circle", -1.0, lambda i: time_of_day(i.ts_ns).sine),
    _clock("time_of_day_cosine", "circle", -1.0, lambda i: time_of_day(i.ts_ns).cosine),
    _clock("day_of_week_sine", "circle", -1.0, lambda i: day_of_week(i.ts_ns).sine),
    _clock("day_of_week_cosine", "circle", -1.0, lambda i: day_of_week(i.ts_ns).cosine),
)  # fmt: skip
"""Every feature once, in the order of the columns; those `on_context` come again for each context timeframe."""


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """What is known at the close of each bar."""

    columns: tuple[FeatureColumn, ...]
    values: FloatArray
    """(n_bars, n_features); each column is NaN for its first `lookback - 1` bars, finite after that."""
    sigma: FloatArray
    """(n_bars,) volatility of one bar's log return, `bar_volatility`; NaN for its own warm-up only."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(column.name for column in self.columns)

    @property
    def warmup(self) -> int:
        """First bars without a complete row."""
        return max(column.lookback for column in self.columns) - 1


def feature_columns(timeframe: Timeframe) -> tuple[FeatureColumn, ...]:
    """Columns that bars of `timeframe` get: every feature, then those of both context timeframes."""
    columns = [
        FeatureColumn(spec.name, spec, timeframe.name, max(spec.lookback, yardstick.LOOKBACK if spec.uses_sigma else 1))
        for spec in FEATURES
    ]
    for coarse in context_timeframes(timeframe):
        for spec in FEATURES:
            if spec.on_context:
                name = f"{spec.name}@{coarse.name}"
                columns.append(FeatureColumn(name, spec, coarse.name, _base_lookback(spec, timeframe, coarse)))
    return tuple(columns)


def _base_lookback(spec: FeatureSpec, timeframe: Timeframe, coarse: Timeframe) -> int:
    """Base bars that hold everything a context feature reads.

    The newest closed coarse bar may end up to one base bar short of a whole coarse bar ago; before that come the
    coarse bars the feature reads, none of which holds more base bars than fit into it.
    """
    ratio = coarse.minutes // timeframe.minutes
    coarse_lookback = max(spec.lookback, _CONTEXT_SIGMA_RETURNS + 1 if spec.uses_sigma else 1)
    base_sigma_lookback = yardstick.LOOKBACK if spec.uses_sigma else 0
    return max((coarse_lookback + 1) * ratio, base_sigma_lookback + ratio)


def compute_features(bars: Bars) -> FeatureMatrix:
    """All features of every bar.

    Args:
        bars: history of one symbol, any length.

    Returns:
        The matrix; a row's bits depend on nothing but the `warmup + 1` bars that end with it.

    Raises:
        DataError: a feature is not finite after its warm-up, which bars closer together than their timeframe
            bring about.

    Known at: row t at the close of bar t.
    """
    columns = feature_columns(bars.timeframe)
    sigma = yardstick.bar_volatility(bars.close)
    values = np.empty((len(bars), len(columns)))
    by_timeframe = {bars.timeframe.name: (_base_inputs(bars, sigma), np.arange(len(bars)))}
    for coarse in context_timeframes(bars.timeframe):
        by_timeframe[coarse.name] = _context_inputs(bars, sigma, coarse)
    for j, column in enumerate(columns):
        inputs, visible = by_timeframe[column.timeframe]
        values[:, j] = _as_seen(column.spec.function(inputs), visible)
        values[: column.lookback - 1, j] = np.nan
        _require_finite(values[column.lookback - 1 :, j], column, bars)
    return FeatureMatrix(columns, values, sigma)


def _base_inputs(bars: Bars, sigma: FloatArray) -> FeatureInputs:
    usual = np.maximum(realized_volatility(bars.close, _USUAL_RETURNS), _FLOOR)
    return FeatureInputs(bars.ts_ns, bars.open, bars.high, bars.low, bars.close, sigma, usual)


def _context_inputs(bars: Bars, base_sigma: FloatArray, coarse: Timeframe) -> tuple[FeatureInputs, IntArray]:
    """Inputs of a context timeframe, and the coarse bar that each base bar sees."""
    view = coarse_bars(bars, coarse)
    sigma = np.maximum(realized_volatility(view.close, _CONTEXT_SIGMA_RETURNS), _FLOOR)
    implied = base_sigma[view.last_base_bar] * math.sqrt(coarse.minutes / bars.timeframe.minutes)
    stamps = bars.ts_ns[view.last_base_bar]
    return FeatureInputs(stamps, view.open, view.high, view.low, view.close, sigma, implied), view.last_closed


def _as_seen(values: FloatArray, visible: IntArray) -> FloatArray:
    """Value of the bar that each base bar sees; NaN where it sees none yet."""
    if values.size == 0:
        return np.full(visible.size, np.nan)
    seen: FloatArray = np.where(visible >= 0, values[visible], np.nan)
    return seen


def _require_finite(values: FloatArray, column: FeatureColumn, bars: Bars) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        row = column.lookback - 1 + int(np.argmin(finite))
        raise DataError(
            f"{bars.symbol}: feature {column.name} is undefined at row {row} although {column.lookback} bars precede "
            f"it; check that no bars are closer together than {bars.timeframe.name}"
        )

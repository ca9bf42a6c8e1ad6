"""The list of features, and the one function that computes them for research, training and live alike."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar, Timeframe, context_timeframes
from agv2.features import bar_volatility as yardstick
from agv2.features import support_resistance as sr
from agv2.features.feature_inputs import (
    CONTEXT_SIGMA_RETURNS,
    SHORT_RETURNS,
    FeatureInputs,
    base_inputs,
    context_inputs,
    context_memory,
)
from agv2.features.feature_rows import write_rows, write_seen_rows
from agv2.features.feature_spec import FeatureColumn, FeatureSpec, Reads
from agv2.features.price_features import log_return, opening_gap
from agv2.features.row_blocks import row_blocks
from agv2.features.scaling import LOG_RATIO_LIMIT, SCALED_LIMIT, in_sigmas, log_ratio
from agv2.features.session_features import DAY_WAVES, SESSIONS
from agv2.features.swing_levels import SWING_LOOKBACK
from agv2.features.volatility import average_true_range, parkinson_volatility

__all__ = ["FEATURES", "FeatureMatrix", "compute_features", "feature_columns"]

_DAYS_BETWEEN_CLOCK_CHANGES = 182
_MINUTES_PER_DAY = 1440

_Function = Callable[[FeatureInputs], FloatArray]


def _scaled(
    name: str, meaning: str, lookback: int, function: _Function, low: float = -SCALED_LIMIT, n_bars: int = 1
) -> FeatureSpec:
    """A move in volatilities, of `n_bars` bars in a random walk."""
    root_bars = math.sqrt(n_bars)

    def scaled(inputs: FeatureInputs) -> FloatArray:
        return in_sigmas(function(inputs), inputs.sigma, root_bars, low)

    return FeatureSpec(name, meaning, scaled, lookback, "sigma", low, SCALED_LIMIT)


def _return_over(horizon: int) -> FeatureSpec:
    meaning = f"return over {horizon} bar{'s' if horizon > 1 else ''}, over the square root of their number"
    name = f"log_return_{horizon}"
    return _scaled(name, meaning, horizon + 1, lambda i: log_return(i.log.close, horizon), n_bars=horizon)


def _wick(name: str, meaning: str, function: _Function) -> FeatureSpec:
    return FeatureSpec(name, meaning, function, 1, "fraction of range", 0.0, 1.0, reads=Reads.BARS)


def _ratio(name: str, meaning: str, lookback: int, function: _Function) -> FeatureSpec:
    """A volatility estimate against the yardstick, log."""

    def ratio(inputs: FeatureInputs) -> FloatArray:
        return log_ratio(function(inputs), inputs.sigma)

    return FeatureSpec(name, meaning, ratio, lookback, "log ratio", -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def _clock(name: str, meaning: str, unit: str, low: float, function: _Function) -> FeatureSpec:
    """Something the calendar alone decides."""
    known_at = "the open of the bar"
    return FeatureSpec(name, meaning, function, 1, unit, low, 1.0, known_at, reads=Reads.BARS, on_context=False)


def _session(row: int, session: str) -> FeatureSpec:
    zone, opens, closes = SESSIONS[session]
    meaning = f"1 from {opens}:00 to {closes}:00 {zone} on weekdays, else 0"
    return _clock(f"session_{session}", meaning, "flag", 0.0, lambda i: i.clock.session_flags[row])


def _day_wave(wave: int, row: int) -> FeatureSpec:
    """Sine or cosine of the time of day, or of a shorter wave of it."""
    name = f"time_of_day_{('sine', 'cosine')[row]}" + (f"_{wave}" if wave > 1 else "")
    meaning = "New York time of day" + (f", a wave of {24 // wave} hours" if wave > 1 else "")
    return _clock(name, meaning, "circle", -1.0, lambda i: i.clock.time_of_day[2 * wave - 2 + row])


def _level(name: str, meaning: str, unit: str, high: float, function: _Function) -> FeatureSpec:
    """Something about the pivots in memory; their number of bars is that of the base timeframe."""
    return FeatureSpec(name, meaning, function, sr.density_lookback(), unit, 0.0, high, reads=Reads.LEVELS)


def _distance(name: str, meaning: str, function: _Function) -> FeatureSpec:
    return _level(name, meaning, "sigma", sr.HALF_WIDTH_SIGMAS, function)


def _strength(name: str, meaning: str, function: _Function) -> FeatureSpec:
    return _level(name, meaning, "log strength", sr.STRENGTH_LIMIT, lambda i: sr.log_strength(function(i)))


def _swing(name: str, meaning: str, function: _Function) -> FeatureSpec:
    """Something about swings; on a coarse timeframe too few bars are seen for them."""
    return FeatureSpec(
        name, meaning, function, SWING_LOOKBACK, "closeness", 0.0, 1.0, reads=Reads.LEVELS, on_context=False
    )


def _heat(column: int) -> FeatureSpec:
    low = column - sr.HEAT_COLUMNS // 2
    meaning = f"density of levels {low:+d} to {low + 1:+d} volatilities from the close"
    unit = "log strength"
    return _level(f"heatmap_{column:02d}", meaning, unit, sr.STRENGTH_LIMIT, lambda i: i.heat[column])


FEATURES: tuple[FeatureSpec, ...] = (
    *(_return_over(horizon) for horizon in (1, 3, 12, 60)),
    _scaled("opening_gap", "open against the close before", 2, lambda i: opening_gap(i.log.open, i.log.close)),
    _scaled("range", "high against low", 1, lambda i: i.log.high - i.log.low, low=0.0),
    _wick("upper_wick", "high to the top of the body", lambda i: i.wicks.upper),
    _wick("lower_wick", "bottom of the body to low", lambda i: i.wicks.lower),
    _ratio(
        "realized_volatility", f"realised volatility of {SHORT_RETURNS} bars against the yardstick",
        SHORT_RETURNS + 1, lambda i: i.short_sigma,
    ),
    _ratio(
        "parkinson_volatility", f"volatility of {SHORT_RETURNS} bars by their ranges against the yardstick",
        SHORT_RETURNS, lambda i: parkinson_volatility(i.log.high, i.log.low, SHORT_RETURNS),
    ),
    _ratio(
        "average_true_range", f"mean true range of {SHORT_RETURNS} bars against the yardstick",
        SHORT_RETURNS + 1, lambda i: average_true_range(i.log.high, i.log.low, i.log.close, SHORT_RETURNS),
    ),
    _ratio(
        "usual_volatility", "volatility of 256 bars, on a context that implied by base bars, against the yardstick",
        1, lambda i: i.usual_sigma,
    ),
    *(_session(row, session) for row, session in enumerate(SESSIONS)),
    *(_day_wave(wave, row) for wave in range(1, DAY_WAVES + 1) for row in (0, 1)),
    _clock("day_of_week_sine", "New York weekday", "circle", -1.0, lambda i: i.clock.day_of_week[0]),
    _clock("day_of_week_cosine", "New York weekday", "circle", -1.0, lambda i: i.clock.day_of_week[1]),
    _distance("level_above", "distance up to the nearest level", lambda i: i.levels.above),
    _distance("level_below", "distance down to the nearest level", lambda i: i.levels.below),
    _strength("level_above_strength", "density at the nearest level above", lambda i: i.levels.above_strength),
    _strength("level_below_strength", "density at the nearest level below", lambda i: i.levels.below_strength),
    _swing("swing_support", "closeness to a low that held", lambda i: i.swings.support),
    _swing("swing_resistance", "closeness to a high that held", lambda i: i.swings.resistance),
    *(_heat(column) for column in range(sr.HEAT_COLUMNS)),
)  # fmt: skip
"""Every feature once, in the order of the columns; those `on_context` come again for each context timeframe."""

# `sigma` is known to a block, the slower one that swings read is not.
_BLOCK_LOOKBACK = yardstick.LOOKBACK + max(spec.lookback for spec in FEATURES)


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """What is known at the close of each bar."""

    columns: tuple[FeatureColumn, ...]
    values: Float32Array
    """(n_bars, n_features); each column is NaN for its first `lookback - 1` bars, finite after that."""
    sigma: FloatArray
    """(n_bars,) volatility of one bar's log return, `bar_volatility`; NaN for its own warm-up only."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(column.name for column in self.columns)

    @property
    def levels(self) -> sr.Levels:
        """Nearest levels on the bars' own timeframe; NaN in their warm-up, and strengths are logarithms."""
        names = ("level_above", "level_below", "level_above_strength", "level_below_strength")
        return sr.Levels(*(self.values[:, self.names.index(name)].astype(np.float64) for name in names))

    @property
    def warmup(self) -> int:
        """First bars without a complete row."""
        return max(column.lookback for column in self.columns) - 1


@functools.cache
def feature_columns(timeframe: Timeframe) -> tuple[FeatureColumn, ...]:
    """Columns that bars of `timeframe` get: every feature, then those of both context timeframes."""
    columns = [FeatureColumn(spec.name, spec, timeframe.name, spec.lookback, _own_lookback(spec)) for spec in FEATURES]
    for coarse in context_timeframes(timeframe):
        for spec in FEATURES:
            if spec.on_context:
                name = f"{spec.name}@{coarse.name}"
                memory = sr.density_lookback(context_memory(timeframe, coarse))
                own = memory if spec.reads is Reads.LEVELS else spec.lookback
                columns.append(FeatureColumn(name, spec, coarse.name, own, _base_lookback(spec, timeframe, coarse)))
    return tuple(columns)


def _own_lookback(spec: FeatureSpec) -> int:
    """Bars that hold everything a feature of the base timeframe reads."""
    if spec.reads is Reads.LEVELS:
        return max(spec.lookback, sr.MEMORY_BARS + yardstick.LOOKBACK - 1)
    return max(spec.lookback, yardstick.LOOKBACK if spec.reads is Reads.SIGMA else 1)


def _base_lookback(spec: FeatureSpec, base: Timeframe, coarse: Timeframe) -> int:
    """Base bars that hold everything a context feature reads.

    The newest closed coarse bar may end up to one base bar short of a whole coarse bar ago; before that come the
    coarse bars the feature reads, and the base bars behind the volatility at the oldest of them.
    """
    inside = functools.partial(_most_base_bars, base=base, coarse=coarse)
    if spec.reads is Reads.LEVELS:
        memory = context_memory(base, coarse)
        return max(inside(sr.density_lookback(memory) + 1), inside(memory) + yardstick.LOOKBACK)
    if spec.reads is Reads.SIGMA:
        coarse_lookback = max(spec.lookback, CONTEXT_SIGMA_RETURNS + 1)
        return max(inside(coarse_lookback + 1), inside(1) + yardstick.LOOKBACK)
    return inside(spec.lookback + 1)


def _most_base_bars(n_coarse: int, base: Timeframe, coarse: Timeframe) -> int:
    """Base bars that so many coarse bars can hold; where clocks change a trading day has an hour more."""
    n_bars = n_coarse * (coarse.minutes // base.minutes)
    if coarse.minutes < _MINUTES_PER_DAY:
        return n_bars
    n_changes = n_coarse * coarse.minutes // (_DAYS_BETWEEN_CLOCK_CHANGES * _MINUTES_PER_DAY) + 1
    return n_bars + n_changes * -(-60 // base.minutes)


def compute_features(bars: Bars, calendar: SessionCalendar) -> FeatureMatrix:
    """All features of every bar.

    Args:
        bars: history of one symbol, any length.
        calendar: of its market; coarse bars are counted from the start of each trading day.

    Returns:
        The matrix; a row's bits depend on nothing but the `warmup + 1` bars that end with it.

    Raises:
        DataError: a feature is not finite after its warm-up, because a price is no price or bars lie closer together
            than their timeframe.

    Known at: row t at the close of bar t.
    """
    columns = feature_columns(bars.timeframe)
    sigma = yardstick.bar_volatility(bars.close)
    values = np.empty((len(bars), len(columns)), dtype=np.float32)
    on_context = [spec for spec in FEATURES if spec.on_context]
    contexts = []
    for coarse in context_timeframes(bars.timeframe):
        inputs, visible = context_inputs(bars, sigma, coarse, calendar)
        coarse_rows = np.empty((inputs.sigma.size, len(on_context)), dtype=np.float32)
        write_rows(on_context, inputs, coarse_rows)
        contexts.append((coarse_rows, visible))
    for block in row_blocks(len(bars), _BLOCK_LOOKBACK):
        rows = values[block.start : block.stop]
        inputs = base_inputs(bars.slice(block.first, block.stop), sigma[block.first : block.stop])
        write_rows(FEATURES, inputs, rows[:, : len(FEATURES)])
        begin = len(FEATURES)
        for coarse_rows, visible in contexts:
            write_seen_rows(coarse_rows, visible[block.start : block.stop], rows[:, begin : begin + len(on_context)])
            begin += len(on_context)
        _blank_and_check(rows, block.start, columns, bars)
    return FeatureMatrix(columns, values, sigma)


def _blank_and_check(rows: Float32Array, start: int, columns: tuple[FeatureColumn, ...], bars: Bars) -> None:
    """NaN before each column's lookback is full; anything else has to be finite.

    Args:
        rows: consecutive rows of the matrix.
        start: index of the first of them.
        columns: of the matrix.
        bars: what it was made from.
    """
    if np.isfinite(rows.sum()) and start >= max(column.lookback for column in columns) - 1:
        return
    for j, column in enumerate(columns):
        n_blank = max(column.lookback - 1 - start, 0)
        rows[:n_blank, j] = np.nan
        finite = np.isfinite(rows[n_blank:, j])
        if not finite.all():
            row = start + n_blank + int(np.argmin(finite))
            raise DataError(f"{bars.symbol}: feature {column.name} is undefined at row {row}; {_reason(bars, row)}")


def _reason(bars: Bars, row: int) -> str:
    """Why a feature has no value although enough bars precede it."""
    for name in ("open", "high", "low", "close"):
        prices = getattr(bars, name)[: row + 1]
        wrong = np.flatnonzero(~(np.isfinite(prices) & (prices > 0.0)))
        if wrong.size:
            return f"the {name} of bar {wrong[-1]} is {prices[wrong[-1]]:g}, and prices must be finite and above zero"
    return f"check that no bars are closer together than {bars.timeframe.name}"

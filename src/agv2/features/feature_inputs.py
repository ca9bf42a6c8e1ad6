"""What features are made from: bars of one timeframe, with the volatilities and levels at each."""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.features import bar_volatility as yardstick
from agv2.features.coarse_bars import coarse_bars
from agv2.features.natural_log import natural_log
from agv2.features.price_features import WickFractions, wick_fractions
from agv2.features.session_features import BarClock, bar_clock
from agv2.features.support_resistance import (
    HEAT_COLUMNS,
    MEMORY_BARS,
    Levels,
    heat_map,
    level_density,
    nearest_levels,
)
from agv2.features.swing_levels import SwingLevels, swing_levels
from agv2.features.volatility import realized_volatilities

__all__ = ["CONTEXT_SIGMA_RETURNS", "SHORT_RETURNS", "FeatureInputs", "base_inputs", "context_inputs", "context_memory"]

SHORT_RETURNS = 12
"""Bars behind what a volatility is just now."""

CONTEXT_SIGMA_RETURNS = 60
"""Returns behind a coarse bar's volatility: as far back as the longest return, so that it lengthens no warm-up."""

_USUAL_RETURNS = yardstick.LOOKBACK - 1
_CONTEXT_MEMORY_BASE_BARS = 1224  # as far as the daily volatility of hourly bars reaches back, so that nothing waits


_NONE = np.empty(0)
_NO_LEVELS = Levels(_NONE, _NONE, _NONE, _NONE), np.empty((HEAT_COLUMNS, 0))
_NO_SWINGS = SwingLevels(_NONE, _NONE)


class LogPrices(NamedTuple):
    """Natural logs of prices: a return is a difference of two, so each is taken once."""

    open: FloatArray
    """(n,), as are the next three."""
    high: FloatArray
    low: FloatArray
    close: FloatArray


class FeatureInputs(NamedTuple):
    """Bars of one timeframe, base or coarse, with the volatilities that scale their features and with their levels."""

    log: LogPrices
    wicks: WickFractions
    clock: BarClock
    """Of each bar's open; on a coarse timeframe, of the open of the last base bar inside."""
    sigma: FloatArray
    """(n,) volatility of one bar of this timeframe, log return."""
    usual_sigma: FloatArray
    """(n,) what `sigma` is compared with: its longer past, or what the base timeframe's implies."""
    short_sigma: FloatArray
    """(n,) realised volatility of the last `SHORT_RETURNS` bars."""
    levels: Levels
    """Nearest levels, in volatilities: in `sigma` on the base timeframe, in `usual_sigma` on a coarse one."""
    heat: FloatArray
    """(32, n) density of levels, see `heat_map`."""
    swings: SwingLevels
    """Closeness to swing lows and highs; empty on a coarse timeframe, whose past is too short for them."""


def base_inputs(bars: Bars, sigma: FloatArray, with_levels: bool = True) -> FeatureInputs:
    """Of the bars themselves.

    Args:
        bars: history of one symbol.
        sigma: (n_bars,) their `bar_volatility`.
        with_levels: whether anything reads levels, which cost most of the time; else there are none.

    Known at: each at the close of its bar.
    """
    log = _log_prices(bars.open, bars.high, bars.low, bars.close)
    short, usual = realized_volatilities(log.close, (SHORT_RETURNS, _USUAL_RETURNS))
    usual = np.maximum(usual, yardstick.VOLATILITY_FLOOR)
    (levels, heat), swings = _NO_LEVELS, _NO_SWINGS
    if with_levels:
        density = level_density(bars.high, bars.low, bars.close, sigma, MEMORY_BARS)
        levels, heat = nearest_levels(density), heat_map(density)
        swings = swing_levels(log.close, usual)
    clock = bar_clock(bars.ts_ns)
    wicks = wick_fractions(bars.open, bars.high, bars.low, bars.close)
    return FeatureInputs(log, wicks, clock, sigma, usual, short, levels, heat, swings)


def context_inputs(
    bars: Bars, base_sigma: FloatArray, coarse: Timeframe, calendar: SessionCalendar
) -> tuple[FeatureInputs, IntArray]:
    """Of the bars gathered into coarse ones.

    Levels are measured in the volatility that the base bars' implies for a coarse bar: that of coarse bars themselves
    reaches so far back that levels would have to be younger or the warm-up longer.

    Args:
        bars: history of one symbol.
        base_sigma: (n_bars,) their `bar_volatility`.
        coarse: a coarser timeframe.
        calendar: says where trading days begin.

    Returns:
        Inputs, and (n_bars,) the coarse bar that each base bar sees, -1 for none.

    Known at: the end of each coarse bar, which base bar t sees once that is no later than the close of t.
    """
    view = coarse_bars(bars, coarse, calendar)
    log = _log_prices(view.open, view.high, view.low, view.close)
    short, sigma = realized_volatilities(log.close, (SHORT_RETURNS, CONTEXT_SIGMA_RETURNS))
    sigma = np.maximum(sigma, yardstick.VOLATILITY_FLOOR)
    implied = base_sigma[view.last_base_bar] * math.sqrt(coarse.minutes / bars.timeframe.minutes)
    clock = bar_clock(bars.ts_ns[view.last_base_bar])
    density = level_density(view.high, view.low, view.close, implied, context_memory(bars.timeframe, coarse))
    levels, heat = nearest_levels(density), heat_map(density)
    wicks = wick_fractions(view.open, view.high, view.low, view.close)
    return FeatureInputs(log, wicks, clock, sigma, implied, short, levels, heat, _NO_SWINGS), view.last_closed


def context_memory(base: Timeframe, coarse: Timeframe) -> int:
    """Coarse bars back to which a level counts."""
    return min(_CONTEXT_MEMORY_BASE_BARS * base.minutes // coarse.minutes, MEMORY_BARS)


def _log_prices(open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> LogPrices:
    return LogPrices(natural_log(open_), natural_log(high), natural_log(low), natural_log(close))

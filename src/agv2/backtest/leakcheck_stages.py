"""Stages of the decision path that need nothing but bars: features, volatility, coarse bars."""

import itertools
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from agv2.backtest.leakcheck import Columns, Stage
from agv2.core.arrays import IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar, Timeframe, context_timeframes
from agv2.features import bar_volatility as yardstick
from agv2.features.coarse_bars import coarse_bars
from agv2.features.pipeline import FeatureMatrix, feature_columns

__all__ = ["coarse_turns", "feature_stages", "remembered"]

T = TypeVar("T")

_MINUTES_PER_DAY = 1440


def remembered(function: Callable[[Bars], T]) -> Callable[[Bars], T]:
    """`function`, which stages share, called once for the bars at hand."""
    last: list[tuple[Bars, T]] = []

    def of(bars: Bars) -> T:
        if not last or last[0][0] is not bars:
            last[:] = [(bars, function(bars))]
        return last[0][1]

    return of


def coarse_turns(bars: Bars, calendar: SessionCalendar) -> list[IntArray]:
    """For each context timeframe the base bars right before those with which a coarse bar becomes visible.

    Args:
        bars: base bars.
        calendar: of their market.
    """
    views = (coarse_bars(bars, coarse, calendar) for coarse in context_timeframes(bars.timeframe))
    return [np.flatnonzero(np.diff(view.last_closed)) for view in views]


def feature_stages(
    timeframe: Timeframe,
    calendar: SessionCalendar,
    features_of: Callable[[Bars], FeatureMatrix],
    longest: int | None = None,
) -> tuple[Stage, ...]:
    """Every feature, the volatility of a bar, and the coarse bars of both contexts; all bit for bit.

    Args:
        timeframe: of the bars.
        calendar: of their market.
        features_of: `compute_features`, or something that must equal it.
        longest: leave out what looks back further than so many bars; None for nothing.
    """
    lookbacks = np.array([column.lookback for column in feature_columns(timeframe)])
    limit = int(lookbacks.max()) if longest is None else longest
    kept = lookbacks <= limit

    def features(bars: Bars) -> Columns:
        matrix = features_of(bars)
        return Columns(tuple(itertools.compress(matrix.names, kept)), matrix.values[:, kept])

    def sigma(bars: Bars) -> Columns:
        return Columns(("sigma",), features_of(bars).sigma[:, np.newaxis])

    return (
        Stage("features", features, lookbacks=lookbacks[kept]),
        *((Stage("sigma", sigma, lookbacks=yardstick.LOOKBACK),) if limit >= yardstick.LOOKBACK else ()),
        *(
            _coarse_stage(timeframe, coarse, calendar)
            for coarse in context_timeframes(timeframe)
            if limit >= _coarse_lookback(timeframe, coarse)
        ),
    )


def _coarse_stage(timeframe: Timeframe, coarse: Timeframe, calendar: SessionCalendar) -> Stage:
    """The newest closed coarse bar that each base bar sees."""

    def compute(bars: Bars) -> Columns:
        view = coarse_bars(bars, coarse, calendar)
        seen = view.last_closed >= 0
        values = np.full((len(bars), 5), np.nan)
        for j, column in enumerate((view.open, view.high, view.low, view.close)):
            values[seen, j] = column[view.last_closed[seen]]
        values[seen, 4] = np.flatnonzero(seen) - view.last_base_bar[view.last_closed[seen]]
        return Columns(("open", "high", "low", "close", "bars_since_its_end"), values)

    return Stage(f"coarse bars {coarse.name}", compute, lookbacks=_coarse_lookback(timeframe, coarse))


def _coarse_lookback(timeframe: Timeframe, coarse: Timeframe) -> int:
    """The bar seen may have ended just short of a whole coarse bar ago, and no coarse bar holds more than fit.

    Where clocks go back, a day has an hour more.
    """
    longer = -(-60 // timeframe.minutes) if coarse.minutes >= _MINUTES_PER_DAY else 0
    return 2 * (coarse.minutes // timeframe.minutes) + longer

"""A crisis written into a market's own bars: the same stamps and sessions, other prices."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from agv2.backtest.stress_shapes import Crisis
from agv2.core.arrays import FloatArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError

__all__ = ["MarketPace", "crisis_bars", "crisis_length"]

_BLOCK_BARS = 24


class MarketPace(NamedTuple):
    """How fast a market usually moves."""

    bars_per_day: float
    """Bars of a trading day."""
    daily_volatility: float
    """Standard deviation of a trading day's log return, > 0."""


def crisis_length(crisis: Crisis, pace: MarketPace, timeframe_minutes: int) -> int:
    """Bars that a crisis takes in this market, those after its last knot included."""
    last, _ = crisis.knots[-1]
    days = last if crisis.unit == "days" else last / (pace.bars_per_day * timeframe_minutes)
    return max(3, int(np.ceil((days + crisis.after) * pace.bars_per_day)))


def crisis_bars(
    bars: Bars, at: int, crisis: Crisis, pace: MarketPace, rng: np.random.Generator, *, mirrored: bool = False
) -> Bars:
    """The history up to `at`, and from there the crisis instead of what came.

    Around the shape lie the market's own bars before `at`, drawn in blocks of a day's length or so, freed of their mean
    return and magnified. The extremes that the shape has within a bar are in the bar's high and low. Volumes stay;
    known spreads are multiplied.

    Args:
        bars: of one market; there are `crisis_length` of them from `at` on.
        at: first bar that is replaced, with bars before it to draw from.
        crisis: the shape.
        pace: what it is scaled by.
        rng: chance of the bars around the shape.
        mirrored: price rises as it fell.

    Returns:
        `at + crisis_length` bars.

    Raises:
        DataError: too few bars after or before `at`.
    """
    n = crisis_length(crisis, pace, bars.timeframe.minutes)
    if at + n > len(bars) or at < 2 * _BLOCK_BARS:
        raise DataError(f"{bars.symbol}: {crisis.title} takes {n:,} bars from bar {at:,} on; there are {len(bars):,}")
    drift, highest, lowest = _shape(crisis, n, pace, bars.timeframe.minutes, -1.0 if mirrored else 1.0)
    gap, body, up, down = _borrowed(bars, at, n, rng) * crisis.loudness
    moved = np.cumsum(gap + body + drift)
    close = np.log(bars.close[at - 1]) + moved
    opening = close - body - drift
    high = np.maximum(np.maximum(opening, close) + up, opening + highest)
    low = np.minimum(np.minimum(opening, close) - down, opening + lowest)
    spread = bars.spread[: at + n].copy()
    spread[at:] *= crisis.spread_factor * np.exp(close) / bars.close[at : at + n]
    past = bars.slice(0, at + n)

    def joined(before: FloatArray, logs: FloatArray) -> FloatArray:
        return np.concatenate([before[:at], np.exp(logs)])

    return replace(
        past,
        open=joined(bars.open, opening),
        high=joined(bars.high, high),
        low=joined(bars.low, low),
        close=joined(bars.close, close),
        spread=spread,
    )


def _shape(
    crisis: Crisis, n: int, pace: MarketPace, timeframe_minutes: int, sign: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(n,) log move of the shape over each bar, and its highest and lowest within it since the bar's open."""
    per_unit = pace.bars_per_day if crisis.unit == "days" else 1.0 / timeframe_minutes
    times = np.array([time for time, _ in crisis.knots]) * per_unit
    heights = np.array([height for _, height in crisis.knots]) * pace.daily_volatility * sign
    edges = np.interp(np.arange(n + 1), times, heights)  # flat after the last knot
    highest, lowest = np.maximum(np.diff(edges), 0.0), np.minimum(np.diff(edges), 0.0)
    for time, height in zip(times, heights, strict=True):
        bar = min(int(time), n - 1)
        highest[bar] = max(highest[bar], height - edges[bar])
        lowest[bar] = min(lowest[bar], height - edges[bar])
    return np.diff(edges), highest, lowest


def _borrowed(bars: Bars, at: int, n: int, rng: np.random.Generator) -> FloatArray:
    """(4, n) of bars before `at`: log gap, body, and what lies above and below the body; no drift is left in them."""
    opening, close = np.log(bars.open[1:at]), np.log(bars.close[1:at])
    gap, body = opening - np.log(bars.close[: at - 1]), close - opening
    up = np.log(bars.high[1:at]) - np.maximum(opening, close)
    down = np.minimum(opening, close) - np.log(bars.low[1:at])
    starts = rng.integers(0, opening.size - _BLOCK_BARS, size=-(-n // _BLOCK_BARS))
    drawn = (starts[:, np.newaxis] + np.arange(_BLOCK_BARS)).ravel()[:n]
    parts = np.stack([gap, body, up, down])[:, drawn]
    parts[1] -= (parts[0] + parts[1]).mean()  # the shape alone says where price goes
    return parts

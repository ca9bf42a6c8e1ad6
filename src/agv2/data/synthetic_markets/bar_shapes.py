"""From closes to whole bars: open, high, low on the price grid, quotes and spread."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray

__all__ = ["BarShapes", "bar_shapes", "on_grid"]

_STEPS = 4
# Variance between a close and the next open: so many minutes' worth, and this share of the bar's.
_OPENING_MINUTES, _OPENING_SHARE = 0.01, 0.0012
_CHUNK_BARS = 65_536


class BarShapes(NamedTuple):
    """(n_bars,) each, log prices."""

    open: FloatArray
    high: FloatArray
    low: FloatArray


def bar_shapes(
    open_base: FloatArray,
    close: FloatArray,
    sigma: FloatArray,
    minutes: int,
    path_rng: np.random.Generator,
    extreme_rng: np.random.Generator,
) -> BarShapes:
    """Open, high and low of Brownian paths between given log prices.

    Five points of the path are drawn, then the highest and the lowest point of the bridges between them by their
    exact laws: a path of points alone would overshoot stops, which would then fill better than any market lets them.

    Args:
        open_base: (n_bars,) log price just before the bar: the close before plus the opening move after a closure.
        close: (n_bars,) log closes.
        sigma: (n_bars,) volatility of the path, its random size included.
        minutes: length of a bar.
        path_rng: chance, for the points.
        extreme_rng: chance, for what happens between them.

    Source: Karatzas and Shreve (1991), Brownian Motion and Stochastic Calculus, 2.8, for the maximum of a bridge.
    """
    opening = _OPENING_MINUTES / minutes + _OPENING_SHARE
    times = opening + (1.0 - opening) * np.arange(_STEPS + 1) / _STEPS
    root_steps = np.sqrt(np.diff(times, prepend=0.0))
    shapes = BarShapes(np.empty(close.size), np.empty(close.size), np.empty(close.size))
    for first in range(0, close.size, _CHUNK_BARS):
        part = np.s_[first : first + _CHUNK_BARS]
        scale = sigma[part, None]
        walk = np.cumsum(path_rng.standard_normal((scale.size, _STEPS + 1)) * root_steps, axis=1)
        bridge = walk - walk[:, -1:] * times
        path = open_base[part, None] + (close[part] - open_base[part])[:, None] * times + scale * bridge
        chance = 1.0 - extreme_rng.random((scale.size, 2, _STEPS))  # above 0
        variance = scale**2 * root_steps[1:] ** 2
        middle, step = 0.5 * (path[:, 1:] + path[:, :-1]), path[:, 1:] - path[:, :-1]
        reach = 0.5 * np.sqrt(step[:, None, :] ** 2 - 2.0 * variance[:, None, :] * np.log(chance))
        shapes.open[part] = path[:, 0]
        shapes.high[part] = (middle + reach[:, 0]).max(axis=1)
        shapes.low[part] = (middle - reach[:, 1]).min(axis=1)
    return shapes


def on_grid(shapes: BarShapes, log_close: FloatArray, tick_size: float) -> tuple[FloatArray, ...]:
    """Open, high, low and close as prices on the grid.

    Highs round down and lows up, so that a price on the grid is touched exactly when the path touched it.
    """
    open_, close = np.exp(shapes.open), np.exp(log_close)
    high, low = np.exp(shapes.high), np.exp(shapes.low)
    if tick_size > 0.0:
        open_, close = np.round(open_ / tick_size), np.round(close / tick_size)
        high, low = np.floor(high / tick_size), np.ceil(low / tick_size)
    else:
        tick_size = 1.0
    high = np.maximum(np.maximum(high, low), np.maximum(open_, close))
    low = np.minimum(np.minimum(high, low), np.minimum(open_, close))
    # Twelve decimals take away the tail that a product with a decimal step leaves.
    open_, high, low, close = (np.round(prices * tick_size, 12) for prices in (open_, high, low, close))
    return open_, high, low, close

"""Where price has turned before: pivots, the density of levels they leave, and the nearest levels."""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.jit import kernel
from agv2.features.level_pivots import Pivots, add_pivot, after_bar, no_pivots, pivot_weight
from agv2.features.natural_log import natural_log

__all__ = [
    "HEAT_COLUMNS",
    "Levels",
    "density_lookback",
    "fractal_pivots",
    "heat_map",
    "level_density",
    "log_strength",
    "nearest_levels",
]

PIVOT_WING = 3
"""Bars on each side that a pivot must tower over; it is confirmed when the last of them has closed."""
MEMORY_BARS = 500
"""Bars back to which a pivot counts on the base timeframe."""

HEATMAP_BINS = 64
HALF_WIDTH_SIGMAS = 16.0
"""The density covers the price this many volatilities of one bar up and down."""
HEAT_COLUMNS = HEATMAP_BINS // 2
"""Of `heat_map`: each one volatility wide, wider than what the kernel blurs."""
STRENGTH_LIMIT = 6.0
"""Largest log strength: some four hundred fresh pivots at one price."""
_BIN_SIGMAS = 2.0 * HALF_WIDTH_SIGMAS / HEATMAP_BINS
_BANDWIDTH_SIGMAS = 0.75
_REACH_SIGMAS = 5.0 * _BANDWIDTH_SIGMAS  # the kernel is cut where it has fallen to 4e-6
_HALF_LIFE_SHARE = 0.5  # of the memory
_LEAST_STRENGTH = 0.5  # of a level: small fresh swings stand everywhere and mean nothing

_TABLE_STEPS = 512
_N_STEPS = int(2.0 * _REACH_SIGMAS / _BIN_SIGMAS)


def _kernel_table() -> FloatArray:
    """(steps + 1, bins) of the cut Gaussian on consecutive bins, for each place of its left edge between two bins.

    Between two rows it is interpolated, which is exact to 2e-7 of the peak; adding a row to the density is then plain
    vector arithmetic without an exponential.
    """
    first = np.arange(_TABLE_STEPS + 1)[:, None] / _TABLE_STEPS
    offset = -_REACH_SIGMAS + (first + np.arange(_N_STEPS)) * _BIN_SIGMAS
    table: FloatArray = np.exp(-(offset**2) / (2.0 * _BANDWIDTH_SIGMAS**2))
    return table


_TABLE = _kernel_table()
_FIRST_EDGE = (HALF_WIDTH_SIGMAS - _REACH_SIGMAS) / _BIN_SIGMAS - 0.5 + _N_STEPS
"""Of the kernel of a level at the close, in bins from the start of the padded row."""


class Levels(NamedTuple):
    """The nearest levels around each close."""

    above: FloatArray
    """(n_bars,) distance up in volatilities of one bar, > 0; the density's half width where there is none."""
    below: FloatArray
    """(n_bars,) distance down, likewise."""
    above_strength: FloatArray
    """(n_bars,) density at that level, >= 0; 0 where there is none."""
    below_strength: FloatArray


@kernel
def fractal_pivots(high: FloatArray, low: FloatArray, wing: int = PIVOT_WING) -> IntArray:
    """What each bar confirms: bit 1 a high, bit 2 a low, of the bar `wing` bars before it.

    A bar is a pivot high when its high is above those of the `wing` bars before it and not below those of the
    `wing` bars after it: of equal highs side by side the first one counts. Lows alike.

    Args:
        high: (n_bars,) highs.
        low: (n_bars,) lows.
        wing: bars on each side, >= 1.

    Returns:
        (n_bars,) 0, 1, 2 or 3; 0 for the first `2 * wing` bars.

    Known at: the close of bar t, which confirms bar t - wing, from bars t - 2 * wing .. t.
    Source: Williams (1995), Trading Chaos, ch. 9, for the fractal.
    """
    confirmed = np.zeros(high.size, dtype=np.int64)
    for t in range(2 * wing, high.size):
        i = t - wing
        is_high = True
        is_low = True
        for k in range(1, wing + 1):
            if high[i - k] >= high[i] or high[i + k] > high[i]:
                is_high = False
            if low[i - k] <= low[i] or low[i + k] < low[i]:
                is_low = False
        confirmed[t] = (1 if is_high else 0) + (2 if is_low else 0)
    return confirmed


def level_density(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    sigma: FloatArray,
    memory: int = MEMORY_BARS,
) -> FloatArray:
    """Heat map of levels: a kernel density of confirmed pivots over price, centred on each close.

    Each pivot of the last `memory` bars adds a Gaussian of 0.75 volatilities' width at its price, until a close lies
    a volatility beyond it: above a high, below a low. Its weight is how far price has gone from it since, as a share
    of 16 volatilities, 1 at most; it halves every half of the memory, and grows by half for each later visit of price
    to within half a volatility, up to five visits. All but the kernel is in volatilities at the pivot's confirmation.

    Args:
        high: (n_bars,) highs, > 0.
        low: (n_bars,) lows, > 0.
        close: (n_bars,) closes, > 0.
        sigma: (n_bars,) volatility of one bar's log return, > 0; NaN where unknown.
        memory: bars back to which pivots count, > 2 * `PIVOT_WING`.

    Returns:
        (n_bars, 64) density at `(j - 31.5) / 2` volatilities above the close, in weights of a fresh pivot at its own
        price that price left by 16, >= 0; NaN where `sigma` is, and for the first `memory + PIVOT_WING - 1` bars.

    Known at: the close of bar t, from bars t - memory - PIVOT_WING + 1 .. t and `sigma` of the last `memory` of them.
    """
    recency = 0.5 ** (np.arange(memory) / (_HALF_LIFE_SHARE * memory))
    logs = natural_log(high), natural_log(low), natural_log(close)
    return _density(*logs, sigma, fractal_pivots(high, low, PIVOT_WING), recency, _TABLE)


@kernel
def _density(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    sigma: FloatArray,
    confirmed: IntArray,
    recency: FloatArray,
    table: FloatArray,
) -> FloatArray:
    """Prices are logarithms."""
    n_bars = close.size
    memory = recency.size
    density = np.full((n_bars, HEATMAP_BINS), np.nan)
    pivots = no_pivots(2 * memory)  # a bar is high and low at most
    n_pivots = 0
    row = np.zeros(HEATMAP_BINS + 2 * _N_STEPS)
    for t in range(n_bars):
        n_pivots = after_bar(pivots, n_pivots, t - memory, high[t], low[t], close[t])
        if confirmed[t] > 0 and not math.isnan(sigma[t]):
            for bit in range(2):
                if confirmed[t] >> bit & 1:
                    add_pivot(pivots, n_pivots, t - PIVOT_WING, t, bit == 0, high, low, sigma[t])
                    n_pivots += 1
        if t < memory + PIVOT_WING - 1 or math.isnan(sigma[t]):
            continue
        _add_up(pivots, n_pivots, t, close[t], sigma[t], recency, table, row)
        for j in range(HEATMAP_BINS):
            density[t, j] = row[j + _N_STEPS]
    return density


def density_lookback(memory: int = MEMORY_BARS) -> int:
    """Bars whose prices decide a row of `level_density`; of the last `memory` of them it reads `sigma` too."""
    return memory + PIVOT_WING


@kernel
def log_strength(strength: FloatArray) -> FloatArray:
    """Log of one plus each strength, >= 0, at most `STRENGTH_LIMIT`; NaN stays."""
    logs = natural_log(1.0 + strength)
    for i in range(logs.size):
        if logs[i] > STRENGTH_LIMIT:
            logs[i] = STRENGTH_LIMIT
    return logs


@kernel
def heat_map(density: FloatArray) -> FloatArray:
    """The density as features: a row for each volatility up and down, on a log scale.

    Args:
        density: (n_bars, 64) from `level_density`.

    Returns:
        (32, n_bars) log of one plus the mean density between `j - 16` and `j - 15` volatilities above the close, in
        [0, 6]; NaN where the density is.

    Known at: when the density is.
    """
    heat = np.empty((HEAT_COLUMNS, density.shape[0]))
    for t in range(density.shape[0]):
        for j in range(HEAT_COLUMNS):
            heat[j, t] = 0.5 * (density[t, 2 * j] + density[t, 2 * j + 1])
    for j in range(HEAT_COLUMNS):
        heat[j] = log_strength(heat[j])
    return heat


@kernel
def _add_up(
    pivots: Pivots,
    n_pivots: int,
    t: int,
    log_close: float,
    sigma: float,
    recency: FloatArray,
    table: FloatArray,
    row: FloatArray,
) -> None:
    """Sum the pivots' kernels into `row`, which has room for a whole kernel on either side."""
    row[:] = 0.0
    bins_per_log = 1.0 / (sigma * _BIN_SIGMAS)
    for p in range(n_pivots):
        # Where the kernel's left edge falls, in bins.
        edge = (pivots.log_price[p] - log_close) * bins_per_log + _FIRST_EDGE
        if not 0.0 <= edge < row.size - _N_STEPS - 1:
            continue
        first = int(edge) + 1
        at = (first - edge) * _TABLE_STEPS
        k = min(int(at), _TABLE_STEPS - 1)
        rest = at - k
        weight = pivot_weight(pivots, p) * recency[t - pivots.bar[p]]
        lower_weight = weight * (1.0 - rest)
        upper_weight = weight * rest
        for j in range(_N_STEPS):
            row[first + j] += lower_weight * table[k, j] + upper_weight * table[k + 1, j]


@kernel
def nearest_levels(density: FloatArray) -> Levels:
    """The nearest local maxima of `level_density` above and below the close that are at least 0.5 strong.

    Args:
        density: (n_bars, 64) from `level_density`.

    Returns:
        Distances and strengths; NaN where the density is.

    Known at: when the density is.
    """
    n_bars = density.shape[0]
    centre = HEATMAP_BINS // 2
    above = np.full(n_bars, np.nan)
    below = np.full(n_bars, np.nan)
    above_strength = np.full(n_bars, np.nan)
    below_strength = np.full(n_bars, np.nan)
    for t in range(n_bars):
        row = density[t]
        if math.isnan(row[0]):
            continue
        above[t] = HALF_WIDTH_SIGMAS
        below[t] = HALF_WIDTH_SIGMAS
        above_strength[t] = 0.0
        below_strength[t] = 0.0
        for j in range(centre, HEATMAP_BINS - 1):
            if row[j] >= _LEAST_STRENGTH and row[j] > row[j - 1] and row[j] >= row[j + 1]:
                above[t] = (j - centre + 0.5) * _BIN_SIGMAS
                above_strength[t] = row[j]
                break
        for j in range(centre - 1, 0, -1):
            # A level at the close itself fills the two middle bins alike; it counts as one below.
            is_peak = row[j] > row[j + 1] or (j == centre - 1 and row[j] == row[j + 1])
            if row[j] >= _LEAST_STRENGTH and is_peak and row[j] >= row[j - 1]:
                below[t] = (centre - 0.5 - j) * _BIN_SIGMAS
                below_strength[t] = row[j]
                break
    return Levels(above, below, above_strength, below_strength)

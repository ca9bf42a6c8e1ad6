"""What drives a synthetic market and nobody sees: volatility that clusters, and the regime."""

import math
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.jit import kernel
from agv2.data.synthetic_markets.bar_slots import BarSlots
from agv2.data.synthetic_markets.instruments import InstrumentShape

__all__ = ["REGIME_HOURS", "Shocks", "draw_shocks", "hidden_volatility", "latent_states", "with_bursts"]

REGIME_HOURS = 100.0
"""Mean open hours that a calm state lasts."""

VOLATILE_HOURS = 40.0
_CALM_FACTOR, _VOLATILE_FACTOR = 0.85, 1.60
LATENT_WEIGHTS = (0.3, 0.3, 0.2, 0.2)  # of up, down, flat and volatile when a state is chosen
_UP, _DOWN, _FLAT, _VOLATILE = range(4)
_MEMORY_HOURS = (2.0, 50.0, 900.0)
_LARGEST_SIZE = 8.0
_HOURS_BETWEEN_BURSTS = 125.0
_BURST_HOURS = 0.6  # root mean square of a burst, in hourly standard deviations


class Shocks(NamedTuple):
    """The chance in a market, drawn beforehand."""

    normal: FloatArray
    """(n_bars,) standard normal."""
    size: FloatArray
    """(n_bars,) factor of a bar's volatility that makes `normal` Student-t, mean square about 1."""


def draw_shocks(degrees: float, n_bars: int, normal_rng: np.random.Generator, size_rng: np.random.Generator) -> Shocks:
    """Student-t shocks as normal ones of random size, each part from its own source.

    Size belongs to the whole bar: then the path inside it is a martingale too, and not even a stop or a target
    within the bar finds anything.
    """
    size = np.minimum(np.sqrt((degrees - 2.0) / size_rng.chisquare(degrees, n_bars)), _LARGEST_SIZE)
    return Shocks(normal_rng.standard_normal(n_bars), size)


def with_bursts(sizes: FloatArray, slots: BarSlots, rng: np.random.Generator) -> FloatArray:
    """(n_bars,) sizes with bursts of news: once in 125 open hours a bar takes much of an hour's variance.

    A burst is fast but no jump: the path inside the bar stays continuous, so a stop fills where it stands. Prices
    jump only where a real feed leaves a hole, between a close and the next open.
    """
    chance, strength = rng.random((sizes.size, 2)).T
    struck = chance < 1.0 - np.exp(-slots.open_hours / _HOURS_BETWEEN_BURSTS)
    extra = np.where(struck, -(_BURST_HOURS**2) * np.log(1.0 - strength) / slots.variance_hours, 0.0)
    grown: FloatArray = np.sqrt(sizes**2 + extra)
    return grown


def latent_states(slots: BarSlots, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """State of each bar, and the first bar of each spell of one state.

    A state lasts an exponential time and passes to one of the others. States 0 to 2 (up, down, flat) are calm and
    differ only where a drift is planted; state 3 is volatile.

    Returns:
        (n_bars,) states and (n_spells,) first bars. They depend on no price.
    """
    hours = np.cumsum(slots.open_hours) - slots.open_hours
    ends, states = [0.0], []
    state = -1
    while ends[-1] <= hours[-1]:
        choice, length = rng.random(2)
        weights = [0.0 if k == state else weight for k, weight in enumerate(LATENT_WEIGHTS)]
        state = int(np.searchsorted(np.cumsum(weights) / sum(weights), choice, side="right"))
        states.append(state)
        mean_hours = VOLATILE_HOURS if state == _VOLATILE else REGIME_HOURS
        ends.append(ends[-1] - mean_hours * math.log(1.0 - length))
    spell = np.searchsorted(np.array(ends), hours, side="right") - 1
    first = np.flatnonzero(np.diff(spell, prepend=-1))
    return np.array(states, dtype=np.int64)[spell], first


def hidden_volatility(
    shape: InstrumentShape, slots: BarSlots, states: IntArray, shocks: Shocks, rng: np.random.Generator
) -> FloatArray:
    """(n_bars,) standard deviation of each bar's log return, before its random size.

    The product of the instrument's level, the hour of its day, its regime and three log-normal parts that forget
    within hours, days and weeks. Each part answers to the bar before, more so to falls where there is leverage.

    Known at: the close of bar t - 1, by whoever knows the hidden parts.
    """
    n_bars = states.size
    spread = np.asarray(shape.clustering)
    start = rng.standard_normal(3) * spread
    noise = rng.standard_normal((n_bars, 3))
    memory = np.exp(-slots.open_hours[:, None] / np.asarray(_MEMORY_HOURS))
    factor = np.where(states == _VOLATILE, _VOLATILE_FACTOR, _CALM_FACTOR)
    log_volatility = _log_volatility(start, spread, memory, noise, shocks.normal, shape.leverage)
    level = shape.annual_volatility / math.sqrt(shape.open_hours_per_year) / _regime_root_mean_square()
    sigma: FloatArray = level * np.sqrt(slots.variance_hours) * factor * np.exp(log_volatility - (spread**2).sum())
    return sigma


def _regime_root_mean_square() -> float:
    """Of the factors, over time: the share of a state is its visits times its length."""
    moves = np.array([[0.0 if k == j else w for k, w in enumerate(LATENT_WEIGHTS)] for j in range(4)])
    moves /= moves.sum(axis=1, keepdims=True)
    visits = np.linalg.matrix_power(moves, 200)[0]
    hours = visits * np.array([REGIME_HOURS] * 3 + [VOLATILE_HOURS])
    squares = np.array([_CALM_FACTOR**2] * 3 + [_VOLATILE_FACTOR**2])
    return math.sqrt(float((hours * squares).sum() / hours.sum()))


@kernel
def _log_volatility(
    start: FloatArray, spread: FloatArray, memory: FloatArray, noise: FloatArray, normal: FloatArray, leverage: float
) -> FloatArray:
    n_bars, n_parts = noise.shape
    own = math.sqrt(1.0 - leverage * leverage)
    total = np.empty(n_bars)
    now = start.copy()
    for t in range(n_bars):
        before = normal[t - 1] if t > 0 else 0.0
        total[t] = 0.0
        for k in range(n_parts):
            if t > 0:
                step = leverage * before + own * noise[t, k]
                now[k] = memory[t, k] * now[k] + math.sqrt(1.0 - memory[t, k] ** 2) * spread[k] * step
            total[t] += now[k]
    return total

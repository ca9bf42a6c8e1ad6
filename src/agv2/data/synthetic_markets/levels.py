"""Support and resistance: prices that a synthetic market remembers, and turns away from where that is planted."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.jit import kernel
from agv2.data.synthetic_markets.bar_slots import BarSlots

__all__ = [
    "FARTHEST_DAYS", "HOURS_BETWEEN_LEVELS", "LIFE_HOURS", "SWING_HOURS", "ZONE_DAYS", "Levels", "walk_with_levels",
]  # fmt: skip

ZONE_DAYS = 0.25
"""Half width of the zone around a level, in standard deviations of a mean trading day."""

SWING_HOURS = 48.0
HOURS_BETWEEN_LEVELS = 20.0
LIFE_HOURS = 400.0
FARTHEST_DAYS = 4.0
_MOST_AT_ONCE = 6


class Levels(NamedTuple):
    """Levels in the order in which they arose."""

    price: FloatArray
    """(n_levels,) quote currency."""
    first_bar: IntArray
    """(n_levels,) first bar that knows the level: it is a swing of the bars before."""
    end_bar: IntArray
    """(n_levels,) first bar that no longer does; n_bars where the level stands at the end."""
    is_support: IntArray
    """(n_levels,) 1 where the level arose below the price, 0 above."""
    was_broken: IntArray
    """(n_levels,) 1 where price went through, 0 where it was forgotten or stands."""


class WalkedPrices(NamedTuple):
    """Closes, the drift that levels gave them, and the levels."""

    log_close: FloatArray
    drift: FloatArray
    levels: Levels


def walk_with_levels(
    log_start: float,
    gaps: FloatArray,
    returns: FloatArray,
    sigma: FloatArray,
    slots: BarSlots,
    day_sigma: float,
    amplitude: float,
    rng: np.random.Generator,
) -> WalkedPrices:
    """Walk the price bar by bar, let levels arise at its swings, and turn it away from them.

    Every 20 open hours on average the highest or the lowest close of the last 48 hours becomes a level, if it is
    1/2 to 4 days' standard deviations away and no other is near. A level is forgotten after 400 hours or broken by a
    close beyond its zone. While the close lies in a level's zone the next bar drifts back to the side from which price
    came.

    Args:
        log_start: logarithm of the price before the first bar.
        gaps: (n_bars,) opening moves after closures, log.
        returns: (n_bars,) log returns without this drift.
        sigma: (n_bars,) volatility of each bar.
        slots: the market's clock.
        day_sigma: standard deviation of a mean trading day's log return.
        amplitude: drift of an hour in standard deviations of an hour; 0: levels arise and mean nothing.
        rng: chance, for when and where levels arise.
    """
    n_bars = returns.size
    chances = rng.random((n_bars, 2))
    hours = np.cumsum(slots.open_hours)
    push = amplitude * np.sqrt(slots.open_hours) * sigma
    arises = chances[:, 0] < 1.0 - np.exp(-slots.open_hours / HOURS_BETWEEN_LEVELS)
    log_close, drift, price, first, end, support, broken = _walk(
        log_start, gaps, returns, push, hours, arises, chances[:, 1] < 0.5, day_sigma
    )
    return WalkedPrices(log_close, drift, Levels(np.exp(price), first, end, support, broken))


@kernel
def _walk(
    log_start: float,
    gaps: FloatArray,
    returns: FloatArray,
    push: FloatArray,
    hours: FloatArray,
    arises: BoolArray,
    looks_up: BoolArray,
    day_sigma: float,
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray, IntArray, IntArray]:
    n_bars = returns.size
    zone = ZONE_DAYS * day_sigma
    log_close, drift = np.empty(n_bars), np.empty(n_bars)
    most = int(arises.sum())
    price = np.empty(most)
    first, end = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    support, broken = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    active = np.empty(_MOST_AT_ONCE, dtype=np.int64)
    n_active, n_levels = 0, 0
    now = log_start
    for t in range(n_bars):
        # What the close before decides: the drift of this bar.
        drift[t] = 0.0
        nearest = zone
        for k in range(n_active):
            level = active[k]
            distance = abs(now - price[level])
            if distance < nearest:
                nearest = distance
                drift[t] = push[t] if support[level] == 1 else -push[t]
        now += gaps[t] + returns[t] + drift[t]
        log_close[t] = now
        kept = 0
        for k in range(n_active):
            level = active[k]
            side = 1.0 if support[level] == 1 else -1.0
            is_broken = side * (now - price[level]) < -zone
            if is_broken or hours[t] - hours[first[level] - 1] > LIFE_HOURS:
                end[level] = t + 1
                broken[level] = 1 if is_broken else 0
            else:
                active[kept] = level
                kept += 1
        n_active = kept
        if arises[t] and n_active < _MOST_AT_ONCE and t + 1 < n_bars:
            found = now
            back = t
            while back >= 0 and hours[t] - hours[back] <= SWING_HOURS:
                if (log_close[back] > found) == looks_up[t]:
                    found = log_close[back]
                back -= 1
            far = abs(found - now)
            is_free = 2.0 * zone <= far <= FARTHEST_DAYS * day_sigma
            for k in range(n_active):
                if abs(price[active[k]] - found) < 2.0 * zone:
                    is_free = False
            if is_free:
                price[n_levels] = found
                first[n_levels], end[n_levels] = t + 1, n_bars
                support[n_levels], broken[n_levels] = (0 if looks_up[t] else 1), 0
                active[n_active] = n_levels
                n_active += 1
                n_levels += 1
    return (
        log_close,
        drift,
        price[:n_levels],
        first[:n_levels],
        end[:n_levels],
        support[:n_levels],
        broken[:n_levels],
    )

"""What a filter earns at planted levels that knows every constant of the rule, but not which extremes count."""

import math

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError
from agv2.core.jit import kernel
from agv2.data.synthetic_markets.instruments import instrument_shape
from agv2.data.synthetic_markets.levels import (
    FARTHEST_DAYS,
    HOURS_BETWEEN_LEVELS,
    LIFE_HOURS,
    SWING_HOURS,
    ZONE_DAYS,
)
from agv2.data.synthetic_markets.market import InstrumentMarket
from agv2.data.synthetic_markets.oracle import INNER_ZONE, TAIL_DEGREES, expected_volatility

__all__ = ["inferred_level_positions"]

_BELIEF = 0.4  # of 0.3 to 0.7 the best on seeds 1 to 20 of gold, 12,000 bars, weak and strong added up
_MOST = 256


def inferred_level_positions(market: InstrumentMarket, belief: float = _BELIEF) -> FloatArray:
    """(n_bars,) position in units held through each bar: −1, 0 or 1; no bar's truth is looked at.

    Every extreme of the last 48 hours may have become a level, with the probability that the rule gives it; each bar
    within its zone makes that likelier or not, by how its return fits a drift away from it. A position opens in
    the inner zone of a candidate that is believed, and closes when price leaves the zone or belief halves.

    Args:
        market: with planted levels; its amplitude and rule are known.
        belief: probability from which a candidate is traded.

    Raises:
        DataError: the market has no planted levels.

    Known at: the close of bar t − 1.
    """
    if market.request.edge != "levels":
        raise DataError(
            f"{market.bars.symbol}: levels can be inferred where they are planted, not {market.request.edge}"
        )
    bars, slots = market.bars, market.slots
    shape = instrument_shape(bars.symbol)
    returns = np.log(bars.close / bars.open)
    start = shape.annual_volatility**2 / shape.open_hours_per_year
    sigma = expected_volatility(returns, slots.variance_hours, slots.open_hours, start)
    push = market.amplitude * np.sqrt(slots.open_hours) * sigma
    hours = np.cumsum(slots.open_hours)
    return _inferred(
        np.log(bars.close), returns, sigma, push, hours, slots.open_hours, ZONE_DAYS * market.day_sigma,
        market.day_sigma, belief,
    )  # fmt: skip


@kernel
def _inferred(
    log_close: FloatArray,
    returns: FloatArray,
    sigma: FloatArray,
    push: FloatArray,
    hours: FloatArray,
    open_hours: FloatArray,
    zone: float,
    day_sigma: float,
    belief: float,
) -> FloatArray:
    side = np.zeros(log_close.size)
    price, way, weight, born = np.empty(_MOST), np.empty(_MOST), np.empty(_MOST), np.empty(_MOST)
    n = 0
    held_price, held_way = math.nan, 0.0
    for t in range(1, log_close.size):
        before, now = log_close[t - 1], log_close[t]
        # The position of this bar is decided on what is believed at the close before.
        best, believed = 0.0, 0.0
        for k in range(n):
            distance = abs(before - price[k])
            if price[k] == held_price and way[k] == held_way:
                believed = weight[k]
            if distance < INNER_ZONE * zone and weight[k] > best:
                best = weight[k]
                if held_way == 0.0 and best > belief:
                    held_price, held_way, believed = price[k], way[k], weight[k]
        if held_way != 0.0 and (abs(before - held_price) > zone or believed < 0.5 * belief):
            held_price, held_way = math.nan, 0.0
        side[t] = held_way
        # What the bar says of every candidate in whose zone it began.
        kept = 0
        for k in range(n):
            if abs(before - price[k]) < zone:
                with_drift = _density((returns[t] - way[k] * push[t]) / sigma[t])
                odds = weight[k] / (1.0 - weight[k]) * with_drift / _density(returns[t] / sigma[t])
                weight[k] = min(odds / (1.0 + odds), 0.999)
            gone = way[k] * (now - price[k]) < -zone or hours[t] - born[k] > LIFE_HOURS or weight[k] < 1e-3
            if not gone:
                price[kept], way[kept], weight[kept], born[kept] = price[k], way[k], weight[k], born[k]
                kept += 1
        n = kept
        chance = 0.5 * (1.0 - math.exp(-open_hours[t] / HOURS_BETWEEN_LEVELS))
        for up in range(2):
            found = now
            back = t
            while back >= 0 and hours[t] - hours[back] <= SWING_HOURS:
                if (log_close[back] > found) == (up == 1):
                    found = log_close[back]
                back -= 1
            far = abs(found - now)
            if not 2.0 * zone <= far <= FARTHEST_DAYS * day_sigma:
                continue
            own_way = -1.0 if up == 1 else 1.0
            free, same = 1.0, -1
            for k in range(n):
                if price[k] == found and way[k] == own_way:
                    same = k
                if abs(price[k] - found) < 2.0 * zone:
                    free *= 1.0 - weight[k]
            added = chance * free
            if same >= 0:
                total = weight[same] + added
                born[same] = (weight[same] * born[same] + added * hours[t]) / total
                weight[same] = min(total, 0.999)
            elif n < _MOST:
                price[n], way[n], weight[n], born[n] = found, own_way, added, hours[t]
                n += 1
    return side


@kernel
def _density(surprise: float) -> float:
    """Student's t, up to a constant."""
    value: float = (1.0 + surprise * surprise / (TAIL_DEGREES - 2.0)) ** (-0.5 * (TAIL_DEGREES + 1.0))
    return value

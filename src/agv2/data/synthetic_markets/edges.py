"""What can be earned on a synthetic market: the mean of each bar's return, planted by rule."""

import math

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.jit import kernel
from agv2.data.synthetic_markets.bar_slots import BarSlots

__all__ = ["REVERSION_HOURS", "momentum_drift", "reversion_drift", "session_drift"]

REVERSION_HOURS = 8.0
"""Open hours after which a deviation from the anchor has fallen to 1 / e."""

_UP, _DOWN = 0, 1


def momentum_drift(states: IntArray, sigma: FloatArray, slots: BarSlots, amplitude: float) -> FloatArray:
    """(n_bars,) mean log returns that keep one sign while a hidden state lasts.

    Args:
        states: (n_bars,) hidden states; 0 rises, 1 falls, the others drift nowhere.
        sigma: (n_bars,) volatility of each bar.
        slots: the market's clock.
        amplitude: drift of an hour in standard deviations of an hour.
    """
    side = np.where(states == _UP, 1.0, np.where(states == _DOWN, -1.0, 0.0))
    drift: FloatArray = amplitude * np.sqrt(slots.open_hours) * sigma * side
    return drift


def session_drift(
    up_hours: tuple[int, ...], down_hours: tuple[int, ...], sigma: FloatArray, slots: BarSlots, amplitude: float
) -> FloatArray:
    """(n_bars,) mean log returns: up in some hours of New York's day, as far down in others, nothing elsewhere.

    Args:
        up_hours: hours that rise; as many as `down_hours`, so that a day's drift is none and holding earns nothing.
        down_hours: hours that fall.
        sigma: (n_bars,) volatility of each bar.
        slots: the market's clock.
        amplitude: drift of an hour in standard deviations of a mean hour.
    """
    side = np.isin(slots.local_hour, up_hours).astype(np.float64) - np.isin(slots.local_hour, down_hours)
    drift: FloatArray = amplitude * slots.open_hours * sigma / np.sqrt(slots.variance_hours) * side
    return drift


def reversion_drift(
    shocks: FloatArray, unseen: FloatArray, scale: FloatArray, slots: BarSlots, amplitude: float
) -> FloatArray:
    """(n_bars,) mean log returns back to an anchor that nobody sees.

    The log price is an anchor, a martingale, plus a deviation that decays. A shock moves both: `amplitude` squared
    is the share of its variance that the deviation takes.

    Args:
        shocks: (n_bars,) standardised shocks of the price, Student-t.
        unseen: (n_bars,) independent ones that tell anchor and deviation apart.
        scale: (n_bars,) what turns them into log returns.
        slots: the market's clock.
        amplitude: above 0, at most 1.
    """
    decay = np.exp(-slots.open_hours / REVERSION_HOURS)
    return _reversion(shocks, unseen, scale, decay, amplitude)


@kernel
def _reversion(
    shocks: FloatArray, unseen: FloatArray, scale: FloatArray, decay: FloatArray, amplitude: float
) -> FloatArray:
    drift = np.empty(shocks.size)
    rest = math.sqrt(1.0 - amplitude * amplitude)
    deviation = 0.0
    for t in range(shocks.size):
        drift[t] = -(1.0 - decay[t]) * deviation
        own = amplitude * shocks[t] + rest * unseen[t]
        deviation = decay[t] * deviation + amplitude * scale[t] * own
    return drift

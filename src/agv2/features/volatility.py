"""How far price moves in one bar, estimated from the last bars; always per bar, never annualised."""

import math

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.jit import kernel
from agv2.features.price_features import log_return
from agv2.features.rolling import windowed_mean, windowed_means

__all__ = ["average_true_range", "parkinson_volatility", "realized_volatilities", "realized_volatility"]


def realized_volatility(log_close: FloatArray, lookback: int) -> FloatArray:
    """Root mean square of the last `lookback` one-bar log returns, as `realized_volatilities` has it."""
    volatility: FloatArray = realized_volatilities(log_close, (lookback,))[0]
    return volatility


def realized_volatilities(log_close: FloatArray, lookbacks: tuple[int, ...]) -> FloatArray:
    """Root mean square of the last one-bar log returns, for each of some lookbacks.

    The mean return is taken as zero: over a few dozen bars it is noise, and a drift is movement too.

    Args:
        log_close: (n_bars,) natural logs of closes.
        lookbacks: returns per estimate, each >= 1.

    Returns:
        (n_lookbacks, n_bars) log return per bar; NaN for the first `lookback` bars, 0 where price stood still.

    Known at: the close of bar t, from the closes of bars t - lookback .. t.
    """
    return _root_mean_squares(log_return(log_close, 1), lookbacks)


def parkinson_volatility(log_high: FloatArray, log_low: FloatArray, lookback: int) -> FloatArray:
    """Volatility implied by the high-low range of the last `lookback` bars.

    Args:
        log_high: (n_bars,) natural logs of bar highs.
        log_low: (n_bars,) natural logs of bar lows, <= log_high.
        lookback: bars per estimate, >= 1.

    Returns:
        (n_bars,) log return per bar; NaN for the first `lookback - 1` bars.

    Known at: the close of bar t, from bars t - lookback + 1 .. t.
    Source: Parkinson (1980), Journal of Business 53(1), 61-65.
    """
    volatility: FloatArray = _root_mean_squares(log_high - log_low, (lookback,))[0] / math.sqrt(4.0 * math.log(2.0))
    return volatility


def average_true_range(log_high: FloatArray, log_low: FloatArray, log_close: FloatArray, lookback: int) -> FloatArray:
    """Mean true range of the last `lookback` bars as a log return.

    A bar's true range runs from the higher of its high and the close before to the lower of its low and that
    close, so a gap counts. It is a plain mean of the window, not Wilder's endless average.

    Args:
        log_high: (n_bars,) natural logs of bar highs.
        log_low: (n_bars,) natural logs of bar lows.
        log_close: (n_bars,) natural logs of closes.
        lookback: bars per mean, >= 1.

    Returns:
        (n_bars,) log return per bar; NaN for the first `lookback` bars.

    Known at: the close of bar t, from bars t - lookback .. t.
    Source: Wilder (1978), New Concepts in Technical Trading Systems, for the true range.
    """
    return windowed_mean(_true_range(log_high, log_low, log_close), lookback)


@kernel
def _true_range(log_high: FloatArray, log_low: FloatArray, log_close: FloatArray) -> FloatArray:
    ranges = np.empty(log_high.size)
    ranges[:1] = np.nan
    for t in range(1, log_high.size):
        ranges[t] = max(log_high[t], log_close[t - 1]) - min(log_low[t], log_close[t - 1])
    return ranges


def _root_mean_squares(values: FloatArray, lookbacks: tuple[int, ...]) -> FloatArray:
    return np.sqrt(windowed_means(values * values, lookbacks))

"""A policy that costs nothing to train: the best of twenty simple rules on the past, for studies of many markets."""

import itertools
import math
from collections.abc import Callable

import numpy as np

from agv2.backtest.side_baselines import forecast_sides, turn_costs
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray, IntArray

__all__ = ["searched_sides"]

_LENGTHS = (6, 24, 96)
_THRESHOLDS = (0.5, 1.0, 1.5)
_HOUR_T_VALUES = (1.0, 2.0)
_HOUR_NS = 3_600_000_000_000


def searched_sides(tape: MarketTape, n_train: int) -> FloatArray:
    """Sides of the rule that would have had the best Sharpe ratio after costs on the first `n_train` bars.

    The rules: follow, or go against, a move of 6, 24 or 96 bars that exceeds 0.5, 1 or 1.5 of its standard deviations,
    until it turns; or hold the side that an hour of the day has paid, where its mean is one or two standard errors from
    zero.

    Args:
        tape: bars with volatility; what it costs is in it.
        n_train: bars that the choice is made on.

    Returns:
        (n_bars,) −1, 0 or 1 at each bar's close.

    Known at: the close of each bar, given the choice; the choice is known at bar `n_train`.
    """
    close, volatility = tape.bars["close"], tape.volatility
    gains, costs = np.zeros(close.size), np.zeros(close.size)
    with np.errstate(invalid="ignore"):
        gains[:-1] = np.nan_to_num((close[1:] / close[:-1] - 1.0) / volatility[:-1])
        costs[:-1] = np.nan_to_num(turn_costs(tape)[1:] / volatility[:-1])
    rules: list[Callable[[], FloatArray]] = [
        *(
            (lambda n=n, most=most, way=way: _move_sides(close, volatility, n, most, way))
            for n, most, way in itertools.product(_LENGTHS, _THRESHOLDS, (1.0, -1.0))
        ),
        *((lambda t=t: _hour_sides(tape.bars["ts_ns"], gains, n_train, t)) for t in _HOUR_T_VALUES),
    ]
    found = [rule() for rule in rules]
    scores = [_sharpe(sides[: n_train - 1], gains[: n_train - 1], costs[: n_train - 1]) for sides in found]
    return found[int(np.argmax(scores))]


def _move_sides(close: FloatArray, volatility: FloatArray, n: int, threshold: float, way: float) -> FloatArray:
    move = np.zeros(close.size)
    with np.errstate(invalid="ignore"):
        move[n:] = np.nan_to_num(np.log(close[n:] / close[:-n]) / (volatility[n:] * math.sqrt(n)))
    return forecast_sides(way * move, np.full(close.size, threshold))


def _hour_sides(ts_ns: IntArray, gains: FloatArray, n_train: int, least_t: float) -> FloatArray:
    hour = ts_ns // _HOUR_NS % 24
    side = np.zeros(24)
    for one in range(24):
        paid = gains[: n_train - 1][hour[: n_train - 1] == one]
        if paid.size > 1 and paid.std() > 0.0:
            t_value = float(paid.mean() / paid.std()) * math.sqrt(paid.size)
            side[one] = math.copysign(1.0, t_value) if abs(t_value) > least_t else 0.0
    found: FloatArray = side[hour]
    return found


def _sharpe(sides: FloatArray, gains: FloatArray, costs: FloatArray) -> float:
    net = sides * gains - np.abs(np.diff(sides, prepend=0.0)) * costs
    spread = float(net.std())
    return float(net.mean()) / spread if spread > 0.0 else 0.0

"""Whether daily results are still what the backtest led to expect."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.block_length import optimal_block_length
from agv2.core.errors import DataError
from agv2.deploy.verdicts import GuardLevel, GuardVerdict

__all__ = ["PnlBand", "PnlState"]

PNL = "pnl"
_PATHS = 1000
_MOST_DAYS = 250
_FAN = (0.025, 0.5, 0.975)
_RUIN = 1e-9
_HALVINGS = 16
_DECAY = 0.94
"""Of the expected variance, a trading day; RiskMetrics (1996) for daily data."""
_LEAST_VARIANCE = 0.25


class Fan(NamedTuple):
    """What an account that starts now may be worth, as a share of its start; (n_days,) each."""

    low: FloatArray
    median: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class PnlState:
    """The account's days as far as the band looks back."""

    day: int
    """Trading day under way; -1 before the first bar."""
    start_equity: float
    """At the end of the day before."""
    last_equity: float
    variance: float
    """Expected of the day under way, from those before it."""
    log_returns: tuple[float, ...] = ()
    """Of finished days, newest last."""
    residuals: tuple[float, ...] = ()
    """The same, each over what its day was expected to vary."""

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "log_returns": list(self.log_returns),
            "residuals": list(self.residuals),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "PnlState":
        """The inverse of `as_json`."""
        sequences = {name: tuple(document[name]) for name in ("log_returns", "residuals")}
        return cls(**{**document, **sequences})


@dataclass(frozen=True, slots=True)
class PnlBand:
    """Sums of daily results over the last 1, 5, 20, ... finished trading days, each within its own limits.

    Short sums find a break at once, long ones a slow leak; one number of standard deviations bounds them all, so that
    the false-alarm rate is that of all together. A day counts in units of what the days before it led to expect,
    since volatility comes in clusters of months that no backtest of a year or two has seen enough of.

    Attributes:
        windows: days of each sum, rising.
        centre: (n_windows,) expected sum.
        spread: (n_windows,) standard deviation of the sum, the backtest's own uncertainty included.
        limit: standard deviations, either side.
        usual_variance: of a day's log return in the backtest.
        fan: what an account that starts now may be worth day by day, for a chart: 95 % of paths each day.
    """

    windows: tuple[int, ...]
    centre: FloatArray
    spread: FloatArray
    limit: float
    usual_variance: float
    fan: Fan

    @classmethod
    def calibrated(
        cls,
        daily_returns: FloatArray,
        windows: Sequence[int],
        false_alarm_days: float,
        rng: np.random.Generator,
    ) -> "PnlBand":
        """The band of a backtest, by stationary bootstrap.

        Each path first draws what the truth may be, a resample of the whole backtest with its mean and its spread,
        then days around it in blocks: a short backtest says little, and its band is wide.

        Args:
            daily_returns: (n,) simple returns out of sample, n >= 20.
            windows: days to sum over, rising; those longer than the paths are left out.
            false_alarm_days: trading days from one false alarm to the next, over all windows together.
            rng: chance.

        Raises:
            DataError: too few days, or an account that never moved.

        Source: Politis and Romano (1994), Journal of the American Statistical Association 89, 1303-1313.
        """
        if daily_returns.size < 20:
            raise DataError(f"{daily_returns.size} days of backtest are too few for a band; 20 are the least")
        logs = np.log1p(np.maximum(daily_returns, _RUIN - 1.0))
        usual = float(logs.var())
        if usual == 0.0:
            raise DataError("the backtest's account never moved, so there is no band for its results")
        n_days = int(min(math.floor(false_alarm_days), _MOST_DAYS))
        drawn = _paths(_residuals(logs, usual), n_days, rng)
        kept = tuple(window for window in windows if window <= n_days)
        centre, spread, strays = [], [], np.zeros((len(kept), n_days, _PATHS))
        for place, window in enumerate(kept):
            sums = drawn[:, window:] - drawn[:, :-window]
            centre.append(float(sums.mean()))
            spread.append(float(sums.std()))
            strays[place, window - 1 :] = np.abs((sums - centre[place]) / spread[place]).T
        limit = _limit(strays, np.array(kept), n_days * _PATHS / false_alarm_days)
        fan = Fan(*np.exp(np.quantile(_paths(logs, n_days, rng)[:, 1:], _FAN, axis=0)))
        return cls(kept, np.array(centre), np.array(spread), limit, usual, fan)

    def fresh(self) -> PnlState:
        """State of a band that has seen no day."""
        return PnlState(-1, 0.0, 0.0, self.usual_variance)

    def forgotten(self, state: PnlState) -> PnlState:
        """After a person has accepted what was found: days count from here, at the volatility of now."""
        return replace(state, log_returns=(), residuals=())

    def observe(self, state: PnlState, day: int, equity: float) -> PnlState:
        """After a bar of trading day `day` closed with the account at `equity`.

        Known at: the close of the bar.
        """
        if state.day < 0:
            return replace(state, day=day, start_equity=equity, last_equity=equity)
        if day <= state.day:
            return replace(state, last_equity=equity)
        moved = math.log(max(state.last_equity, _RUIN) / max(state.start_equity, _RUIN))
        kept = self.windows[-1]
        return PnlState(
            day=day,
            start_equity=state.last_equity,
            last_equity=equity,
            variance=_next_variance(state.variance, moved),
            log_returns=(*state.log_returns, moved)[-kept:],
            residuals=(*state.residuals, moved / _deviation(state.variance, self.usual_variance))[-kept:],
        )

    def finding(self, state: PnlState) -> GuardVerdict:
        """The window that is furthest from its centre, if it is beyond its limit.

        Known at: the first bar of the next trading day.
        """
        residuals = np.array(state.residuals)
        known = [i for i, window in enumerate(self.windows) if window <= residuals.size]
        if not known:
            return GuardVerdict.clear(PNL)
        found = np.array([residuals[-self.windows[i] :].sum() for i in known])
        strays = (found - self.centre[known]) / self.spread[known]
        worst = int(np.argmax(np.abs(strays)))
        place = known[worst]
        days = self.windows[place]
        return_found = math.expm1(sum(state.log_returns[-days:]))
        # in money, at what these days were expected to vary
        scale = math.hypot(*state.log_returns[-days:]) / max(math.hypot(*residuals[-days:]), _RUIN)
        room = self.limit * float(self.spread[place])
        low, high = (math.expm1(scale * (float(self.centre[place]) + side * room)) for side in (-1.0, 1.0))
        evidence: dict[str, float | str] = {
            "window_days": float(days),
            "return": return_found,
            "low": low,
            "high": high,
            "deviations": float(strays[worst]),
            "limit_deviations": self.limit,
        }
        if abs(float(strays[worst])) <= self.limit:
            return GuardVerdict.clear(PNL, evidence)
        over = f"{days} trading day{'s' if days > 1 else ''}"
        side = "less" if strays[worst] < 0.0 else "more"
        reason = f"{return_found:+.2%} in {over} is {side} than the backtest's band of {low:+.2%} to {high:+.2%}"
        return GuardVerdict(PNL, GuardLevel.HALT, 0, reason, evidence)


def _limit(strays: FloatArray, windows: IntArray, alarms: float) -> float:
    """The bound at which quiet paths raise so many alarms in all, when each begins anew after every alarm.

    Alarms come in clusters, as volatility does: a bound on the first alarm of a path alone would be too low.

    Args:
        strays: (n_windows, n_days, n_paths) how far each sum is out.
        windows: (n_windows,) days that each needs since the last alarm.
        alarms: wanted.
    """
    low, high = 0.0, float(strays.max())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _alarms(strays, windows, middle) > alarms else (low, middle)
    return high


def _alarms(strays: FloatArray, windows: IntArray, limit: float) -> int:
    _, n_days, n_paths = strays.shape
    begun, count = np.zeros(n_paths, dtype=np.int64), 0
    beyond = strays > limit
    for day in range(n_days):
        tripped = (beyond[:, day] & (day + 1 - begun >= windows[:, np.newaxis])).any(axis=0)
        count += int(tripped.sum())
        begun[tripped] = day + 1
    return count


def _deviation(variance: float, usual: float) -> float:
    """What a day is expected to vary: after weeks without a trade still not nothing."""
    return math.sqrt(max(variance, usual * _LEAST_VARIANCE))


def _next_variance(variance: float, log_return: float) -> float:
    return _DECAY * variance + (1.0 - _DECAY) * log_return * log_return


def _residuals(logs: FloatArray, usual: float) -> FloatArray:
    variance, found = usual, np.empty(logs.size)
    for day, moved in enumerate(logs.tolist()):
        found[day] = moved / _deviation(variance, usual)
        variance = _next_variance(variance, moved)
    return found


def _paths(values: FloatArray, n_days: int, rng: np.random.Generator) -> FloatArray:
    """(n_paths, n_days + 1) running sums of resampled days, from 0, each path around a truth of its own."""
    mean, deviation = float(values.mean()), float(values.std())
    length = max(optimal_block_length(values), optimal_block_length(np.square(values - mean)))
    truths = values[_blocks(_PATHS, values.size, values.size, length, rng)]
    drawn = values[_blocks(_PATHS, n_days, values.size, length, rng)] - mean
    days = drawn * (truths.std(axis=1, keepdims=True) / deviation) + truths.mean(axis=1, keepdims=True)
    found: FloatArray = np.concatenate([np.zeros((_PATHS, 1)), np.cumsum(days, axis=1)], axis=1)
    return found


def _blocks(n_paths: int, n_days: int, n: int, length: float, rng: np.random.Generator) -> IntArray:
    """(n_paths, n_days) indices of days drawn in blocks of geometric length with mean `length`, wrapping round."""
    begins = rng.random((n_paths, n_days)) < 1.0 / length
    begins[:, 0] = True
    starts = rng.integers(0, n, size=(n_paths, n_days))
    place = np.arange(n_days)
    last = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    found: IntArray = (np.take_along_axis(starts, last, axis=1) + place - last) % n
    return found

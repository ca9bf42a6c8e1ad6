"""The ways in which a history is changed so that nothing known at some bar may change with it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import utc_offset_ns

__all__ = ["Perturbation", "clock_shift_weeks", "moved_by_weeks", "with_another_future"]

_NS_PER_WEEK = 7 * 86_400_000_000_000
_WEEKS_PER_YEAR = 365.2425 / 7
_YEARS = (28, *(years for years in range(1, 90) if years != 28))  # calendars repeat after 28 years, rules permitting
_LATEST_NS = 2**63 - 1 - 2 * _NS_PER_WEEK

_NOISE_SIGMAS = 3.0
_SPIKED = 0.05
_GAPPED = 0.1
_LONGEST_GAP = 300  # bars


class Perturbation(Enum):
    """What is done to a history; the first four to its bars after t alone."""

    NOISE = "noise"
    """Other prices, volumes and spreads, from the very next bar on."""
    SPIKES = "spikes"
    """The next bar and one in twenty of the others far off, everything else as it was."""
    STAMPS = "stamps"
    """The same bars later: holes in time, the first right after t."""
    TRUNCATION = "truncation"
    """No bars after t at all."""
    CLOCK = "clock"
    """Every bar moved by a number of weeks after which weekdays and summer times are the same again."""
    HEAD = "head"
    """The oldest bars left out."""


def with_another_future(bars: Bars, t: int, kind: Perturbation, generator: np.random.Generator) -> Bars:
    """The bars up to `t` bit for bit, and after it others, or none.

    Args:
        bars: the true history.
        t: last bar that stays, < len(bars) - 1.
        kind: `NOISE`, `SPIKES`, `STAMPS` or `TRUNCATION`.
        generator: the only source of chance.
    """
    if kind is Perturbation.NOISE:
        return _noise(bars, t, generator)
    if kind is Perturbation.SPIKES:
        return _spikes(bars, t, generator)
    if kind is Perturbation.STAMPS:
        return _stamps(bars, t, generator)
    assert kind is Perturbation.TRUNCATION, "the others change no future"
    return bars.slice(0, t + 1)


def moved_by_weeks(bars: Bars, weeks: int) -> Bars:
    """The same bars at another time."""
    return replace(bars, ts_ns=bars.ts_ns + weeks * _NS_PER_WEEK)


def clock_shift_weeks(ts_ns: IntArray, zones: Sequence[str], periods_ns: Sequence[int]) -> int | None:
    """Weeks by which stamps can be moved so that local weekday and time of day of each stay the same.

    Args:
        ts_ns: (n,) stamps, rising.
        zones: whose local times must stay.
        periods_ns: lengths that must fit into the shift as a whole, as those of coarse bars counted from 1970 do.

    Returns:
        A number of weeks other than 0; None if there is none, as for bars from before the present rules of summer
        time that last for years.
    """
    unit = math.lcm(_NS_PER_WEEK, *periods_ns) // _NS_PER_WEEK
    offsets = [utc_offset_ns(ts_ns, zone) for zone in zones]
    for years in _YEARS:
        for weeks in (round(years * _WEEKS_PER_YEAR / unit) * unit, -round(years * _WEEKS_PER_YEAR / unit) * unit):
            first, last = int(ts_ns[0]) + weeks * _NS_PER_WEEK, int(ts_ns[-1]) + weeks * _NS_PER_WEEK
            if weeks == 0 or first < 0 or last > _LATEST_NS:
                continue
            moved = ts_ns + weeks * _NS_PER_WEEK
            if all(np.array_equal(utc_offset_ns(moved, zone), own) for zone, own in zip(zones, offsets, strict=True)):
                return weeks
    return None


def _noise(bars: Bars, t: int, generator: np.random.Generator) -> Bars:
    size = len(bars) - t - 1
    sigma = _NOISE_SIGMAS * max(float(np.std(np.diff(np.log(bars.close)))), 1e-4)
    close = bars.close[t] * np.exp(np.cumsum(generator.normal(0.0, sigma, size)))
    open_ = np.append(bars.close[t], close[:-1]) * np.exp(generator.normal(0.0, 0.3 * sigma, size))
    high = np.maximum(open_, close) * np.exp(np.abs(generator.normal(0.0, sigma, size)))
    low = np.minimum(open_, close) * np.exp(-np.abs(generator.normal(0.0, sigma, size)))
    volume, spread = generator.random((2, size)) * [[1e4], [1e-3]]
    return _with_future(bars, t, open_, high, low, close, volume, spread * close)


def _spikes(bars: Bars, t: int, generator: np.random.Generator) -> Bars:
    after = slice(t + 1, len(bars))
    size = len(bars) - t - 1
    spiked = generator.random(size) < _SPIKED
    spiked[0] = True
    by = np.where(spiked, np.exp(generator.choice([-1.0, 1.0], size) * generator.uniform(0.5, 2.0, size)), 1.0)
    # Every other spike is a wick alone.
    body = np.where(np.cumsum(spiked) % 2 == 1, by, 1.0)
    return _with_future(
        bars,
        t,
        bars.open[after] * body,
        bars.high[after] * np.maximum(by, body),
        bars.low[after] * np.minimum(by, body),
        bars.close[after] * body,
        bars.volume[after],
        bars.spread[after],
    )


def _stamps(bars: Bars, t: int, generator: np.random.Generator) -> Bars:
    size = len(bars) - t - 1
    holes = np.where(generator.random(size) < _GAPPED, generator.integers(1, _LONGEST_GAP, size), 0)
    holes[0] = generator.integers(1, _LONGEST_GAP)
    later = bars.ts_ns[t + 1 :] + np.cumsum(holes) * bars.timeframe.nanoseconds
    return replace(bars, ts_ns=np.append(bars.ts_ns[: t + 1], later))


def _with_future(
    bars: Bars,
    t: int,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    spread: FloatArray,
) -> Bars:
    def joined(past: FloatArray, future: FloatArray) -> FloatArray:
        return np.append(past[: t + 1], future)

    return replace(
        bars,
        open=joined(bars.open, open_),
        high=joined(bars.high, high),
        low=joined(bars.low, low),
        close=joined(bars.close, close),
        volume=joined(bars.volume, volume),
        spread=joined(bars.spread, spread),
    )
